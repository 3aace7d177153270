"""One agent in place of a team: what it reads, what it may write, and that everything that handles a run handles its.

1. Informed: all that anybody was told and said, nothing that is hidden; the team's turns and limits.
2. Blind: one seat's own view; as long as all together.
3. Both are trained by every algorithm, kept, gone on with, evaluated and watched.
4. What cannot be is refused, with the way out.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import marft_envs
from baselines.cli import main
from baselines.errors import CheckpointError, ConfigError, EnvironmentKindError
from baselines.evaluate import episodes_of
from baselines.policies.team import Team
from baselines.rollouts.batch import Rollout, Turn
from baselines.rollouts.collect import Collector, Sampling, Task
from baselines.rollouts.few_shot import few_shot_examples
from baselines.rollouts.games import FlexGame
from baselines.rollouts.player import TeamPlayer
from baselines.rollouts.solo import ACT_AS, BlindGame, InformedGame, Solo, find_solo, seated
from baselines.runs.checkpoint_loading import load_checkpoint
from baselines.runs.experiment import Experiment, ExperimentConfig, load_team
from baselines.runs.records import read_records
from baselines.runs.trained_settings import trained_settings
from marft_envs import FlexMG
from tests.baselines.test_algorithms import config, module_of
from tests.baselines.toy_envs import Letters, Paced, ToldLetters
from tests.foreign_env import Echo

LoadTeam = Callable[..., Team]
AGENTS = ("writer_0", "editor_0", "critic_0")
INFORMED = Solo("informed", AGENTS)
BLIND = Solo("blind", ("critic_0",))
OURS = marft_envs.registered_ids()
GREEDY = Sampling(0.0, 6)


def game_of(env: FlexMG, kind: str, agent: str | None = None) -> FlexGame:
    game = seated(env, {}, find_solo(kind, agent, env.possible_agents))  # type: ignore[arg-type]
    assert isinstance(game, FlexGame)
    return game


def say(game: FlexGame, agent: str, text: str) -> None:
    game.submit(agent, Turn(agent, 0, [1], [2], [0.0], text, "", ""))


def read(game: FlexGame, agent: str) -> str:
    return "\n".join(message["content"] for message in game.messages(agent))


# --- 1. Informed ---


@pytest.mark.parametrize("env_id", OURS)
def test_an_informed_agent_reads_every_view_and_every_word_and_nothing_hidden(env_id: str) -> None:
    env = marft_envs.make(env_id)
    assert isinstance(env, FlexMG)
    env.hidden = lambda: "what-nobody-is-told"  # type: ignore[method-assign]
    told: list[str] = []
    view = env.view
    env.view = lambda agent: told.append(view(agent)) or told[-1]  # type: ignore[method-assign, func-returns-value]
    game = game_of(env, "informed")
    game.reset(3, None)
    said: list[str] = []
    while not game.done:
        (agent,) = game.ready()
        text = read(game, agent)
        assert all(one in text for one in (*told, *said))
        assert "what-nobody-is-told" not in text
        assert text.endswith(ACT_AS.format(agent=agent))
        said.append(f"word number {len(said)} of {agent}")
        say(game, agent, said[-1])
        if len(said) > 12:  # on the clock there are many
            return


def test_an_informed_agent_acts_in_one_seat_at_a_time_and_reads_what_it_has_just_said() -> None:
    game = game_of(Letters(shape="together"), "informed")
    game.reset(1, None)
    for place, agent in enumerate(AGENTS):
        assert game.ready() == (agent,)
        assert read(game, agent).count("> I am") == place
        say(game, agent, f"I am {agent}.")
    assert game.ready() == AGENTS[:1]


def test_a_seat_keeps_its_own_profile() -> None:
    game = game_of(Letters(), "informed")
    game.reset(1, None)
    assert game.messages("writer_0")[0] == {"role": "system", "content": "You write."}


def test_what_an_informed_agent_has_said_before_its_turn_on_the_clock_it_reads_before_others_hear_it() -> None:
    game = game_of(Paced(), "informed")
    game.reset(1, None)
    say(game, "quick_0", "first")
    say(game, "quick_0", "second")
    assert game.ready() == ("slow_0",)
    assert "> second" in read(game, "slow_0")


def test_turns_and_limits_of_an_informed_agent_are_the_teams(load_team: LoadTeam) -> None:
    team = load_team(*AGENTS, adapters="shared")
    tasks = [Task(seed) for seed in range(3)]
    sampling = Sampling(0.0, 6, {"editor": 2})
    alone = Collector(Letters, team, num_envs=2, solo=INFORMED).collect(tasks, sampling)
    together = Collector(Letters, team, num_envs=2).collect(tasks, sampling)
    for one, other in zip(alone.rollouts, together.rollouts, strict=True):
        assert [turn.agent for turn in one.turns] == [turn.agent for turn in other.turns]
        assert all(len(turn.action_ids) <= sampling.limit(turn.agent) for turn in one.turns)
    assert set(team.blocks) == {"team"}


def test_an_informed_agents_episodes_replay_from_their_log(load_team: LoadTeam) -> None:
    for make in (Letters, Paced):
        agents = tuple(make().possible_agents)
        team = load_team(*agents, adapters="shared")
        solo = Solo("informed", agents)
        rollouts = Collector(make, team, num_envs=2, solo=solo).collect([Task(1), Task(2)], GREEDY).rollouts
        for rollout, episode in zip(rollouts, episodes_of(rollouts, make()), strict=True):
            assert episode.returns == pytest.approx(rollout.returns)


def test_a_game_of_an_informed_agent_forks() -> None:
    game = game_of(Letters(), "informed")
    game.reset(1, None)
    say(game, "writer_0", "a")
    twin = game.fork()
    say(twin, "editor_0", "b")
    assert game.ready() == ("editor_0",)
    assert twin.ready() == ("critic_0",)
    assert "> b" not in read(game, "editor_0")


# --- 2. Blind ---


@pytest.mark.parametrize("env_id", OURS)
def test_a_blind_agent_reads_nothing_of_any_other(env_id: str) -> None:
    env = marft_envs.make(env_id)
    assert isinstance(env, FlexMG)
    own, others = set[str](), set[str]()
    solo = find_solo("blind", None, env.possible_agents)
    assert solo is not None
    (seat,) = solo.seats
    assert seat == env.possible_agents[-1]
    view = env.view

    def told(agent: str) -> str:
        text = f"{view(agent)}\nthis is for {agent} alone"
        (own if agent == seat else others).add(text)
        return text

    env.view = told  # type: ignore[method-assign]
    game = seated(env, {}, solo)
    assert isinstance(game, BlindGame)
    game.reset(3, None)
    while not game.done:
        assert game.ready() == (seat,)
        assert not any("name" in message for message in game.messages(seat))
        assert "alone" not in read(game, seat).replace(f"this is for {seat} alone", "")
        say(game, seat, "Hm.")
    assert {turn.action for turn in env.turns if turn.agent != seat} <= {""}


def test_any_seat_may_play_blind() -> None:
    game = game_of(Letters(), "blind", "editor_0")
    game.reset(1, None)
    assert game.ready() == ("editor_0",)
    say(game, "editor_0", "x")
    assert game.ready() == ("editor_0",)
    system, asked, *rest = [message["content"] for message in game.messages("editor_0")]
    assert system == "You edit."
    assert asked.startswith("Write about")
    assert rest == ["x", "That was a round.", "Go on."]


def test_a_blind_agent_may_write_as_many_tokens_as_all_together(load_team: LoadTeam) -> None:
    asked: list[int] = []
    team = load_team("critic_0")
    act = team.act
    team.act = lambda requests, **settings: (
        asked.extend(one.max_new_tokens for one in requests)
        or act(  # type: ignore[method-assign, func-returns-value]
            requests, **settings
        )
    )
    sampling = Sampling(0.0, 6, {"editor": 2})
    batch = Collector(Letters, team, num_envs=1, solo=BLIND).collect([Task(1)], sampling)
    assert asked == [6 + 2 + 6] * 2
    written = [turn.agent for turn in batch.turns() if turn.action_ids]
    assert written == ["critic_0"] * 2


# --- Examples ---


def test_examples_for_an_informed_agent_are_what_it_would_have_read() -> None:
    env = marft_envs.make("collab/sum_relay-v0")
    assert isinstance(env, FlexMG)
    examples = few_shot_examples(env, "easy", 1, find_solo("informed", None, env.possible_agents))
    env.reset(seed=0, options={"level": "easy"})
    asked, answered = examples["holder_1"]
    assert answered["content"] == str(env.total)
    assert all(str(numbers[0]) in asked["content"] for numbers in env.numbers.values())


def test_examples_for_a_blind_agent_are_the_best_silent_play_where_it_is_known() -> None:
    env = marft_envs.make("collab/sum_relay-v0")
    assert isinstance(env, FlexMG)
    examples = few_shot_examples(env, "easy", 1, find_solo("blind", None, env.possible_agents))
    assert examples["holder_0"] == []
    env.reset(seed=0, options={"level": "easy"})
    env.step("")
    assert examples["holder_1"][-1]["content"] == env.silent_action("holder_1") != str(env.total)
    math = marft_envs.make("math/reason_act-v0")
    assert isinstance(math, FlexMG)
    shown = few_shot_examples(math, "add_digit", 1, find_solo("blind", None, math.possible_agents))
    math.reset(seed=0, options={"level": "add_digit"})
    assert shown["actor_0"][-1]["content"] == str(math.problem.answer)


# --- 3. Trained, kept, gone on with, evaluated, watched ---

ALONE = pytest.mark.parametrize("kind", ["informed", "blind"])


@pytest.mark.parametrize(
    "algorithm",
    ["at_grpo", "dr_mas", "imitation", "ippo", "magrpo", "mappo", "marft_action", "marft_token", "reinforce_rae"],
)
@ALONE
def test_every_algorithm_trains_one_alone(algorithm: str, kind: str, tiny_model: Path, tmp_path: Path) -> None:
    settings = config(algorithm, tiny_model, tmp_path, solo=kind, num_iterations=2, few_shot=1, max_new_tokens=4)
    module_of(algorithm).train(settings, quiet=True)
    *_, last = read_records(tmp_path / "metrics.jsonl")
    adapter = "team" if kind == "informed" else "critic_0"
    updated = {name.partition("/")[0] for name in last if name.endswith("/tokens_out")} - {"train"}
    assert updated <= {adapter}
    names = [record["name"] for record in read_records(tmp_path / "evaluations.jsonl")]
    assert names == ["untrained", "untrained_few_shot", "trained"]
    checkpoint = load_checkpoint(tmp_path)
    assert trained_settings(checkpoint).solo == kind
    team = load_team(trained_settings(checkpoint), AGENTS, checkpoint.path)
    assert set(team.blocks) == {adapter}


@ALONE
def test_one_alone_learns_from_what_would_have_followed_a_cut_as_a_team_does(
    kind: str, tiny_model: Path, tmp_path: Path
) -> None:
    settings = config("ippo", tiny_model, tmp_path, solo=kind, bootstrap_truncated=True, num_iterations=1)
    module_of("ippo").train(settings, quiet=True)
    assert len(read_records(tmp_path / "metrics.jsonl")) == 1


def test_what_an_informed_agent_would_have_read_next_is_read_as_its_prompts_are(load_team: LoadTeam) -> None:
    team = load_team(*AGENTS, adapters="shared")
    collector = Collector(Letters, team, num_envs=1, solo=INFORMED, reads_final_prompts=True)
    (rollout,) = collector.collect([Task(1)], GREEDY).rollouts
    env = Letters(horizon=3)
    game = seated(env, {}, INFORMED)
    assert isinstance(game, InformedGame)
    game.reset(1, None)
    for turn in rollout.turns:
        say(game, turn.agent, turn.text)
    asked = team.conversation("writer_0").prompt(game.messages("writer_0"))
    (expected,) = team.prompt_features(["writer_0"], [asked], 1)
    assert rollout.final_features["writer_0"].tolist() == pytest.approx(expected.tolist(), abs=1e-4)


@pytest.fixture(scope="module")
def trained(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a short run of one alone, or of a "team"; each is trained once."""
    runs: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in runs:
            runs[kind] = tmp_path_factory.mktemp("solo") / kind
            words = ["train", "--env-id", "collab/sum_relay-v0", "--model", str(tiny_model), "--level", "easy"]
            words += ["--num-iterations", "1", "--episodes-per-iteration", "4", "--max-new-tokens", "3"]
            words += ["--eval-instances", "2", "--few-shot", "0", "--run-dir", str(runs[kind])]
            assert main([*words, *(["--solo", kind] if kind != "team" else [])]) == 0
        return runs[kind]

    return folder


