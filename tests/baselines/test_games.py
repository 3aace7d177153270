"""Anybody's environments behind one face: what a plain AEC environment becomes, and what cannot be played.

1. An environment that knows nothing of us is played, paid and cut as it says.
2. A team trains on it by `module:factory`.
3. What is no AEC environment of texts is refused, with the way out.
4. On the clock turns and payments are those of the episode, and a team trains.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from gymnasium.spaces import Box, Dict, Discrete, Text
from pettingzoo.test import api_test
from pettingzoo.utils.wrappers import OrderEnforcingWrapper

from baselines.algorithms.marft_action import Config, train
from baselines.errors import ConfigError, EnvironmentKindError
from baselines.evaluate import episodes_of
from baselines.policies.team import Team
from baselines.rollouts.batch import Rollout, Turn
from baselines.rollouts.collect import Collector, Sampling, Task
from baselines.rollouts.games import AECGame, FlexGame, Game, as_game
from baselines.runs.records import read_records
from marft_envs import LLMText
from tests.baselines.toy_envs import Letters, Paced
from tests.foreign_env import Echo

LoadTeam = Callable[..., Team]


def turn(agent: str, text: str) -> Turn:
    return Turn(agent, 0, [1], [2], [0.0], text, state="", observation="")


def played(env: Echo, texts: Sequence[str]) -> Rollout:
    """Plays these texts, whoever's turn it is."""
    game = as_game(env)
    game.reset(7, None)
    for text in texts:
        (agent,) = game.ready()
        game.submit(agent, turn(agent, text))
    assert game.done
    return game.rollout()


FIVE = ("one", "one", "two", "two", "alone")  # caller, echoer, caller, echoer, and the caller has left


# Played, paid and cut as it says.


@pytest.mark.filterwarnings("ignore::UserWarning")  # api_test would rather see arrays than text
def test_the_foreign_environment_keeps_pettingzoos_own_rules() -> None:
    api_test(Echo(dict_observations=True))


@pytest.mark.parametrize("dict_observations", [False, True])
def test_an_observation_becomes_one_user_message(dict_observations: bool) -> None:
    game = as_game(Echo(dict_observations=dict_observations))
    assert isinstance(game, AECGame)
    game.reset(7, None)
    assert game.messages("caller") == [{"role": "user", "content": "Say word 7."}]
    game.submit("caller", turn("caller", "hat"))
    assert game.ready() == ("echoer",)
    assert game.messages("echoer") == [{"role": "user", "content": "Repeat: hat"}]
    assert game.observation("echoer") == game.state("echoer") == "Repeat: hat"


def test_agents_act_in_the_environments_order_and_one_may_finish_early() -> None:
    rollout = played(Echo(), FIVE)
    assert [one.agent for one in rollout.turns] == ["caller", "echoer", "caller", "echoer", "echoer"]
    assert [one.round for one in rollout.turns] == [0, 1, 2, 3, 4]
    assert rollout.time == "turns"
    assert (rollout.seed, rollout.instance, rollout.level) == (7, "7", None)


def test_everybody_is_paid_at_the_turn_that_paid_it_also_by_another_agents_step() -> None:
    rollout = played(Echo(), FIVE)
    both = {"caller": 1.0, "echoer": 0.25}
    assert [one.rewards for one in rollout.turns] == [{}, both, {}, both, {"echoer": 0.25}]
    assert rollout.returns == {"caller": 2.0, "echoer": 0.75}


def test_only_the_agent_that_was_cut_has_a_next_state() -> None:
    rollout = played(Echo(cut=True), FIVE)
    assert not rollout.terminated
    assert rollout.final_states == rollout.final_observations == {"echoer": "Repeat: two"}


def test_an_episode_in_which_all_agents_terminated_has_no_next_state() -> None:
    rollout = played(Echo(cut=False), FIVE)
    assert rollout.terminated
    assert rollout.final_states == {}


def test_an_agent_that_terminated_in_the_moment_it_was_cut_has_no_next_state() -> None:
    class Both(Echo):
        def _answer(self, action: str) -> None:
            super()._answer(action)
            self.terminations["echoer"] = self.truncations["echoer"]

    rollout = played(Both(cut=True), FIVE)
    assert rollout.terminated
    assert rollout.final_states == {}


