"""How experience is made: many copies of an environment, all agents that are ready in one batch.

1. What comes back is in the order of the tasks, and does not depend on how many copies play.
2. Every tick asks all ready agents of all copies at once.
3. What an agent reads: its messages, examples after the system text, ids that only grow.
4. What a turn holds: rewards where they were paid, the state that the critic reads, parents, times.
5. What was played can be replayed.
6. Scripts may take seats: the team is asked for the others alone.
7. Where an episode was cut, what policies make of the next prompts, if somebody wants to know.
8. What is kept from turn to turn changes nothing, keeps to its bound, and does not outlive its episode.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
import torch

import marft_envs
from baselines.errors import EnvironmentKindError
from baselines.evaluate import episodes_of
from baselines.policies.adapted import Compute
from baselines.policies.engines.hf import Reply, Request
from baselines.policies.engines.history import History
from baselines.policies.team import Team
from baselines.rollouts.batch import Batch
from baselines.rollouts.collect import Collector, Sampling, Task
from baselines.rollouts.player import TeamPlayer
from marft_envs import Message
from tests.baselines.conftest import perturb
from tests.baselines.toy_envs import Halting, Letters, Uppercase
from tests.foreign_env import Echo

LoadTeam = Callable[..., Team]
AGENTS = ("writer_0", "editor_0", "critic_0")
TASKS = [Task(seed) for seed in (5, 3, 8, 1, 9, 2, 7)]
GREEDY, SAMPLED = Sampling(0.0, 5), Sampling(1.0, 5)
PATHS = pytest.mark.parametrize("path", ["packed", "plain"])


@pytest.fixture
def team(load_team: LoadTeam) -> Team:
    return load_team(*AGENTS)


def collect(
    team: Team, tasks: Sequence[Task], sampling: Sampling = SAMPLED, num_envs: int = 4, **options: object
) -> Batch:
    return Collector(lambda: Letters(**options), team, num_envs=num_envs).collect(tasks, sampling)


def texts(batch: Batch) -> list[list[tuple[str, int, str]]]:
    return [[(turn.agent, turn.round, turn.text) for turn in rollout.turns] for rollout in batch.rollouts]


@pytest.fixture
def calls(team: Team, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The adapters that were asked, call by call."""
    found: list[list[str]] = []
    act = team.act

    def counted(requests: Sequence[Request], **settings: object) -> list[Reply]:
        found.append([request.adapter for request in requests])
        return act(requests, **settings)

    monkeypatch.setattr(team, "act", counted)
    return found


# The order of the tasks.


def test_rollouts_are_the_same_and_in_order_however_many_copies_play(team: Team) -> None:
    batches = [collect(team, TASKS, GREEDY, num_envs) for num_envs in (1, 3, 8)]
    for batch in batches:
        assert [rollout.seed for rollout in batch.rollouts] == [task.seed for task in TASKS]
        assert texts(batch) == texts(batches[0])
    assert len({str(played) for played in texts(batches[0])}) > 1  # the episodes do differ


def test_every_task_is_played_at_its_level(team: Team) -> None:
    batch = collect(team, [Task(1, "fancy"), Task(2), Task(3, "plain"), Task(1, "fancy")], num_envs=2)
    assert [rollout.level for rollout in batch.rollouts] == ["fancy", "plain", "plain", "fancy"]
    assert [", fancy." in rollout.turns[0].observation for rollout in batch.rollouts] == [True, False, False, True]
    assert batch.rollouts[0].instance == batch.rollouts[3].instance
    assert batch.rollouts[0].instance.startswith("fancy ")


def test_no_tasks_make_no_episodes(team: Team) -> None:
    assert collect(team, []).rollouts == []


def test_progress_is_told_how_many_are_done(team: Team) -> None:
    told: list[int] = []
    Collector(Letters, team, num_envs=2).collect(TASKS[:5], GREEDY, told.append)
    assert told == sorted(told)
    assert told[-1] == 5


# One batch a tick.


