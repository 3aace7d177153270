"""Losses by hand, on two or three tokens; then gradients by finite differences on a tiny model.

1. Log-probabilities and entropy at the sampled temperature.
2. The clipped surrogate, token and action level alike.
3. EOS is in the loss and padding out, with pad = eos; nothing at padding reaches a loss or a gradient.
4. Value loss and the logged numbers.
"""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from baselines.learning.losses import (
    SequenceKind,
    approx_kl,
    chosen_tokens,
    clip_fraction,
    entropy_from_logits,
    explained_variance,
    masked_mean,
    ppo_policy_loss,
    sequence_logprobs,
    token_logprobs,
    value_loss,
)
from baselines.learning.masks import action_mask, length_mask

FLOAT = torch.float64
EOS = 2
PAD = EOS  # as in the default model


def real(num_rows: int, num_steps: int) -> Tensor:
    return torch.ones(num_rows, num_steps, dtype=torch.bool)


def row(*numbers: float) -> Tensor:
    return torch.tensor([numbers], dtype=FLOAT)


# --- 1. Log-probabilities -----------------------------------------------------------------------------------


def test_token_logprobs_are_those_of_the_sampled_temperature() -> None:
    logits = torch.tensor([[[0.0, math.log(2), math.log(3)]] * 2], dtype=FLOAT)
    actions = torch.tensor([[2, 0]])
    # T = 1: weights 1, 2, 3 of 6. T = 1/2 squares them: 1, 4, 9 of 14.
    torch.testing.assert_close(token_logprobs(logits, actions, 1.0), row(3 / 6, 1 / 6).log())
    torch.testing.assert_close(token_logprobs(logits, actions, 0.5), row(9 / 14, 1 / 14).log())


def test_logits_in_bf16_are_normalised_in_float32() -> None:
    logits = torch.randn(2, 3, 1000, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    actions = torch.tensor([[5, 6, 7], [8, 9, 10]])
    exact = token_logprobs(logits.double(), actions, 0.7)
    logprobs = token_logprobs(logits, actions, 0.7)
    assert logprobs.dtype == torch.float32
    torch.testing.assert_close(logprobs.double(), exact, rtol=0, atol=1e-5)  # bf16 throughout is off by 1e-2


def test_entropy_by_hand_with_a_forbidden_token() -> None:
    logits = torch.tensor([[[0.0, 0.0, -torch.inf], [math.log(4), math.log(2), math.log(2)]]], dtype=FLOAT)
    logits.requires_grad_()
    # Two equal tokens: ln 2. 1/2, 1/4, 1/4: 1/2 ln 2 + 2·1/4 ln 4 = 3/2 ln 2.
    entropy = entropy_from_logits(logits, 1.0)
    torch.testing.assert_close(entropy, row(math.log(2), 1.5 * math.log(2)))
    # At T = 1/2 the weights 4, 2, 2 become 16, 4, 4: 2/3 ln 3/2 + 1/3 ln 6.
    cold = entropy_from_logits(logits, 0.5)[0, 1].item()
    assert cold == pytest.approx(2 / 3 * math.log(3 / 2) + 1 / 3 * math.log(6))
    entropy.sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_a_reply_is_the_sum_or_the_mean_of_its_tokens() -> None:
    logprobs = torch.tensor([[-1.0, -2.0, -3.0], [-4.0, -5.0, torch.nan]], dtype=FLOAT)
    mask = length_mask(torch.tensor([3, 2]), 3)
    assert sequence_logprobs(logprobs, mask, "sum").tolist() == [[-6.0], [-9.0]]
    assert sequence_logprobs(logprobs, mask, "token").tolist() == [[-2.0], [-4.5]]


# --- 2. The clipped surrogate -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss"),
    [
        (1.0, 2.0, -2.0),
        (1.1, 2.0, -2.2),  # inside the range: -ratio · advantage
        (1.5, 2.0, -2.4),  # good and already likelier: clipped to 1.2
        (0.5, 2.0, -1.0),  # good but less likely: not clipped
        (0.5, -2.0, 1.6),  # bad and already less likely: clipped to 0.8
        (1.5, -2.0, 3.0),  # bad but likelier: not clipped
    ],
)
def test_ppo_clips_only_what_has_already_gained(ratio: float, advantage: float, loss: float) -> None:
    old = row(math.log(0.3))
    new = (old + math.log(ratio)).requires_grad_()
    value = ppo_policy_loss(new, old, row(advantage), real(1, 1), clip_coef=0.2)
    value.backward()
    assert value.item() == pytest.approx(loss)
    assert new.grad is not None
    clipped = loss != pytest.approx(-ratio * advantage)
    assert new.grad.item() == pytest.approx(0.0 if clipped else -ratio * advantage)


