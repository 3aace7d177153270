"""Why the critic reads `state()`: a message game of 3 cards, 3 messages and 3 guesses, enumerated.

The sender sees a card (0, 1, 2 with probability 1/2, 1/4, 1/4) and says a number, uniformly. The receiver
sees only that number and repeats it as the guess with probability 1/2, else says one of the other two (1/4
each). The team earns 1 if the guess is the card.

The state when the receiver is about to guess is (card, message). It is worth 1/2 if the message is the card,
else 1/4. Before the message, every card is worth (1/2 + 1/4 + 1/4) / 3 = 1/3. The receiver's *observation* is
the message alone; a critic that reads only that can do no better than the mean over cards:

    message 0: 1/2·1/2 + 1/2·1/4 = 3/8        message 1 or 2: 1/4·1/2 + 3/4·1/4 = 5/16

1. With V(state) the chain is exact: each agent's one-step error has its exact advantage as mean, and the
   errors sum to the joint advantage.
2. With V(observation) they still sum, but the sender is credited by what the receiver believes: wrong by up
   to 3/16, where the largest advantage is 1/6, and of the wrong sign in 4 of 9 cells.
3. Inside a round our λ is 1, and nothing is bootstrapped; across a round's end the error comes back, times
   γ · (1 - λ).
4. On the sender's own turns alone, with the rewards in between summed, the observation critic does no harm.
"""

from itertools import product

import pytest
import torch
from torch import Tensor

from baselines.learning.advantages import axis_factors, gae, joint_round_advantages

FLOAT = torch.float64
OUTCOMES = list(product(range(3), range(3), range(3)))  # (card, message, guess)
CARD_PROBABILITIES = (1 / 2, 1 / 4, 1 / 4)
CARD_VALUE = 1 / 3
MESSAGE_VALUES = (3 / 8, 5 / 16, 5 / 16)


def guess_probability(message: int, guess: int) -> float:
    return 1 / 2 if guess == message else 1 / 4


def state_value(card: int, message: int) -> float:
    return 1 / 2 if message == card else 1 / 4


def rewards() -> Tensor:
    """(27, 2): nothing for the message, 1 for a right guess."""
    return torch.tensor([[0.0, float(guess == card)] for card, _, guess in OUTCOMES], dtype=FLOAT)


def values(critic: str) -> Tensor:
    """(27, 3): before the message, before the guess, and 0 because the game has ended."""
    rows = [
        [CARD_VALUE, state_value(card, message) if critic == "state" else MESSAGE_VALUES[message], 0.0]
        for card, message, _ in OUTCOMES
    ]
    return torch.tensor(rows, dtype=FLOAT)


def senders_mean_advantage(advantages: Tensor) -> Tensor:
    """(card, message): the mean of the sender's advantage over the receiver's guesses."""
    weights = torch.tensor([guess_probability(m, g) for _, m, g in OUTCOMES], dtype=FLOAT)
    return (advantages[:, 0] * weights).reshape(3, 3, 3).sum(-1)


def credit(critic: str, gae_lambda: float, rounds: tuple[int, int], gamma: float = 1.0) -> Tensor:
    factors = axis_factors(torch.tensor([rounds] * len(OUTCOMES)), gamma, gae_lambda, dtype=FLOAT)
    return gae(rewards(), values(critic), factors.discounts, factors.lams).advantages


def one_step_errors(critic: str) -> Tensor:
    ones = torch.ones(len(OUTCOMES), 2, dtype=FLOAT)
    return gae(rewards(), values(critic), ones, torch.zeros_like(ones)).advantages


# The sender's advantage by (card, message). Exact: 1/2 - 1/3 = 1/6 where they agree, else 1/4 - 1/3 = -1/12.
TRUTH, LIE = 1 / 6, -1 / 12
EXACT = torch.tensor([[TRUTH, LIE, LIE], [LIE, TRUTH, LIE], [LIE, LIE, TRUTH]], dtype=FLOAT)
# Through the receiver's observation: 3/8 - 1/3 = 1/24 for message 0, 5/16 - 1/3 = -1/48 for the others.
BELIEVED = torch.tensor([[1 / 24, -1 / 48, -1 / 48]] * 3, dtype=FLOAT)