def test_agents_that_move_together_are_asked_in_one_call_a_round(team: Team, calls: list[list[str]]) -> None:
    collect(team, TASKS[:2], num_envs=2, shape="together", horizon=3)
    assert calls == [[*AGENTS, *AGENTS]] * 3


def test_agents_that_wait_for_each_other_are_asked_layer_by_layer(team: Team, calls: list[list[str]]) -> None:
    collect(team, TASKS[:2], num_envs=2, shape="sequence", horizon=2)
    assert calls == [[agent, agent] for _ in range(2) for agent in AGENTS]


def test_a_copy_that_is_done_takes_the_next_task_at_once(team: Team, calls: list[list[str]]) -> None:
    collect(team, TASKS[:3], num_envs=2, shape="together", horizon=1)
    assert [len(call) for call in calls] == [6, 3]


# What an agent reads.


def test_a_prompt_is_the_agents_messages(team: Team) -> None:
    (rollout,) = collect(team, TASKS[:1], shape="chain").rollouts
    env = Letters(shape="chain")
    env.reset(seed=TASKS[0].seed)
    for turn in rollout.turns:
        assert env.agent_selection == turn.agent
        assert turn.observation == env.observe(turn.agent)["text"]
        if turn.round == 0:
            assert turn.prompt_ids == team.conversation(turn.agent).prompt(env.messages(turn.agent))
        env.step(turn.text)


def test_the_next_prompt_begins_with_the_last_one_and_the_very_tokens_sampled(team: Team) -> None:
    batch = collect(team, TASKS, horizon=3, shape="together")
    for rollout in batch.rollouts:
        for agent in AGENTS:
            own = [turn for turn in rollout.turns if turn.agent == agent]
            assert len(own) == 3
            for before, after in pairwise(own):
                known = before.prompt_ids + before.action_ids
                assert after.prompt_ids[: len(known)] == known
                new = team.base.tokenizer.decode(after.prompt_ids[len(known) :])
                assert "That was a round.\n\nGo on.<|im_end|>" in new


def test_examples_stand_after_the_system_text_and_before_the_task(team: Team) -> None:
    examples: dict[str, list[Message]] = {
        "writer_0": [{"role": "user", "content": "An example?"}, {"role": "assistant", "content": "Yes."}],
        "critic_0": [{"role": "user", "content": "Another?"}, {"role": "assistant", "content": "No."}],
    }
    collector = Collector(Letters, team, num_envs=1, examples=examples)
    (rollout,) = collector.collect(TASKS[:1], SAMPLED).rollouts
    writer, editor, critic = (team.base.tokenizer.decode(turn.prompt_ids) for turn in rollout.turns[:3])
    assert writer.startswith(
        "<|im_start|>system\nYou write.<|im_end|>\n<|im_start|>user\nAn example?<|im_end|>\n"
        "<|im_start|>assistant\nYes.<|im_end|>\n<|im_start|>user\nWrite about "
    )
    assert "example" not in editor
    assert critic.startswith(
        "<|im_start|>user\nAnother?<|im_end|>\n<|im_start|>assistant\nNo."
    )  # it has no system text


def test_roles_and_agents_may_have_bounds_of_their_own() -> None:
    sampling = Sampling(1.0, 9, {"editor": 4, "writer_1": 2, "writer": 7})
    assert [sampling.limit(agent) for agent in ("writer_0", "writer_1", "editor_3", "critic_0")] == [7, 2, 4, 9]


def test_no_action_is_longer_than_its_bound(team: Team) -> None:
    batch = collect(team, TASKS[:3], Sampling(1.0, 6, {"editor": 2}))
    for turn in batch.turns():
        assert 1 <= len(turn.action_ids) <= (2 if turn.agent == "editor_0" else 6)
        assert len(turn.logprobs) == len(turn.action_ids)


# What a turn holds.


