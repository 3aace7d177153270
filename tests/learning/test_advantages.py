"""Credit along the axis: sums done by hand, then properties.

1. Inside a round a reward travels unshrunk; a round's end costs γ and λ once, however many agents act.
2. Termination ends the chain, truncation bootstraps.
3. GAE with λ = 1 is return minus value, with λ = 0 the one-step error.
4. Padding is never read.
5. The joint advantage of a round, and advantages on each agent's own scale.
"""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from baselines.learning.advantages import MIN_SCALE, axis_factors, gae, joint_round_advantages, normalise

FLOAT = torch.float64


def assert_equal(actual: Tensor, expected: list[float] | list[list[float]]) -> None:
    torch.testing.assert_close(actual, torch.tensor(expected, dtype=actual.dtype), rtol=0, atol=1e-12)


# --- The axis -----------------------------------------------------------------------------------------------


def test_a_terminal_reward_reaches_the_first_of_eight_agents_unshrunk() -> None:
    factors = axis_factors(torch.zeros(8, dtype=torch.long), gamma=0.9, gae_lambda=0.5, dtype=FLOAT)
    rewards = torch.tensor([0.0] * 7 + [1.0], dtype=FLOAT)
    credit = gae(rewards, torch.zeros(9, dtype=FLOAT), factors.discounts, factors.lams)
    # All eight act in one round, so nothing lies between the first agent and the reward: 1 for everybody.
    # A λ per agent hop would leave the first 0.5^7 = 0.008, a γ per hop too 0.45^7 = 0.004.
    assert_equal(credit.advantages, [1.0] * 8)
    assert_equal(credit.returns, [1.0] * 8)


def test_gamma_is_paid_once_per_round_however_many_agents_act() -> None:
    # Three rounds of two, one and three agents; each round's end costs 0.9 (γ) and, in the advantage, 0.5
    # (λ).
    rounds = torch.tensor([0, 0, 1, 2, 2, 2])
    factors = axis_factors(rounds, gamma=0.9, gae_lambda=0.5, dtype=FLOAT)
    assert_equal(factors.discounts, [1.0, 0.9, 0.9, 1.0, 1.0, 0.9])
    assert_equal(factors.lams, [1.0, 0.5, 0.5, 1.0, 1.0, 0.5])
    rewards = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, 1.0], dtype=FLOAT)
    credit = gae(rewards, torch.zeros(7, dtype=FLOAT), factors.discounts, torch.ones_like(factors.lams))
    # Round 2: 1. Round 1: 0.9 · 1. Round 0: 0.9 · 0.9 = 0.81, the same for both of its agents.
    assert_equal(credit.advantages, [0.81, 0.81, 0.9, 1.0, 1.0, 1.0])


def test_rounds_that_an_agent_sat_out_cost_gamma_each() -> None:
    # An agent's own turns, in rounds 0 and 3; the episode is cut after round 4, so the bootstrap lies in
    # round 5.
    rounds, end = torch.tensor([0, 3]), torch.tensor(5)
    factors = axis_factors(rounds, gamma=0.9, gae_lambda=0.5, end_rounds=end, dtype=FLOAT)
    assert_equal(factors.discounts, [0.9**3, 0.9**2])
    assert_equal(factors.lams, [0.5**3, 0.5**2])


def test_a_batch_of_episodes_pays_what_each_pays_alone() -> None:
    rounds = torch.tensor([[0, 0, 1, 1], [0, 1, 7, -3]])
    factors = axis_factors(rounds, gamma=0.9, gae_lambda=0.5, lengths=torch.tensor([4, 2]), dtype=FLOAT)
    assert_equal(factors.discounts, [[1.0, 0.9, 1.0, 0.9], [0.9, 0.9, 1.0, 1.0]])  # 1 at padding


def test_falling_rounds_are_refused() -> None:
    with pytest.raises(AssertionError, match="acting order"):
        axis_factors(torch.tensor([0, 1, 0]), gamma=0.9, gae_lambda=0.5)


# --- GAE ----------------------------------------------------------------------------------------------------


def test_gae_by_hand_over_two_rounds_of_two_agents() -> None:
    factors = axis_factors(torch.tensor([0, 0, 1, 1]), gamma=0.5, gae_lambda=0.5, dtype=FLOAT)
    rewards = torch.tensor([0.0, 1.0, 0.0, 2.0], dtype=FLOAT)
    values = torch.tensor([1.0, 2.0, 1.0, 3.0, 0.0], dtype=FLOAT)
    credit = gae(rewards, values, factors.discounts, factors.lams)
    # δ3 = 2 + 0.5·0 - 3 = -1            A3 = -1
    # δ2 = 0 + 1·3 - 1 = 2               A2 = 2 + 1·1·(-1) = 1
    # δ1 = 1 + 0.5·1 - 2 = -0.5          A1 = -0.5 + 0.5·0.5·1 = -0.25
    # δ0 = 0 + 1·2 - 1 = 1               A0 = 1 + 1·1·(-0.25) = 0.75
    assert_equal(credit.advantages, [0.75, -0.25, 1.0, -1.0])
    assert_equal(credit.returns, [1.75, 1.75, 2.0, 2.0])  # advantages + values


