"""From rewards to advantages, by hand: who gets how much of what was paid, and when.

1. Rounds cost, hops inside a round do not.
2. What follows a cut is bootstrapped, what follows an end is worth nothing.
3. On its own axis an agent gets what it was paid from one of its turns up to the next.
4. Team credit wants a team reward.
5. On the clock everybody's steps take as long as they take.
"""

from collections.abc import Mapping, Sequence

import pytest
import torch

from baselines.errors import ConfigError
from baselines.rollouts.batch import Batch, Rollout, Time, Turn
from baselines.rollouts.credit import Credit, assign_credit, predecessors_in, require_team_reward

OCTET = tuple(f"expert_{number}" for number in range(8))
PAIR = ("reasoner_0", "actor_0")


def turn(agent: str, round: int, rewards: Mapping[str, float] | None = None) -> Turn:
    return Turn(
        agent=agent,
        round=round,
        prompt_ids=[1],
        action_ids=[2],
        logprobs=[0.0],
        text="",
        state="",
        observation="",
        rewards=dict(rewards or {}),
    )


def rollout(
    turns: Sequence[Turn], agents: tuple[str, ...], *, terminated: bool = True, time: Time = "rounds"
) -> Rollout:
    return Rollout(
        turns=list(turns),
        agents=agents,
        terminated=terminated,
        final_states={},
        final_observations={},
        seed=0,
        level=None,
        instance="0",
        info={},
        time=time,
    )


def credit(
    *rollouts: Rollout,
    values: Sequence[float] | None = None,
    bootstraps: Sequence[Mapping[str, float]] | None = None,
    gamma: float = 0.99,
    gae_lambda: float = 0.95,
    axis: str = "team",
) -> Credit:
    num_turns = sum(len(one.turns) for one in rollouts)
    return assign_credit(
        Batch(list(rollouts)),
        torch.tensor(values) if values is not None else torch.zeros(num_turns),
        bootstraps or [{} for _ in rollouts],
        gamma=gamma,
        gae_lambda=gae_lambda,
        axis=axis,
    )


def everybody(agents: Sequence[str], amount: float) -> dict[str, float]:
    return dict.fromkeys(agents, amount)


# Rounds cost, hops do not.


def test_a_final_reward_reaches_the_first_of_eight_agents_unshrunk() -> None:
    turns = [turn(agent, 0) for agent in OCTET[:-1]] + [turn(OCTET[-1], 0, everybody(OCTET, 1.0))]
    found = credit(rollout(turns, OCTET))
    # One round: no discount and no λ between its turns, so all eight have 1 - 0, not 0.9405^7 = 0.65.
    assert found.advantages.tolist() == [1.0] * 8
    assert found.joint_advantages.tolist() == [1.0] * 8
    assert found.returns.tolist() == [1.0] * 8


def test_discount_and_lambda_are_paid_once_a_round() -> None:
    turns = [turn(agent, number) for number in range(3) for agent in PAIR]
    turns[-1].rewards = everybody(PAIR, 1.0)
    found = credit(rollout(turns, PAIR), gamma=0.5, gae_lambda=0.8)
    # Two round ends after round 0: (0.5 · 0.8)² = 0.16; one after round 1: 0.4; none after round 2.
    assert found.advantages.tolist() == pytest.approx([0.16, 0.16, 0.4, 0.4, 1.0, 1.0])


def test_values_are_differenced_along_the_acting_order() -> None:
    turns = [turn(PAIR[0], 0), turn(PAIR[1], 0, everybody(PAIR, 1.0))]
    found = credit(rollout(turns, PAIR), values=[0.25, 0.75], gae_lambda=1.0)
    # Actor: 1 - 0.75. Reasoner: (0.75 - 0.25) + 0.25 = 0.75, which is its joint advantage too.
    assert found.advantages.tolist() == [0.75, 0.25]
    assert found.joint_advantages.tolist() == [0.75, 0.75]
    assert found.returns.tolist() == [1.0, 1.0]


def test_episodes_of_different_lengths_do_not_mix() -> None:
    short = rollout([turn(PAIR[0], 0), turn(PAIR[1], 0, everybody(PAIR, 1.0))], PAIR)
    long = rollout([turn(agent, number) for number in range(2) for agent in PAIR], PAIR)
    long.turns[-1].rewards = everybody(PAIR, -1.0)
    together = credit(short, long, gamma=0.5, gae_lambda=1.0)
    assert together.advantages.tolist() == [1.0, 1.0, -0.5, -0.5, -1.0, -1.0]
    assert credit(long, short, gamma=0.5, gae_lambda=1.0).advantages.tolist() == [-0.5, -0.5, -1.0, -1.0, 1.0, 1.0]