@pytest.mark.parametrize("shape", ["sequence", "together"])
def test_a_reward_lands_on_the_turn_that_it_was_paid_for(team: Team, shape: str) -> None:
    for rollout in collect(team, TASKS[:3], shape=shape).rollouts:
        for turn in rollout.turns:
            round_ends = 1.0 if turn.agent == AGENTS[-1] else 0.0
            expected = len(turn.text) / 100 + round_ends
            assert [turn.rewards.get(agent, 0.0) for agent in AGENTS] == pytest.approx([expected] * 3)
        total = sum(len(turn.text) for turn in rollout.turns) / 100 + 2.0
        assert rollout.team_return == pytest.approx(total)


def test_the_critic_reads_what_was_submitted_before_even_where_the_agent_cannot(team: Team) -> None:
    (rollout,) = collect(team, TASKS[:1], shape="together", horizon=1).rollouts
    first, second, third = rollout.turns
    assert "writer_0:" not in first.state
    assert "writer_0:" in second.state
    assert "editor_0:" not in second.state
    assert "editor_0:" in third.state
    assert "writer_0:" not in third.observation
    assert all("the number is" in turn.state and "the number is" not in turn.observation for turn in rollout.turns)


def test_turns_know_their_parents_and_their_times(team: Team) -> None:
    (rollout,) = collect(team, TASKS[:1], shape="chain", horizon=2).rollouts
    assert [turn.parents for turn in rollout.turns] == [(), (0,), (1,), (), (3,), (4,)]
    assert [turn.round for turn in rollout.turns] == [0, 0, 0, 1, 1, 1]
    times = [time for turn in rollout.turns for time in (turn.start_us, turn.finish_us)]
    assert times == sorted(times)
    assert times[0] == 0


def test_an_episode_that_the_horizon_cut_has_a_next_state(team: Team) -> None:
    (rollout,) = collect(team, TASKS[:1], horizon=1).rollouts
    assert not rollout.terminated
    assert set(rollout.final_states) == set(rollout.final_observations) == set(AGENTS)
    for state in rollout.final_states.values():
        assert state.startswith(rollout.turns[-1].state)  # it goes on from there
        assert "round 2" in state
    assert rollout.final_observations["writer_0"].endswith("That was a round.\n\nGo on.")


# What policies make of the next prompts where an episode was cut.


@dataclass
class Asked:
    """What was asked of `Team.prompt_features`, call by call."""

    agents: list[list[str]] = field(default_factory=list)
    prompts: list[list[list[int]]] = field(default_factory=list)
    histories: list[list[History | None]] = field(default_factory=list)


def asked_of(team: Team, monkeypatch: pytest.MonkeyPatch) -> Asked:
    found = Asked()
    features = team.prompt_features

    def noted(
        agents: list[str], prompts: list[list[int]], batch_size: int, histories: list[History | None]
    ) -> torch.Tensor:
        found.agents.append(agents)
        found.prompts.append(prompts)
        found.histories.append(histories)
        return features(agents, prompts, batch_size, histories)

    monkeypatch.setattr(team, "prompt_features", noted)
    return found