@ALONE
def test_a_checkpoint_of_one_alone_is_evaluated_alone(
    kind: str, trained: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = trained(kind)
    capsys.readouterr()
    assert main(["evaluate", str(folder), "--instances", "2", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert result["solo"] == kind
    records = read_records(folder / "evaluations.jsonl")
    assert result["tokens_out"] == records[-1]["tokens_out"]
    assert main(["evaluate", str(folder), "--instances", "2"]) == 0
    assert f", one {kind} agent alone" in " ".join(capsys.readouterr().out.split())


@ALONE
def test_one_alone_can_be_watched_and_says_what_it_says_in_an_evaluation(
    kind: str, trained: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = [tmp_path / "played.jsonl", tmp_path / "evaluated.jsonl"]
    folder = trained(kind)
    assert main(["evaluate", str(folder), "--instances", "1", "--log", str(logs[1])]) == 0
    (evaluated,) = marft_envs.read_log(logs[1])
    words = ["play", "collab/sum_relay-v0", "--checkpoint", str(folder), "--split", "test"]
    assert main([*words, "--seed", str(evaluated.seed), "--log", str(logs[0])]) == 0
    (played,) = marft_envs.read_log(logs[0])
    assert [turn.action for turn in played.turns] == [turn.action for turn in evaluated.turns]


def test_a_run_of_one_alone_goes_on_as_such(trained: Callable[[str], Path]) -> None:
    folder = trained("informed")
    assert main(["train", "--resume", str(folder), "--num-iterations", "2"]) == 0
    assert len(read_records(folder / "metrics.jsonl")) == 2
    assert trained_settings(load_checkpoint(folder)).solo == "informed"


def test_who_plays_alone_cannot_change_when_a_run_goes_on(
    trained: Callable[[str], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--resume", str(trained("blind")), "--solo", "informed", "--num-iterations", "3"]) == 2
    assert "--solo cannot change when a run goes on" in " ".join(capfd.readouterr().err.split())


@ALONE
def test_a_player_in_the_plain_loop_says_what_the_collector_made_it_say(kind: str, load_team: LoadTeam) -> None:
    solo = INFORMED if kind == "informed" else BLIND
    team = load_team(*solo.seats, adapters="shared")
    (rollout,) = Collector(Letters, team, num_envs=1, solo=solo).collect([Task(5)], GREEDY).rollouts
    env = Letters()
    game = seated(env, {}, solo)
    assert isinstance(game, FlexGame)
    player = TeamPlayer(team, env, GREEDY, game)
    episode = marft_envs.play(
        env, lambda agent, messages: player(agent, messages) if agent in solo.seats else "", seed=5
    )
    assert [turn.action for turn in episode.turns] == [turn.text for turn in rollout.turns]


def test_several_plays_of_one_instance_are_drawn_apart_and_tell_their_answers(load_team: LoadTeam) -> None:
    def make() -> FlexMG:
        env = marft_envs.make("math/pipeline-v0", horizon=1, level="add_digit")
        assert isinstance(env, FlexMG)
        return env

    team = load_team(*make().possible_agents)
    tasks = [Task(1, sample=sample) for sample in range(3)]
    rollouts: list[Rollout] = (
        Collector(make, team, num_envs=3, reads_answers=True).collect(tasks, Sampling(1.0, 4)).rollouts
    )
    assert len({tuple(rollout.texts("actor_0")) for rollout in rollouts}) == 3
    for rollout, episode in zip(rollouts, episodes_of(rollouts, make()), strict=True):
        env = make()
        marft_envs.play(env, _again(episode), seed=1)
        assert rollout.answer == env.answer()


def _again(episode: marft_envs.Episode) -> Callable[..., str]:
    left = {agent: [turn.action for turn in episode.turns if turn.agent == agent] for agent in episode.returns}
    return lambda agent, messages: left[agent].pop(0)


# --- 4. Refused ---


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"solo": "informed", "replace": {"actor": "reference"}}, "one agent plays alone, and replace names others"),
        ({"solo_agent": "actor_0"}, "solo_agent is 'actor_0', but solo is None; only with solo blind"),
        ({"solo": "informed", "solo_agent": "actor_0"}, "but solo is 'informed'; only with solo blind"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ExperimentConfig(**settings).check()  # type: ignore[arg-type]


def test_an_agent_that_there_is_not_is_refused(tiny_model: Path) -> None:
    settings = ExperimentConfig(model=str(tiny_model), solo="blind", solo_agent="acter_0")
    with pytest.raises(ConfigError, match="solo_agent is 'acter_0'; the agents are reasoner_0, actor_0"):
        Experiment.prepare(settings)


def test_an_environment_of_others_is_refused(tiny_model: Path) -> None:
    settings = ExperimentConfig(env_id="tests.foreign_env:Echo", model=str(tiny_model), solo="informed")
    with pytest.raises(EnvironmentKindError, match=r"no FlexMG environment.*play it without --solo"):
        Experiment.prepare(settings)
    with pytest.raises(EnvironmentKindError):
        seated(Echo(), {}, BLIND)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["diagnose", "RUN"], "nobody else is in that team"),
        (["play", "collab/sum_relay-v0", "--checkpoint", "RUN", "--seat", "holder_0"], "leave out --seat to watch it"),
        (["evaluate", "RUN", "--replace", "holder_0", "silent"], "one agent plays alone, and replace names others"),
        (["evaluate", "TEAM", "--solo", "informed"], "no adapter 'team' in"),
        (["evaluate", "TEAM", "--replace", "holder_0", "RUN"], "was trained to play alone"),
        (["diagnose", "TEAM", "RUN"], "was trained to play alone"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_a_run_of_one_alone_cannot_be_used_for_is_told(
    words: list[str], message: str, trained: Callable[[str], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    named = {"RUN": str(trained("informed")), "TEAM": str(trained("team"))}
    assert main([named.get(word, word) for word in words]) == 2
    assert message in " ".join(capfd.readouterr().err.split())


def test_a_checkpoint_of_one_alone_does_not_stand_for_an_agent(trained: Callable[[str], Path]) -> None:
    from baselines.runs.company import checkpoint_of_a_team

    assert checkpoint_of_a_team(trained("team")).is_dir()
    with pytest.raises(CheckpointError, match="reads what no agent of a team does"):
        checkpoint_of_a_team(trained("informed"))


def test_a_reference_is_told_to_one_alone_for_imitation(tiny_model: Path, tmp_path: Path) -> None:
    assert ToldLetters().reference_action("critic_0") == "AB"  # three tokens with the end; three agents have one each
    settings = config("imitation", tiny_model, tmp_path, solo="blind", max_new_tokens=1, num_iterations=1)
    module_of("imitation").train(settings, quiet=True)