# A cut and an end.


def test_after_a_cut_the_next_state_is_worth_its_value_one_round_away() -> None:
    turns = [turn(PAIR[0], 0), turn(PAIR[1], 0, everybody(PAIR, 1.0))]
    found = credit(rollout(turns, PAIR, terminated=False), bootstraps=[everybody(PAIR, 4.0)], gamma=0.5)
    assert found.advantages.tolist() == [3.0, 3.0]  # 1 + 0.5 · 4; the hop costs nothing


def test_after_an_end_nothing_is_worth_anything() -> None:
    turns = [turn(PAIR[0], 0), turn(PAIR[1], 0, everybody(PAIR, 1.0))]
    found = credit(rollout(turns, PAIR), bootstraps=[everybody(PAIR, 4.0)], gamma=0.5)
    assert found.advantages.tolist() == [1.0, 1.0]


# An agent's own axis.


def test_on_its_own_axis_an_agent_gets_what_it_was_paid_up_to_its_next_turn() -> None:
    turns = [
        turn("a", 0, {"b": 5.0}),  # before b ever acted: nothing that it did
        turn("b", 1, {"a": 1.0}),
        turn("b", 2, {"a": 2.0, "b": 3.0}),
        turn("a", 3),
        turn("b", 4, {"a": 8.0, "b": 1.0}),
    ]
    found = credit(rollout(turns, ("a", "b"), time="turns"), gamma=0.5, gae_lambda=1.0)
    # a's turns earn 0 + 1 + 2 = 3 and 0 + 8 = 8: 3 + 0.5 · 8 = 7. b's earn 0, 3 + 0 and 1: 1.5 + 0.25 = 1.75, 3.5, 1.
    assert found.advantages.tolist() == [7.0, 1.75, 3.5, 8.0, 1.0]
    assert found.joint_advantages.tolist() == found.advantages.tolist()


def test_an_agent_that_terminated_is_not_bootstrapped_where_another_was_cut() -> None:
    turns = [turn("a", 0, {"a": 1.0}), turn("b", 1, {"b": 1.0})]
    one = rollout(turns, ("a", "b"), terminated=False, time="turns")
    found = credit(one, bootstraps=[{"b": 4.0}], gamma=0.5)
    assert found.advantages.tolist() == [1.0, 3.0]  # 1, and 1 + 0.5 · 4


def test_without_rounds_an_agents_own_turns_are_the_time_however_many_others_act_between() -> None:
    turns = [turn("a", 0), *(turn("b", number) for number in range(1, 5)), turn("a", 5, {"a": 1.0})]
    found = credit(rollout(turns, ("a", "b"), time="turns"), gamma=0.5, gae_lambda=1.0)
    assert found.advantages[0] == 0.5


def test_with_rounds_own_axes_still_pay_the_discount_per_round_sat_out() -> None:
    turns = [turn("a", 0), turn("b", 0), turn("b", 1), turn("a", 2, everybody("ab", 1.0)), turn("b", 2)]
    found = credit(rollout(turns, ("a", "b")), gamma=0.5, gae_lambda=1.0, axis="own")
    # a: two round ends from its first turn to its second, 0.25. b: what its turn of round 1 was followed by before its
    # turn of round 2 includes the team's reward, 1; its first turn is one round end away, 0.5; its last earns 0.
    assert found.advantages.tolist() == [0.25, 0.5, 1.0, 1.0, 0.0]


def test_an_own_value_is_bootstrapped_from_the_same_agents_next_turn_only() -> None:
    turns = [turn(agent, number) for number in range(2) for agent in PAIR]
    found = credit(rollout(turns, PAIR), values=[1.0, 10.0, 2.0, 20.0], gamma=0.5, gae_lambda=0.0, axis="own")
    # 0.5 · 2 - 1, 0.5 · 20 - 10, then 0 - 2 and 0 - 20
    assert found.advantages.tolist() == [0.0, 0.0, -2.0, -20.0]


def test_an_agent_that_never_acted_has_no_axis() -> None:
    found = credit(rollout([turn("a", 0, {"a": 1.0, "b": 1.0})], ("a", "b"), time="turns"))
    assert found.advantages.tolist() == [1.0]


# Team credit wants a team reward.


def test_agents_paid_differently_have_no_team_advantage() -> None:
    one = rollout([turn(PAIR[0], 0), turn(PAIR[1], 0, {"actor_0": 1.0})], PAIR)
    with pytest.raises(ConfigError, match=r"paid differently in round 0 .*--update\s+simultaneous"):
        credit(one)
    with pytest.raises(ConfigError, match="paid differently"):
        require_team_reward(Batch([one]))