def test_clip_higher_moves_only_the_upper_bound() -> None:
    ratios, advantages = row(1.5, 0.5), row(1.0, -1.0)
    loss = ppo_policy_loss(ratios.log(), row(0.0, 0.0), advantages, real(1, 2), 0.2, clip_coef_high=0.28)
    assert loss.item() == pytest.approx((-1.28 + 0.8) / 2)


def test_a_reply_as_one_action_is_the_same_loss_with_one_step() -> None:
    # Two tokens of ratio 1.1 each: at token level both inside the clip range, (-1.1 - 1.1)/2; as one action
    # 1.21, clipped to 1.2.
    new, old, mask = row(math.log(1.1), math.log(1.1)), row(0.0, 0.0), real(1, 2)
    assert ppo_policy_loss(new, old, row(1.0, 1.0), mask, 0.2).item() == pytest.approx(-1.1)
    new_sum, old_sum = (sequence_logprobs(logprobs, mask, "sum") for logprobs in (new, old))
    assert ppo_policy_loss(new_sum, old_sum, row(1.0), real(1, 1), 0.2).item() == pytest.approx(-1.2)
    new_mean, old_mean = (sequence_logprobs(logprobs, mask, "token") for logprobs in (new, old))
    assert ppo_policy_loss(new_mean, old_mean, row(1.0), real(1, 1), 0.2).item() == pytest.approx(-1.1)


def test_losses_divide_by_real_steps_over_the_whole_batch() -> None:
    mask = length_mask(torch.tensor([3, 1]), 3)
    x = torch.tensor([[1.0, 2.0, 3.0], [10.0, 99.0, 99.0]])
    assert masked_mean(x, mask).item() == 4.0  # (1 + 2 + 3 + 10) / 4, not the mean of row means (2 + 10) / 2


def test_a_mean_over_nothing_is_refused() -> None:
    with pytest.raises(AssertionError, match="empty"):
        masked_mean(torch.ones(2, 2), torch.zeros(2, 2, dtype=torch.bool))


# --- 3. Padding and EOS -------------------------------------------------------------------------------------


def test_the_mask_ends_with_the_first_eos_though_pad_is_eos() -> None:
    actions = torch.tensor([[5, 7, EOS, PAD, PAD], [EOS, PAD, PAD, PAD, PAD], [5, 5, 7, 7, 5]])
    expected = [[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]]
    assert action_mask(actions, [EOS]).int().tolist() == expected
    assert (actions != PAD).int().tolist() != expected  # the usual mistake: the EOS that was chosen is gone


def test_any_of_several_eos_tokens_ends_a_reply() -> None:
    assert action_mask(torch.tensor([[5, 3, EOS, 5]]), [EOS, 3]).int().tolist() == [[1, 1, 0, 0]]


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(3, 9), max_size=6), min_size=1, max_size=5))
def test_masks_by_eos_and_by_length_agree(replies: list[list[int]]) -> None:
    ended = [[*reply, EOS] for reply in replies]
    width = max(len(reply) for reply in ended) + 1
    actions = torch.tensor([reply + [PAD] * (width - len(reply)) for reply in ended])
    lengths = torch.tensor([len(reply) for reply in ended])
    assert torch.equal(action_mask(actions, [EOS]), length_mask(lengths, width))