def test_nothing_of_one_episode_is_left_in_the_next() -> None:
    game = as_game(Echo(calls=1, replies=1, cut=True))
    for _ in range(2):
        game.reset(7, None)
        game.submit("caller", turn("caller", "one"))
        game.submit("echoer", turn("echoer", "one"))
        assert len(game.rollout().turns) == 2
    game.env.cut = False
    game.reset(7, None)
    game.submit("caller", turn("caller", "one"))
    game.submit("echoer", turn("echoer", "one"))
    assert game.rollout().terminated


def test_a_text_state_is_what_the_critic_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Echo, "state", lambda self: f"all that is: {self.word}", raising=False)
    game = as_game(Echo())
    game.reset(0, None)
    game.submit("caller", turn("caller", "hat"))
    assert game.state("echoer") == "all that is: hat"


def test_an_action_may_be_as_long_as_its_space_says() -> None:
    assert as_game(Echo()).max_chars("caller") == 40
    env = Letters()
    assert as_game(env).max_chars("writer_0") == env.profiles["writer_0"].max_action_chars


def test_a_wrapped_flex_mg_is_played_as_one() -> None:
    assert isinstance(as_game(OrderEnforcingWrapper(Letters())), FlexGame)


# A team plays it, and trains on it.


def test_a_collector_plays_it(load_team: LoadTeam) -> None:
    team = load_team("caller", "echoer")
    collector = Collector(Echo, team, num_envs=2)
    batch = collector.collect([Task(seed) for seed in (3, 1, 2)], Sampling(1.0, 4))
    assert [rollout.seed for rollout in batch.rollouts] == [3, 1, 2]
    for rollout in batch.rollouts:
        texts = iter([one.text for one in rollout.turns])
        assert [one.agent for one in rollout.turns] == ["caller", "echoer", "caller", "echoer", "echoer"]
        first = team.base.tokenizer.decode(rollout.turns[0].prompt_ids)
        assert first == f"<|im_start|>user\nSay word {rollout.seed}.<|im_end|>\n<|im_start|>assistant\n"
        second = team.base.tokenizer.decode(rollout.turns[1].prompt_ids)
        assert second == f"<|im_start|>user\nRepeat: {next(texts)}<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize("critic_input", ["state", "observation"])
def test_a_team_trains_on_it(tiny_model: Path, tmp_path: Path, critic_input: str) -> None:
    config = Config(
        env_id="tests.foreign_env:Echo",
        env_options={"calls": 1, "replies": 2},
        model=str(tiny_model),
        run_dir=tmp_path / "run",
        num_iterations=2,
        episodes_per_iteration=4,
        eval_instances=2,
        max_new_tokens=6,
        critic_input=critic_input,
        bootstrap_truncated=True,
    )
    summary = train(config, quiet=True)
    assert summary.stop_reason == "finished"
    records = read_records(tmp_path / "run" / "metrics.jsonl")
    assert [record["train/turns"] for record in records] == [12, 12]  # 4 · (1 call + 2 replies)
    for agent in ("caller", "echoer"):
        assert all(record[f"{agent}/updates"] == 2 and record[f"{agent}/grad_norm"] > 0 for record in records)


# What cannot be played.


class Numeric(Echo):
    def observation_space(self, agent: str) -> Box:
        return Box(0.0, 1.0, (3,))


class Buttons(Echo):
    def action_space(self, agent: str) -> Discrete:
        return Discrete(4)


class OtherKey(Echo):
    def observation_space(self, agent: str) -> Dict:
        return Dict({"words": Text(10)})


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (Numeric(), r"'caller' .* observes Box.*read text; .*Text or Dict\(\{\"text\": Text\}\)"),
        (OtherKey(), r"observes Dict\('words'.*Text or Dict"),
        (Buttons(), r"acts in Discrete\(4\).*write text.*LLMText"),
        (object(), r"object is not a PettingZoo AEC environment.*parallel_to_aec"),
    ],
    ids=["numbers", "another key", "buttons", "no environment"],
)
def test_an_environment_that_is_not_text_is_refused(env: object, message: str) -> None:
    with pytest.raises(EnvironmentKindError, match=message):
        as_game(env)


def test_our_own_text_space_is_a_text_space() -> None:
    class Ours(Echo):
        def action_space(self, agent: str) -> LLMText:
            return LLMText(33)

    game: Game = as_game(Ours())
    assert game.max_chars("caller") == 33


# On the clock.


