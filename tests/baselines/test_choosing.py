"""How learners without language play: numbers for texts, and the stream of every agent.

1. Who is paid what, from one turn of its own to its next.
2. A number means a text, and what cannot be chosen from is told.
"""

from collections.abc import Callable

import numpy as np
import pytest

import marft_envs
from baselines.errors import EnvironmentKindError
from baselines.rollouts.choosing import ChoosingCollector, Decisions, Observations, choosing_game, most_choices
from baselines.rollouts.collect import Task
from tests.baselines.toy_envs import Letters, Signals
from tests.foreign_env import Echo


def always(*numbers: int) -> Callable[[Observations], Decisions]:
    """The same numbers at every turn, by the agent: the observation begins with who it is."""

    def decide(observations: Observations) -> Decisions:
        who = observations[:, : len(numbers)].argmax(axis=1)
        return Decisions(np.array(numbers)[who], np.zeros(len(who), np.float32), np.full(len(who), -1.0, np.float32))

    return decide


def collector(make: Callable[[], object], *, num_envs: int = 3, num_numbers: int = 8) -> ChoosingCollector:
    return ChoosingCollector(make, num_envs=num_envs, num_numbers=num_numbers, width=64)


def test_what_is_paid_from_one_turn_to_the_next_belongs_to_the_first() -> None:
    played = collector(Signals).collect([Task(seed) for seed in range(5)], always(0, 1))
    assert [len(stream) for stream in played.streams] == [1, 2] * 5
    for rollout, (teller, guesser) in zip(
        played.batch.rollouts, zip(*[iter(played.streams)] * 2, strict=True), strict=True
    ):
        named = rollout.returns["guesser_0"] == 7
        # The guesser is paid 1 for its first turn and 2 for the teller's, before its second, which earns 4 or nothing.
        assert [step.reward for step in guesser] == [3.0, 4.0 * named]
        assert [step.reward for step in teller] == [0.0]
        assert rollout.returns == {"teller_0": 0.0, "guesser_0": 3.0 + 4.0 * named}
    assert len({rollout.returns["guesser_0"] for rollout in played.batch.rollouts}) == 2


@pytest.mark.parametrize(
    "env_id", ["collab/search_party-v0", "collab/kitchen-v0", "collab/commons-v0", "collab/trip-v0"]
)
def test_a_stream_has_the_turns_of_its_agent_and_all_that_it_was_paid(env_id: str) -> None:
    env = marft_envs.make(env_id)
    numbers = most_choices(env, env.levels[:1])
    rng = np.random.default_rng(0)

    def decide(observations: Observations) -> Decisions:
        none = np.zeros(len(observations), np.float32)
        return Decisions(rng.integers(numbers, size=len(observations)), none, none)

    played = collector(lambda: marft_envs.make(env_id), num_numbers=numbers).collect(
        [Task(s) for s in range(6)], decide
    )
    streams = iter(played.streams)
    for rollout in played.batch.rollouts:
        for agent in rollout.agents:
            turns = [turn for turn in rollout.turns if turn.agent == agent]
            if turns:
                stream = next(streams)
                assert len(stream) == len(turns)
                assert sum(step.reward for step in stream) == pytest.approx(rollout.returns[agent])
    assert next(streams, None) is None


def test_the_same_tasks_give_the_same_in_any_number_of_copies() -> None:
    tasks = [Task(seed) for seed in range(7)]
    one, many = (collector(Signals, num_envs=num).collect(tasks, always(0, 2)) for num in (1, 7))
    assert one.batch == many.batch
    for stream, other in zip(one.streams, many.streams, strict=True):
        for step, twin in zip(stream, other, strict=True):
            assert (step.number, step.reward) == (twin.number, twin.reward)
            np.testing.assert_array_equal(step.observation, twin.observation)


def test_a_number_beyond_an_agents_texts_begins_again() -> None:
    played = collector(Signals).collect([Task(0)], always(3, 5))
    said = [turn.text for turn in played.batch.turns()]
    assert said == ["blue", "I say nothing.", "blue"]  # 5 mod 3 is 2, and 3 mod 2 is 1


def test_an_observation_tells_who_reads_and_what_it_has_read() -> None:
    seen: list[Observations] = []

    def decide(observations: Observations) -> Decisions:
        seen.append(observations)
        return always(0, 0)(observations)

    collector(Signals, num_envs=1).collect([Task(1)], decide)
    first, teller, second = (rows[0] for rows in seen)
    assert [row[:2].tolist() for row in (first, teller, second)] == [[0, 1], [1, 0], [0, 1]]
    assert np.linalg.norm(teller[2:]) == pytest.approx(8.0)
    assert (first[2:] != second[2:]).any()


def test_the_most_texts_of_any_agent_and_level_are_counted() -> None:
    assert most_choices(Signals(), (None,)) == 3
    env = marft_envs.make("collab/meeting-v0")
    assert most_choices(env, ("easy",)) == 4
    assert most_choices(env, ("easy", "standard")) == 10


def test_what_cannot_be_chosen_from_is_told() -> None:
    with pytest.raises(
        EnvironmentKindError, match=r"needs texts to choose from, and .*Letters has no choices for 'writer_0'"
    ):
        most_choices(Letters(), ("plain",))
    with pytest.raises(EnvironmentKindError, match="40,320 rows to choose from"):
        most_choices(marft_envs.make("collab/jigsaw-v0"), ("easy", "hard"))
    with pytest.raises(EnvironmentKindError, match="is no FlexMG environment, so nobody says what can be chosen from"):
        choosing_game(Echo())
    with pytest.raises(EnvironmentKindError, match="guesser_0 chooses from 3 texts, but 2 was the most"):
        collector(Signals, num_numbers=2).collect([Task(0)], always(0, 0))