def test_eos_is_in_the_loss_and_padding_out() -> None:
    logits = torch.randn(1, 4, 5, generator=torch.Generator().manual_seed(0), dtype=FLOAT).requires_grad_()
    actions = torch.tensor([[4, EOS, PAD, PAD]])
    mask = action_mask(actions, [EOS])
    logprobs = token_logprobs(logits, actions, 1.0)
    loss = ppo_policy_loss(logprobs, logprobs.detach(), torch.ones(1, 4, dtype=FLOAT), mask, 0.2)
    loss.backward()
    assert logits.grad is not None
    # At ratio 1 the gradient of the logit of EOS is -(1 - p(EOS)) / 2: two real steps, advantage 1.
    probability = logprobs[0, 1].exp().item()
    assert logits.grad[0, 1, EOS].item() == pytest.approx(-(1 - probability) / 2)
    assert (logits.grad[0, 2:] == 0).all()


Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


@pytest.mark.parametrize(
    "loss",
    [
        pytest.param(lambda x, y, mask: ppo_policy_loss(x, y, y, mask, 0.2), id="policy"),
        pytest.param(lambda x, y, mask: value_loss(x, y, mask, 10.0), id="value"),
        pytest.param(lambda x, y, mask: value_loss(x, y, mask, 10.0, y, 0.2), id="clipped value"),
        pytest.param(lambda x, y, mask: sequence_logprobs(x, mask, "sum").sum(), id="sum"),
        pytest.param(lambda x, y, mask: sequence_logprobs(x, mask, "token").sum(), id="mean"),
    ],
)
@pytest.mark.parametrize("rubbish", [math.nan, math.inf, -math.inf, 1e30, -1e30])
def test_rubbish_at_padding_reaches_neither_loss_nor_gradient(loss: Loss, rubbish: float) -> None:
    mask = torch.tensor([[True, True, False]])
    clean = row(0.1, 0.2, 0.0).requires_grad_()
    dirty = row(0.1, 0.2, rubbish).requires_grad_()
    others = row(0.3, -0.1, 0.0)
    expected = loss(clean, others, mask)
    actual = loss(dirty, others.masked_fill(~mask, rubbish), mask)
    expected.backward()
    actual.backward()
    assert actual.item() == expected.item()
    assert clean.grad is not None
    assert dirty.grad is not None
    assert torch.equal(dirty.grad, clean.grad)


# --- Finite differences -------------------------------------------------------------------------------------