def test_agents_paid_differently_are_each_on_their_own_on_own_axes() -> None:
    one = rollout([turn(PAIR[0], 0), turn(PAIR[1], 0, {"actor_0": 1.0, "reasoner_0": -1.0})], PAIR)
    assert credit(one, axis="own").advantages.tolist() == [-1.0, 1.0]


def test_strangers_without_rounds_may_be_paid_as_they_like() -> None:
    require_team_reward(Batch([rollout([turn("a", 0, {"a": 1.0})], ("a", "b"), time="turns")]))


# On the clock.


def clock_rollout(
    turns: Sequence[tuple[str, float, float]],
    payments: Sequence[tuple[float, str, float]],
    *,
    end: float,
    terminated: bool = True,
    parents: Mapping[int, tuple[int, ...]] | None = None,
) -> Rollout:
    """Turns as (agent, start, finish) and payments as (time, agent, amount), in seconds."""
    made = []
    for place, (agent, start, finish) in enumerate(turns):
        made.append(turn(agent, place))
        made[-1].start_us, made[-1].finish_us = int(start * 1e6), int(finish * 1e6)
        made[-1].parents = (parents or {}).get(place, ())
    one = rollout(made, ("a", "b"), terminated=terminated, time="clock")
    one.payments = tuple([(int(time * 1e6), agent, amount) for time, agent, amount in payments])
    one.end_us = int(end * 1e6)
    return one


def test_on_the_clock_a_step_lasts_from_one_opening_to_the_next() -> None:
    turns = [("a", 0, 1), ("b", 0, 2), ("a", 1, 4), ("b", 2, 5)]
    payments = [(1, "a", 1.0), (4, "a", 2.0), (4, "b", 8.0), (2, "b", 4.0), (5, "b", 16.0), (5, "a", 32.0)]
    one = clock_rollout(turns, payments, end=5)
    values = [10.0, 20.0, 30.0, 40.0]
    found = credit(one, values=values, gamma=0.5, gae_lambda=0.0)
    a_0 = 0.5 * 1 + 0.5 * 30 - 10  # opened at 0, paid at 1, the next opens at 1
    a_1 = 0.5**3 * 2 + 0.5**4 * 32 - 30  # opened at 1, the end is at 5
    b_0 = 0.5**2 * 4 + 0.5**2 * 40 - 20
    b_1 = 0.5**2 * 8 + 0.5**3 * 16 - 40
    assert found.advantages.tolist() == pytest.approx([a_0, b_0, a_1, b_1])
    assert found.returns.tolist() == pytest.approx([a_0 + 10, b_0 + 20, a_1 + 30, b_1 + 40])
    along = credit(one, values=values, gamma=0.5, gae_lambda=0.25)
    assert along.advantages.tolist() == pytest.approx([a_0 + 0.5 * 0.25 * a_1, b_0 + (0.5 * 0.25) ** 2 * b_1, a_1, b_1])
    assert one.returns == {"a": 35.0, "b": 28.0}


def test_on_the_clock_what_was_paid_before_an_agents_first_turn_is_not_its_merit() -> None:
    one = clock_rollout([("a", 0, 1), ("b", 3, 4)], [(1, "b", 5.0), (3, "b", 7.0), (4, "b", 2.0)], end=4)
    assert credit(one, gamma=1.0).advantages.tolist() == [0.0, 2.0]
    assert one.returns == {"a": 0, "b": 14.0}


def test_on_the_clock_a_cut_is_bootstrapped_at_the_time_of_the_end() -> None:
    one = clock_rollout([("a", 0, 1), ("b", 0, 3)], [], end=3, terminated=False)
    found = credit(one, bootstraps=[{"a": 8.0, "b": 16.0}], gamma=0.5)
    assert found.advantages.tolist() == [1.0, 2.0]


def test_on_the_clock_predecessors_are_what_was_heard_by_their_places_in_the_batch() -> None:
    one = clock_rollout([("a", 0, 1), ("b", 0, 2), ("a", 2, 3)], [], end=3, parents={1: (0,), 2: (1,)})
    found = predecessors_in(Batch([one, one]))
    assert found is not None
    assert found.tolist() == [[1, 0], [2, 1], [4, 3], [5, 4]]
    assert predecessors_in(Batch([rollout([turn("a", 0)], ("a",))])) is None


def test_on_the_clock_updates_one_after_another_want_a_team_reward() -> None:
    turns = [("a", 0, 1), ("b", 0, 1)]
    require_team_reward(Batch([clock_rollout(turns, [(1, "a", 1.0), (1, "b", 1.0)], end=1)]))
    with pytest.raises(ConfigError, match="--update simultaneous"):
        require_team_reward(Batch([clock_rollout(turns, [(1, "a", 1.0)], end=1)]))