def test_termination_ends_the_chain_and_truncation_bootstraps() -> None:
    factors = axis_factors(torch.zeros(2, 2, dtype=torch.long), gamma=0.9, gae_lambda=0.5, dtype=FLOAT)
    values = torch.tensor([[0.3, 0.5, 0.0], [0.3, 0.5, 0.8]], dtype=FLOAT)  # the next state is worth 0.8
    credit = gae(torch.zeros(2, 2, dtype=FLOAT), values, factors.discounts, factors.lams)
    # Terminated: A1 = 0 - 0.5, A0 = (0.5 - 0.3) - 0.5 = -0.3.
    # Truncated: A1 = 0.9·0.8 - 0.5 = 0.22, A0 = (0.5 - 0.3) + 0.22 = 0.42. A time-out is not a failure.
    assert_equal(credit.advantages, [[-0.3, -0.5], [0.42, 0.22]])


finite = st.floats(-10, 10, width=32)


@st.composite
def episodes(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor, float]:
    """Rewards (K,), values (K + 1,), rounds (K,) and a γ."""
    num_steps = draw(st.integers(1, 9))
    rewards = draw(st.lists(finite, min_size=num_steps, max_size=num_steps))
    values = draw(st.lists(finite, min_size=num_steps + 1, max_size=num_steps + 1))
    opens = draw(st.lists(st.integers(0, 2), min_size=num_steps, max_size=num_steps))
    rounds = torch.tensor(opens).cumsum(0)
    return (
        torch.tensor(rewards, dtype=FLOAT),
        torch.tensor(values, dtype=FLOAT),
        rounds,
        draw(st.floats(0, 1)),
    )


@settings(deadline=None)
@given(episodes())
def test_gae_with_lambda_one_equals_returns_minus_values(
    episode: tuple[Tensor, Tensor, Tensor, float],
) -> None:
    rewards, values, rounds, gamma = episode
    factors = axis_factors(rounds, gamma, gae_lambda=1.0, dtype=FLOAT)
    credit = gae(rewards, values, factors.discounts, factors.lams)
    # Plain definition: every reward after k, and the bootstrap, times γ to the number of round ends in
    # between.
    moments = [*rounds.tolist(), int(rounds[-1]) + 1]
    paid = [*rewards.tolist(), float(values[-1])]
    returns = [
        math.fsum(r * gamma ** (t - moments[k]) for r, t in zip(paid[k:], moments[k:], strict=True))
        for k in range(len(rewards))
    ]
    expected = torch.tensor(returns, dtype=FLOAT)
    torch.testing.assert_close(credit.returns, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(credit.advantages, expected - values[:-1], rtol=1e-9, atol=1e-9)


@settings(deadline=None)
@given(episodes())
def test_gae_with_lambda_zero_is_the_one_step_error(episode: tuple[Tensor, Tensor, Tensor, float]) -> None:
    rewards, values, rounds, gamma = episode
    discounts = axis_factors(rounds, gamma, gae_lambda=1.0, dtype=FLOAT).discounts
    credit = gae(rewards, values, discounts, torch.zeros_like(discounts))
    expected = rewards + discounts * values[1:] - values[:-1]
    torch.testing.assert_close(credit.advantages, expected, rtol=1e-12, atol=1e-12)


@settings(deadline=None)
@given(st.lists(episodes(), min_size=1, max_size=4), st.floats(0, 1))
def test_padding_is_never_read(drawn: list[tuple[Tensor, Tensor, Tensor, float]], gae_lambda: float) -> None:
    gamma = drawn[0][3]
    lengths = torch.tensor([len(rewards) for rewards, *_ in drawn])
    num_steps = int(lengths.max()) + 1
    rewards = torch.full((len(drawn), num_steps), torch.nan, dtype=FLOAT)
    values = torch.full((len(drawn), num_steps + 1), torch.nan, dtype=FLOAT)
    rounds = torch.full((len(drawn), num_steps), -7)
    for row, (r, v, d, _) in enumerate(drawn):
        rewards[row, : len(r)], values[row, : len(v)], rounds[row, : len(d)] = r, v, d
    factors = axis_factors(rounds, gamma, gae_lambda, lengths, dtype=FLOAT)
    batch = gae(rewards, values, factors.discounts, factors.lams, lengths)
    joint = joint_round_advantages(batch.advantages, rounds, lengths)
    for row, (r, v, d, _) in enumerate(drawn):
        alone_factors = axis_factors(d, gamma, gae_lambda, dtype=FLOAT)
        alone = gae(r, v, alone_factors.discounts, alone_factors.lams)
        # Not to the last bit: torch vectorises `pow` by an entry's place in memory.
        for padded, expected in (
            (batch.advantages, alone.advantages),
            (batch.returns, alone.returns),
            (joint, joint_round_advantages(alone.advantages, d)),
        ):
            torch.testing.assert_close(padded[row, : len(r)], expected, rtol=1e-12, atol=1e-12)
    beyond = torch.arange(num_steps) >= lengths[:, None]
    for padded in (batch.advantages, batch.returns, joint):
        assert (padded[beyond] == 0).all()


def test_shapes_that_would_broadcast_are_refused() -> None:
    rewards, values = torch.zeros(2, 3), torch.zeros(2, 4)
    with pytest.raises(AssertionError):
        gae(rewards, values[:, :-1], rewards, rewards)  # no bootstrap
    with pytest.raises(AssertionError):
        gae(rewards, values, torch.tensor(0.99), rewards)  # one discount for every step is the mistake to avoid
    with pytest.raises(AssertionError):
        gae(rewards, values, rewards, rewards, lengths=torch.tensor([3]))


# --- Joint advantage and normalisation ----------------------------------------------------------------------


def test_every_turn_of_a_round_gets_the_advantage_at_its_first_turn() -> None:
    advantages = torch.tensor([[0.75, -0.25, 1.0, -1.0, 5.0], [1.0, 2.0, 3.0, 4.0, 6.0]])
    rounds = torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, 2, 9]])
    joint = joint_round_advantages(advantages, rounds, lengths=torch.tensor([5, 4]))
    assert_equal(joint, [[0.75, 0.75, 1.0, 1.0, 1.0], [1.0, 2.0, 2.0, 4.0, 0.0]])