class TinyModel(nn.Module):
    """Next-token logits from the mean embedding of all tokens so far: 3·2 + 3·3 numbers, in float64."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(3, 2, dtype=FLOAT)
        self.head = nn.Linear(2, 3, dtype=FLOAT)

    def forward(self, tokens: Tensor) -> Tensor:
        so_far = self.embedding(tokens).cumsum(1) / torch.arange(1, tokens.shape[1] + 1)[:, None]
        logits: Tensor = self.head(so_far.tanh())
        return logits


@pytest.mark.parametrize("level", ["token", "action, sum", "action, token"])
@pytest.mark.parametrize("drift", [0.05, 0.6])  # from the sampling parameters: little clipped, much clipped
def test_policy_gradient_agrees_with_finite_differences(level: str, drift: float) -> None:
    torch.manual_seed(3)
    model = TinyModel()
    tokens = torch.tensor([[0, 1, 0, EOS, PAD], [1, 1, EOS, PAD, PAD], [1, 0, 1, 0, 1], [0, 0, 1, 1, EOS]])
    actions, mask = tokens[:, 1:], action_mask(tokens[:, 1:], [EOS])
    advantages = torch.tensor([[1.0], [-2.0], [0.5], [-1.0]], dtype=FLOAT)

    def logprobs() -> Tensor:
        return token_logprobs(model(tokens)[:, :-1], actions, temperature=0.7)

    old = logprobs().detach()

    def loss() -> Tensor:
        if level == "token":
            return ppo_policy_loss(logprobs(), old, advantages.expand_as(old), mask, 0.2, 0.28)
        kind: SequenceKind = "sum" if level == "action, sum" else "token"
        new_action, old_action = (sequence_logprobs(x, mask, kind) for x in (logprobs(), old))
        return ppo_policy_loss(new_action, old_action, advantages, real(4, 1), 0.2, 0.28)

    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(drift * torch.randn_like(parameter))
    clipped = clip_fraction(logprobs(), old, mask, 0.2, 0.28)
    assert (clipped == 0) if drift < 0.1 else (0.1 < clipped < 0.9)

    loss().backward()
    step = 1e-6
    for parameter in model.parameters():
        assert parameter.grad is not None
        flat, gradient = parameter.data.view(-1), parameter.grad.view(-1)
        for i in range(len(flat)):
            before = flat[i].item()
            flat[i] = before + step
            above = loss().item()
            flat[i] = before - step
            below = loss().item()
            flat[i] = before
            # Central differences err by step², about 1e-12, plus rounding of 1e-16 / step = 1e-10.
            assert gradient[i].item() == pytest.approx((above - below) / (2 * step), rel=1e-6, abs=1e-8)
    total = sum(float(p.grad.abs().sum()) for p in model.parameters() if p.grad is not None)
    assert total > 0.01  # not a comparison of zeros


# --- 4. Value loss and logged numbers -----------------------------------------------------------------------


def test_value_loss_is_quadratic_then_linear() -> None:
    values, returns = row(1.0, 5.0, 0.0), row(0.0, 0.0, 0.0)
    # Errors 1, 5, 0 with δ = 2: 1/2·1², 2·(5 - 2/2) = 8, 0; mean 8.5 / 3.
    assert value_loss(values, returns, real(1, 3), huber_delta=2.0).item() == pytest.approx(8.5 / 3)


def test_a_clipped_value_gains_nothing_beyond_the_range() -> None:
    # Old 0, return 1, range 0.2. At 0.9 the plain loss is 0.005, the clipped one (0.2 - 1)²/2 = 0.32: the
    # larger counts.
    old, returns = row(0.0, 0.0), row(1.0, 1.0)
    values = row(0.9, 0.1).requires_grad_()
    loss = value_loss(values, returns, real(1, 2), 10.0, old_values=old, clip_coef=0.2)
    # At 0.1, inside the range: (0.1 - 1)²/2 = 0.405.
    assert loss.item() == pytest.approx((0.32 + 0.405) / 2)
    loss.backward()
    assert values.grad is not None
    assert values.grad.tolist()[0] == pytest.approx([0.0, (0.1 - 1) / 2])


def test_value_clipping_wants_both_of_its_arguments() -> None:
    with pytest.raises(AssertionError, match="both"):
        value_loss(row(1.0), row(1.0), real(1, 1), 10.0, clip_coef=0.2)


def test_both_kl_estimates_average_to_the_exact_divergence() -> None:
    # Old (1/2, 1/4, 1/4), as four samples 0, 0, 1, 2; new (1/4, 1/2, 1/4).
    old = row(1 / 2, 1 / 2, 1 / 4, 1 / 4).log()
    new = row(1 / 4, 1 / 4, 1 / 2, 1 / 4).log()
    estimate = approx_kl(new, old, real(1, 4))
    # Σ old ln(old / new) = 1/2 ln 2 + 1/4 ln 1/2 + 1/4 ln 1 = 1/4 ln 2.
    exact = math.log(2) / 4
    assert estimate.k1.item() == pytest.approx(exact)
    assert estimate.k3.item() == pytest.approx(exact)
    # One sample alone: k1 may be negative, -ln 2; k3 is 2 - 1 - ln 2 > 0.
    single = approx_kl(new[:, 2:3], old[:, 2:3], real(1, 1))
    assert single.k1.item() == pytest.approx(-math.log(2))
    assert single.k3.item() == pytest.approx(1 - math.log(2))


def test_clip_fraction_counts_ratios_outside_on_either_side() -> None:
    ratios = row(0.7, 0.9, 1.25, 1.3, 5.0)
    mask = torch.tensor([[True, True, True, True, False]])
    zeros = torch.zeros_like(ratios)
    assert clip_fraction(ratios.log(), zeros, mask, 0.2).item() == 3 / 4
    assert clip_fraction(ratios.log(), zeros, mask, 0.2, clip_coef_high=0.28).item() == 2 / 4


def test_explained_variance_by_hand() -> None:
    returns = row(0.0, 2.0, 4.0, 99.0)
    mask = torch.tensor([[True, True, True, False]])
    assert explained_variance(returns, returns, mask).item() == 1.0
    assert explained_variance(torch.full_like(returns, 7.0), returns, mask).item() == 0.0
    # Residuals 0, 1, 2 have variance 2/3, returns 8/3: 1 - 1/4.
    assert explained_variance(row(0.0, 1.0, 2.0, 0.0), returns, mask).item() == pytest.approx(0.75)
    assert explained_variance(returns, torch.ones_like(returns), mask).isnan()


def test_returns_that_differ_by_rounding_alone_have_no_variance_to_explain() -> None:
    values = torch.rand(1, 64, generator=torch.Generator().manual_seed(0)) / 10
    for paid in (0.0, 1.0):
        returns = values + (paid - values)  # as credit is assigned: a value plus what was missing from it
        assert explained_variance(values, returns + 1e-9 * values, real(1, 64)).isnan()
    assert not explained_variance(values, 1e-4 * values, real(1, 64)).isnan()


@pytest.mark.parametrize("wrong", [torch.zeros(3), torch.zeros(3, 2), torch.zeros(2, 1)])
def test_shapes_that_would_broadcast_are_refused(wrong: Tensor) -> None:
    right, mask = torch.zeros(2, 3), real(2, 3)
    with pytest.raises(AssertionError):
        ppo_policy_loss(wrong, right, right, mask, 0.2)
    with pytest.raises(AssertionError):
        ppo_policy_loss(right, right, wrong, mask, 0.2)
    with pytest.raises(AssertionError):
        value_loss(right, wrong, mask, 10.0)
    with pytest.raises(AssertionError):
        approx_kl(right, right, mask.int())


# --- 5. Chosen tokens: the same, with fewer passes ---------------------------------------------------------------


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("at_once", [1, 10, 2**19])  # one row, two, all
def test_chosen_tokens_are_token_logprobs_and_entropies_with_their_gradients(
    temperature: float, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("baselines.learning.losses._AT_ONCE", at_once)
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 5, generator=generator, dtype=FLOAT).requires_grad_()
    rows, actions = torch.tensor([0, 2, 2, 1, 2]), torch.tensor([4, 0, 3, 3, 3])  # three were chosen from row 2
    found = chosen_tokens(logits, rows, actions, temperature)
    torch.testing.assert_close(
        found.logprobs[:, None], token_logprobs(logits[rows][:, None], actions[:, None], temperature)
    )
    torch.testing.assert_close(found.entropy[:, None], entropy_from_logits(logits[rows][:, None], temperature))
    assert torch.autograd.gradcheck(
        lambda x: tuple(
            getattr(chosen_tokens(x, rows, actions, temperature), name) for name in ("logprobs", "entropy")
        ),
        logits,
    )


def test_a_forbidden_token_has_no_part_in_the_entropy_or_the_gradient() -> None:
    logits = torch.tensor([[0.0, 0.0, -math.inf]], dtype=FLOAT, requires_grad=True)
    found = chosen_tokens(logits, torch.tensor([0]), torch.tensor([1]), 1.0)
    torch.testing.assert_close(found.entropy, torch.tensor([math.log(2)], dtype=FLOAT))
    (found.logprobs + found.entropy).sum().backward()
    # log p_1 = -log 2: its gradient is 1_a - p = (-1/2, 1/2, 0); at the uniform distribution entropy has none.
    torch.testing.assert_close(logits.grad, torch.tensor([[-0.5, 0.5, 0.0]], dtype=FLOAT))


def test_chosen_tokens_of_bf16_logits_are_normalised_in_float32() -> None:
    logits = torch.randn(2, 1000, generator=torch.Generator().manual_seed(0)).bfloat16().requires_grad_()
    found = chosen_tokens(logits, torch.tensor([0, 1]), torch.tensor([3, 4]), 1.0)
    assert found.logprobs.dtype == torch.float32
    exact = logits.double().log_softmax(-1)[[0, 1], [3, 4]]
    torch.testing.assert_close(found.logprobs.double(), exact, atol=1e-5, rtol=0)
    found.logprobs.sum().backward()
    assert logits.grad is not None
    assert logits.grad.dtype == torch.bfloat16