def test_the_values_of_the_toy_are_the_means_over_all_outcomes() -> None:
    for message in range(3):
        mean = sum(p * state_value(card, message) for card, p in enumerate(CARD_PROBABILITIES))
        assert MESSAGE_VALUES[message] == pytest.approx(mean)
    for card in range(3):
        assert sum(state_value(card, message) for message in range(3)) / 3 == pytest.approx(CARD_VALUE)
        for message in range(3):
            right = sum(guess_probability(message, guess) * (guess == card) for guess in range(3))
            assert state_value(card, message) == right


def test_with_the_state_critic_the_chain_is_exact() -> None:
    errors = one_step_errors("state")
    torch.testing.assert_close(senders_mean_advantage(errors), EXACT)
    # The receiver's: reward minus what card and message were worth together.
    guesses = [float(g == c) - state_value(c, m) for c, m, g in OUTCOMES]
    torch.testing.assert_close(errors[:, 1], torch.tensor(guesses, dtype=FLOAT))
    # And Σ_m A(s, a^{1:m-1}, a^m) = A(s, a^{1:n}) in all 27 outcomes: reward minus what the card was worth.
    joint = rewards()[:, 1] - CARD_VALUE
    torch.testing.assert_close(errors.sum(-1), joint)
    together = credit("state", gae_lambda=0.95, rounds=(0, 0))
    torch.testing.assert_close(joint_round_advantages(together, torch.zeros(27, 2)), joint[:, None].expand(27, 2))


def test_bootstrapping_from_the_receivers_observation_misjudges_the_sender() -> None:
    observed = senders_mean_advantage(one_step_errors("observation"))
    torch.testing.assert_close(observed, BELIEVED)
    error = (observed - EXACT).abs()
    # Cards 1 and 2 named truly: -1/48 instead of 1/6, off by 9/48 = 3/16, more than the largest advantage.
    assert error.max() == pytest.approx(3 / 16)
    assert error.max() > EXACT.abs().max()
    # Wrong sign: "0" said of cards 1 and 2 (praised), "1" of card 1 and "2" of card 2 (blamed): 4 of 9.
    assert int((observed.sign() != EXACT.sign()).sum()) == 4
    # The same row for every card: the sender would learn to say "0" whatever it sees.
    assert torch.equal(observed[0], observed[1])


@pytest.mark.parametrize("critic", ["state", "observation"])
def test_inside_a_round_nothing_is_bootstrapped(critic: str) -> None:
    torch.testing.assert_close(
        senders_mean_advantage(credit(critic, gae_lambda=0.95, rounds=(0, 0), gamma=0.99)), EXACT
    )


@pytest.mark.parametrize("gae_lambda", [0.0, 0.9, 0.95, 1.0])
def test_across_a_rounds_end_the_error_returns_times_one_minus_lambda(gae_lambda: float) -> None:
    # The receiver answers one round later: A0 = γ·(1 - λ)·V1 + γ·λ·r - V0. A wrong V1 enters with V1.
    gamma = 0.9
    state = senders_mean_advantage(credit("state", gae_lambda, rounds=(0, 1), gamma=gamma))
    observed = senders_mean_advantage(credit("observation", gae_lambda, rounds=(0, 1), gamma=gamma))
    exact = gamma * (EXACT + CARD_VALUE) - CARD_VALUE
    torch.testing.assert_close(state, exact)  # whatever λ is
    torch.testing.assert_close(observed - exact, gamma * (1 - gae_lambda) * (BELIEVED - EXACT))


def test_on_its_own_turns_with_rewards_summed_the_observation_critic_is_unbiased() -> None:
    # The sender's axis holds its one turn, all that was paid until its next, and nobody else's value.
    summed = rewards().sum(-1, keepdim=True)
    own_values = values("observation")[:, [0, 2]]
    factors = axis_factors(torch.zeros(27, 1, dtype=torch.long), gamma=0.99, gae_lambda=0.95, dtype=FLOAT)
    own = gae(summed, own_values, factors.discounts, factors.lams).advantages
    torch.testing.assert_close(senders_mean_advantage(own), EXACT)