def test_on_the_clock_a_rollout_has_the_turns_that_ended_and_all_that_was_paid() -> None:
    env = Paced()
    game = as_game(env)
    game.reset(3, None)
    first = {agent: turn(agent, f"{agent} at first") for agent in game.ready()}
    for agent in ("slow_0", "quick_0"):
        game.submit(agent, first[agent])
    last = turn("quick_0", "stop")
    game.submit("quick_0", last)
    assert game.done
    rollout = game.rollout()
    assert rollout.turns == [first["quick_0"], last]
    assert (last.round, last.start_us, last.finish_us) == (2, 920_000, 1_600_000)
    paid = [(920_000, 0.16), (1_500_000, 0.5), (1_600_000, 0.04)]
    assert rollout.payments == tuple((time, agent, amount) for time, amount in paid for agent in env.possible_agents)
    assert rollout.returns == env.episode().returns
    assert rollout.end_us == 1_600_000


def test_on_the_clock_what_was_asked_for_and_comes_after_the_end_is_dropped() -> None:
    game = as_game(Paced())
    game.reset(3, None)
    game.submit("quick_0", turn("quick_0", "stop"))
    assert game.done
    game.submit("slow_0", turn("slow_0", "too late"))
    assert [one.text for one in game.rollout().turns] == ["stop"]


def test_on_the_clock_every_tick_asks_all_open_turns(load_team: LoadTeam, monkeypatch: pytest.MonkeyPatch) -> None:
    team = load_team("quick_0", "slow_0")
    sizes: list[int] = []
    act = Team.act

    def noted(self: Team, requests: Sequence[object], **settings: object) -> object:
        sizes.append(len(requests))
        return act(self, requests, **settings)

    monkeypatch.setattr(Team, "act", noted)
    batch = Collector(Paced, team, num_envs=3).collect([Task(seed) for seed in range(3)], Sampling(0.7, 4))
    assert sizes[0] == 6
    assert sum(sizes) == sum(len(rollout.turns) for rollout in batch.rollouts)
    alone = Collector(Paced, team, num_envs=1).collect([Task(seed) for seed in range(3)], Sampling(0.7, 4))
    assert [one.text for one in alone.turns()] == [one.text for one in batch.turns()]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"critic_input": "observation", "bootstrap_truncated": True},
        {"update": "simultaneous", "bootstrap_truncated": True},
    ],
)
def test_a_team_trains_on_the_clock(tiny_model: Path, tmp_path: Path, settings: dict[str, object]) -> None:
    config = Config(
        env_id="tests.baselines.toy_envs:Paced",
        model=str(tiny_model),
        run_dir=tmp_path / "run",
        num_iterations=2,
        episodes_per_iteration=4,
        eval_instances=2,
        few_shot=0,
        max_new_tokens=6,
        **settings,
    )
    assert train(config, quiet=True).stop_reason == "finished"
    for record in read_records(tmp_path / "run" / "metrics.jsonl"):
        for agent in ("quick_0", "slow_0"):
            assert record[f"{agent}/updates"] == 2
            assert record[f"{agent}/grad_norm"] > 0
        assert 0 < record["slow_0/predecessor_ess"] <= 1


def test_on_the_clock_rollouts_become_episodes_that_a_log_can_hold(load_team: LoadTeam) -> None:
    team = load_team("quick_0", "slow_0")
    tasks = [Task(seed) for seed in range(4)]
    env = Paced()
    rollouts = Collector(Paced, team, num_envs=4).collect(tasks, Sampling(0.7, 9)).rollouts
    game = as_game(Paced())
    game.reset(9, None)
    game.submit("slow_0", turn("slow_0", "x" * 50))  # could end at 2.5 s, and would at 3.5 s
    while not game.done:
        (agent,) = game.ready()
        game.submit(agent, turn(agent, "stop" if game.env.now_us >= 2_000_000 else "go on"))
    rollouts.append(game.rollout())
    assert rollouts[-1].unfinished == {"slow_0": "x" * 50}
    for rollout, episode in zip(rollouts, episodes_of(rollouts, env), strict=True):
        assert [(one.agent, one.action) for one in episode.turns] == [(one.agent, one.text) for one in rollout.turns]
    assert [(cut.agent, cut.action) for cut in episode.cuts][-1] == ("slow_0", "x" * 50)


def test_without_reference_actions_no_examples_can_be_shown_and_nothing_is_written(
    tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    config = Config(env_id="tests.baselines.toy_envs:Paced", model=str(tiny_model), run_dir=folder, eval_instances=2)
    with pytest.raises(ConfigError, match="use --few-shot 0"):
        train(config, quiet=True)
    assert not folder.exists()