def test_the_joint_advantage_is_the_sum_of_the_rounds_one_step_errors() -> None:
    # The hand-made case above: δ0 + δ1 + (0.5·0.5)·A2 = 1 - 0.5 + 0.25 = 0.75 = A0, and δ2 + δ3 = 2 - 1 = 1 =
    # A2.
    factors = axis_factors(torch.tensor([0, 0, 1, 1]), gamma=0.5, gae_lambda=0.5, dtype=FLOAT)
    rewards = torch.tensor([0.0, 1.0, 0.0, 2.0], dtype=FLOAT)
    values = torch.tensor([1.0, 2.0, 1.0, 3.0, 0.0], dtype=FLOAT)
    credit = gae(rewards, values, factors.discounts, factors.lams)
    assert_equal(joint_round_advantages(credit.advantages, torch.tensor([0, 0, 1, 1])), [0.75, 0.75, 1.0, 1.0])


def test_advantages_are_normalised_per_agent() -> None:
    advantages = torch.tensor([[1.0, 100.0], [3.0, 500.0], [99.0, 300.0]], dtype=FLOAT)
    mask = torch.tensor([[True, True], [True, True], [False, True]])
    agents = torch.tensor([[7, 2], [7, 2], [7, 2]])
    # Agent 7: mean 2, deviation 1. Agent 2: mean 300, deviation √((200² + 200² + 0²) / 3) = 163.299….
    wide = math.sqrt(80_000 / 3) + MIN_SCALE
    narrow = 1 + MIN_SCALE
    expected = [[-1 / narrow, -200 / wide], [1 / narrow, 200 / wide], [0.0, 0.0]]
    assert_equal(normalise(advantages, mask, agents), expected)


def test_without_groups_all_turns_are_one_group() -> None:
    advantages = torch.tensor([0.0, 2.0, 4.0, 6.0], dtype=FLOAT)
    # Mean 3, deviation √((9 + 1 + 1 + 9) / 4) = √5.
    scale = math.sqrt(5) + MIN_SCALE
    expected = [-3 / scale, -1 / scale, 1 / scale, 3 / scale]
    assert_equal(normalise(advantages, torch.ones(4, dtype=torch.bool)), expected)


def test_a_group_without_variance_teaches_nothing() -> None:
    advantages = torch.tensor([0.1] * 7 + [5.0])
    groups = torch.tensor([0] * 7 + [1])
    normalised = normalise(advantages, torch.ones(8, dtype=torch.bool), groups)
    assert normalised.abs().max() < 0.01  # rounding in float32, not amplified to ±1; and no NaN for a group of one


def test_an_empty_selection_normalises_to_zeros() -> None:
    assert torch.equal(normalise(torch.ones(3), torch.zeros(3, dtype=torch.bool)), torch.zeros(3))