@PATHS
def test_an_episode_that_the_horizon_cut_tells_what_policies_make_of_their_next_prompts(
    team: Team, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    team.base.compute = Compute(path)
    features = team.prompt_features
    asked = asked_of(team, monkeypatch)
    collector = Collector(lambda: Letters(horizon=2), team, num_envs=3, reads_final_prompts=True)
    batch = collector.collect(TASKS[:5], SAMPLED)
    # Three episodes end in one tick, then two: a call each.
    assert asked.agents == [[*AGENTS] * 3, [*AGENTS] * 2]
    assert all(history is not None for call in asked.histories for history in call)
    cut = [(rollout, agent) for rollout in batch.rollouts for agent in AGENTS]
    for (rollout, agent), prompt in zip(cut, (ids for call in asked.prompts for ids in call), strict=True):
        last = [turn for turn in rollout.turns if turn.agent == agent][-1]
        said = [*last.prompt_ids, *last.action_ids]
        assert prompt[: len(said)] == said
        assert team.base.tokenizer.decode(prompt[len(said) :]).endswith("<|im_end|>\n<|im_start|>assistant\n")
        alone = features([agent], [prompt], 1)[0]
        torch.testing.assert_close(rollout.final_features[agent], alone, atol=1e-4, rtol=0)
    assert len({float(rollout.final_features[agent][0]) for rollout, agent in cut}) == len(cut)


def test_an_episode_that_ended_by_itself_has_no_next_prompt(
    load_team: LoadTeam, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = load_team("writer_0", "editor_0")
    asked = asked_of(team, monkeypatch)
    collector = Collector(Uppercase, team, num_envs=2, reads_final_prompts=True)
    (rollout,) = collector.collect(TASKS[:1], SAMPLED).rollouts
    assert rollout.terminated and not rollout.final_features and not asked.agents


def test_in_environments_of_others_the_next_prompt_is_the_last_observation(
    load_team: LoadTeam, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = load_team("caller", "echoer")
    asked = asked_of(team, monkeypatch)
    collector = Collector(lambda: Echo(cut=True), team, num_envs=1, reads_final_prompts=True)
    (rollout,) = collector.collect([Task(1)], SAMPLED).rollouts
    assert not rollout.terminated and rollout.final_features
    (agents,), (prompts,), (histories,) = asked.agents, asked.prompts, asked.histories
    assert agents == list(rollout.final_features)
    for agent, ids in zip(agents, prompts, strict=True):
        said = [{"role": "user", "content": rollout.final_observations[agent]}]
        assert ids == team.conversation(agent).prompt(said)
    assert histories == [None] * len(agents)  # there a prompt begins nothing


def test_nobody_reads_them_unasked(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asked_of(team, monkeypatch)
    batch = collect(team, TASKS[:2])
    assert not asked.agents and not any(rollout.final_features for rollout in batch.rollouts)


# What is kept from turn to turn.


@pytest.fixture
def requests(team: Team, monkeypatch: pytest.MonkeyPatch) -> list[list[Request]]:
    """What was asked of the team, call by call."""
    found: list[list[Request]] = []
    act = team.act

    def noted(requests: Sequence[Request], **settings: object) -> list[Reply]:
        found.append(list(requests))
        return act(requests, **settings)

    monkeypatch.setattr(team, "act", noted)
    return found


@PATHS
@pytest.mark.parametrize("shape", ["chain", "together"])
def test_episodes_are_the_same_with_what_is_kept_and_without(team: Team, path: str, shape: str) -> None:
    team.base.compute = Compute(path)
    batches = [
        collect(team, TASKS, replace(SAMPLED, max_history_tokens=most), shape=shape, horizon=3) for most in (0, 10_000)
    ]
    assert texts(batches[0]) == texts(batches[1])
    for without, kept in zip(batches[0].turns(), batches[1].turns(), strict=True):
        assert kept.prompt_ids == without.prompt_ids and kept.action_ids == without.action_ids
        assert kept.logprobs == pytest.approx(without.logprobs, abs=1e-4)
        # Sums of float32 in another order: 1.2e-4 apart was seen on a processor with AVX-512, of numbers up to 1.
        torch.testing.assert_close(kept.features, without.features, atol=5e-4, rtol=0)


def test_every_turn_but_the_first_goes_on_from_the_one_before(team: Team, requests: list[list[Request]]) -> None:
    batch = collect(team, TASKS[:4], horizon=3)
    before = {(request.seed, request.adapter): request for call in requests for request in call}
    assert len(before) == 4 * 3 * 3
    for call in requests:
        for request in call:
            turn = int(str(request.seed).rpartition(" ")[2])
            assert (request.history is None) == (turn == 0)
            assert request.keeps_history == (turn < 2)  # nobody acts after the last round
            if request.history is not None:
                last = before[f"{str(request.seed).rpartition(' ')[0]} {turn - 1}", request.adapter]
                assert request.history.ids[: len(last.prompt_ids)] == last.prompt_ids
                assert len(request.prompt_ids) > request.history.num_known(request.prompt_ids) >= len(last.prompt_ids)
    assert len(batch.rollouts) == 4


@pytest.mark.parametrize(("reads", "horizon", "kept"), [(False, 1, 0), (True, 1, 6), (False, 2, 6), (True, 2, 12)])
def test_nothing_is_kept_that_nobody_reads(
    team: Team, requests: list[list[Request]], reads: bool, horizon: int, kept: int
) -> None:
    # Two episodes of three agents: each round is kept for the next one, the last for what would have followed a cut.
    collector = Collector(lambda: Letters(horizon=horizon), team, num_envs=2, reads_final_prompts=reads)
    collector.collect(TASKS[:2], SAMPLED)
    assert sum(request.keeps_history for call in requests for request in call) == kept


def test_what_nobody_reads_any_more_is_let_go_at_once(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    collector = Collector(lambda: Letters(shape="chain", horizon=2), team, num_envs=1)
    kept: list[int] = []
    tick = collector._tick

    def counted(active: list[object], sampling: Sampling) -> None:
        tick(active, sampling)
        kept.append(sum(len(seat.histories) for seat in collector._seats))

    monkeypatch.setattr(collector, "_tick", counted)
    collector.collect(TASKS[:1], SAMPLED)
    assert kept == [1, 2, 3, 2, 1, 0]  # each agent's until it has acted for the last time


def test_where_prompts_start_afresh_nothing_is_kept(load_team: LoadTeam, monkeypatch: pytest.MonkeyPatch) -> None:
    team = load_team("caller", "echoer")
    kept: list[bool] = []
    act = team.act

    def noted(requests: Sequence[Request], **settings: object) -> list[Reply]:
        kept.extend(request.keeps_history for request in requests)
        return act(requests, **settings)

    monkeypatch.setattr(team, "act", noted)
    Collector(Echo, team, num_envs=1, reads_final_prompts=True).collect([Task(1)], SAMPLED)
    assert kept and not any(kept)


@pytest.mark.parametrize("most", [0, 300, 1000])
def test_no_more_is_kept_than_there_is_room_for(
    team: Team, most: int, calls: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = Collector(lambda: Letters(horizon=3), team, num_envs=4, reads_final_prompts=True)
    kept: list[int] = []
    tick = collector._tick

    def counted(active: list[object], sampling: Sampling) -> None:
        tick(active, sampling)
        kept.append(sum(len(history.ids) for seat in collector._seats for history in seat.histories.values()))

    monkeypatch.setattr(collector, "_tick", counted)
    batch = collector.collect(TASKS, replace(SAMPLED, max_history_tokens=most))
    assert len(kept) == len(calls)
    # Prompts of the second round have about 120 tokens, so that what all 12 have would be about 1,500.
    assert max(kept) <= most and max(kept) >= 0.8 * most
    assert texts(batch) == texts(collect(team, TASKS, replace(SAMPLED, max_history_tokens=0), horizon=3))


def test_nothing_outlives_its_episode(team: Team, requests: list[list[Request]]) -> None:
    # One copy plays one episode after another; every first turn of an agent is without a history.
    collector = Collector(lambda: Letters(horizon=2), team, num_envs=1, reads_final_prompts=True)
    collector.collect(TASKS[:3], SAMPLED)
    firsts = [request for call in requests for request in call if str(request.seed).endswith(" 0")]
    assert len(firsts) == 9 and all(request.history is None for request in firsts)
    assert not any(seat.histories for seat in collector._seats)


def test_nothing_outlives_a_collect_that_was_stopped(team: Team) -> None:
    collector = Collector(lambda: Letters(horizon=3), team, num_envs=2)
    kept: list[int] = []

    def stop(num_done: int) -> None:
        kept.append(sum(len(seat.histories) for seat in collector._seats))
        if len(kept) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collector.collect(TASKS[:2], SAMPLED, stop)
    assert kept == [2, 4]
    assert not any(seat.histories for seat in collector._seats)


def test_adapters_may_move_between_two_collects(team: Team) -> None:
    collector = Collector(lambda: Letters(horizon=2), team, num_envs=2, reads_final_prompts=True)
    first = collector.collect(TASKS[:2], SAMPLED)
    perturb(team)
    again = collector.collect(TASKS[:2], SAMPLED)
    fresh = Collector(lambda: Letters(horizon=2), team, num_envs=2).collect(
        TASKS[:2], replace(SAMPLED, max_history_tokens=0)
    )
    assert texts(again) == texts(fresh) != texts(first)
    for one, other in zip(again.turns(), fresh.turns(), strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


# Replay.


def played_sums(team: Team, sampling: Sampling) -> Batch:
    collector = Collector(lambda: marft_envs.make("math/reason_act-v0", horizon=2), team, num_envs=3)
    return collector.collect([Task(seed, "one_digit") for seed in range(4)], sampling)


def test_what_was_collected_can_be_replayed_to_the_same_end(load_team: LoadTeam) -> None:
    batch = played_sums(load_team(), SAMPLED)
    episodes = list(episodes_of(batch.rollouts, marft_envs.make("math/reason_act-v0", horizon=2)))
    for rollout, episode in zip(batch.rollouts, episodes, strict=True):
        assert [turn.text for turn in rollout.turns] == [turn.action for turn in episode.turns]
        assert dict(episode.returns) == rollout.returns
        assert marft_envs.replay(episode) == episode


def test_an_episode_that_was_collected_keeps_what_was_measured_in_it(load_team: LoadTeam) -> None:
    rollouts = Collector(Halting, load_team(*AGENTS), num_envs=2).collect(TASKS, SAMPLED).rollouts
    assert {rollout.measurements for rollout in rollouts} == {(False,), (True, False), (True, True)}
    for rollout, episode in zip(rollouts, episodes_of(rollouts, Halting()), strict=True):
        assert [turn.text for turn in rollout.turns] == [turn.action for turn in episode.turns]
        assert rollout.measurements == episode.measurements


def test_a_team_in_the_plain_loop_says_what_the_collector_made_it_say(load_team: LoadTeam) -> None:
    team = load_team()
    env = marft_envs.make("math/reason_act-v0", horizon=2)
    for rollout in played_sums(team, GREEDY).rollouts:
        player = TeamPlayer(team, env, GREEDY)
        episode = marft_envs.play(env, player, seed=rollout.seed, options={"level": "one_digit"})
        assert [turn.action for turn in episode.turns] == [turn.text for turn in rollout.turns]


# Scripts take seats.

CAPITALS = {"editor_0": lambda env, agent: f"BY {agent} IN ROUND {env.round}"}


@pytest.mark.parametrize("shape", ["sequence", "together"])
def test_scripts_play_their_seats_and_the_team_is_asked_for_the_others(
    team: Team, calls: list[list[str]], shape: str
) -> None:
    collector = Collector(lambda: Letters(shape=shape), team, num_envs=2, scripts=CAPITALS)
    batch = collector.collect(TASKS[:3], SAMPLED)
    for rollout in batch.rollouts:
        assert [turn.agent for turn in rollout.turns] == [*AGENTS, *AGENTS]
        scripted = [turn for turn in rollout.turns if turn.agent == "editor_0"]
        assert [turn.text for turn in scripted] == ["BY editor_0 IN ROUND 0", "BY editor_0 IN ROUND 1"]
        assert [turn.action_ids for turn in scripted] == [[], []]
        total = sum(len(turn.text) for turn in rollout.turns) / 100 + 2.0
        assert rollout.team_return == pytest.approx(total)
    assert {adapter for call in calls for adapter in call} == {"writer_0", "critic_0"}


def test_scripts_may_play_everybody(team: Team, calls: list[list[str]]) -> None:
    scripts = dict.fromkeys(AGENTS, lambda env, agent: "ab")
    batch = Collector(Letters, team, num_envs=2, scripts=scripts).collect(TASKS[:3], SAMPLED)
    assert [rollout.team_return for rollout in batch.rollouts] == pytest.approx([2 * (3 * 0.02 + 1)] * 3)
    assert not any(calls)


def test_a_script_in_an_environment_of_others_is_refused(team: Team) -> None:
    with pytest.raises(EnvironmentKindError, match="no FlexMG environment, so no script can play caller"):
        Collector(Echo, team, num_envs=1, scripts={"caller": lambda env, agent: ""})
