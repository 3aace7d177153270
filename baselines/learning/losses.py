"""Losses and the numbers logged beside them, as pure functions of tensors.

Axes: B sequences, T steps of a sequence, V vocabulary. A token-level trainer has T tokens; an action-level
trainer calls the same functions with T = 1, after `sequence_logprobs` has turned the tokens of a reply into
one number. `mask` is bool and True at real steps; what lies at padding (infinities too) reaches neither a
loss nor a gradient. Sums run over all real steps of the call, so a long reply weighs as much as its tokens
and nobody gains by taking fewer turns.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, assert_never

import torch
from torch import Tensor
from torch.nn import functional

from baselines.learning.shapes import assert_alike

SequenceKind = Literal["sum", "token"]
"""How a reply's tokens become one log-probability: "sum" is the reply's, "token" the mean of its tokens'."""


@dataclass(frozen=True, slots=True)
class KlEstimate:
    """Two estimates of KL(old || new) from samples of the old policy, scalars."""

    k1: Tensor
    """Mean of -log ratio: unbiased, may be negative."""
    k3: Tensor
    """Mean of ratio - 1 - log ratio: unbiased, never negative, of lower variance; the one to stop on."""


def _assert_steps(mask: Tensor, *tensors: Tensor) -> None:
    assert mask.dtype == torch.bool, mask.dtype
    assert_alike((2,), mask, *tensors)


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean of `x` over the True entries of the mask, of which there must be one.

    Shapes: x, mask (B,) or (B, T) -> scalar.
    """
    assert_alike((1, 2), x, mask)
    assert mask.dtype == torch.bool, mask.dtype
    assert bool(mask.any()), "mean over an empty mask"
    return torch.where(mask, x, 0.0).sum() / mask.sum()


def _scaled_logits(logits: Tensor, temperature: float) -> Tensor:
    """Logits of the policy that was sampled, at least in float32: log-sum-exp in bf16 is off by up to 0.1."""
    assert temperature > 0, temperature
    return logits.to(torch.promote_types(logits.dtype, torch.float32)) / temperature


def token_logprobs(logits: Tensor, actions: Tensor, temperature: float) -> Tensor:
    """Log-probability of each action token under the policy that was sampled, temperature included.

    `logits[:, t]` are those that predict `actions[:, t]`: the caller has shifted by one, and has left out
    prompt positions, whose full-vocabulary float32 rows would cost the most memory of the whole update.

    Shapes: logits (B, T, V), actions (B, T) -> (B, T).
    """
    assert_alike((2,), logits[..., 0], actions)
    scaled = _scaled_logits(logits, temperature)
    return scaled.gather(-1, actions[..., None]).squeeze(-1) - scaled.logsumexp(-1)


def entropy_from_logits(logits: Tensor, temperature: float) -> Tensor:
    """Entropy of each step's token distribution at the sampled temperature; forbidden tokens count 0.

    Shapes: logits (B, T, V), -inf where forbidden -> (B, T), in nats.
    """
    assert_alike((3,), logits)
    logprobs = _scaled_logits(logits, temperature).log_softmax(-1)
    return -(logprobs.exp() * logprobs.masked_fill(logprobs == -torch.inf, 0.0)).sum(-1)


@dataclass(frozen=True, slots=True)
class ChosenTokens:
    """What a policy says of tokens that were chosen, all (M,), with gradients to the logits."""

    logprobs: Tensor
    entropy: Tensor
    """Of the distribution that each was chosen from, in nats."""


def chosen_tokens(logits: Tensor, rows: Tensor, actions: Tensor, temperature: float) -> ChosenTokens:
    """Log-probability of each chosen token, and the entropy of where it was chosen; several may share a row of logits.

    The same as `token_logprobs` and `entropy_from_logits`, in a third of the passes over (R, V) numbers, a few rows at
    a time, of which only the logits are kept for the backward.

    Shapes: logits (R, V); rows, actions (M,): which row of logits each token was chosen from -> (M,).
    """
    assert logits.ndim == 2, logits.shape  # noqa: PLR2004  # rows and vocabulary
    assert_alike((1,), rows, actions)
    logprobs, entropy = _ChosenTokens.apply(  # type: ignore[no-untyped-call]  # torch leaves it without annotations
        logits, rows, actions, temperature
    )
    return ChosenTokens(logprobs, entropy)


_AT_ONCE = 2**19
"""Logits that are gone over together: so many stay in a processor's cache between one pass over them and the next."""
_FORBIDDEN = -1e30
"""Stands for minus infinity, with a probability of 0 times which infinity would be no number."""


def _slices(logits: Tensor) -> Iterator[slice]:
    """Rows that are gone over together; on a GPU all of them, where a launch costs more than memory."""
    num_rows, size = logits.shape
    step = num_rows if logits.device.type == "cuda" else max(_AT_ONCE // size, 1)
    return (slice(begin, begin + step) for begin in range(0, num_rows, max(step, 1)))


class _ChosenTokens(torch.autograd.Function):
    """With z the scaled logits, p = softmax(z) and H its entropy: ∂ log p_a/∂z = 1_a - p, ∂H/∂z = -p (log p + H)."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, rows: Tensor, actions: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        normalisers = _scaled_logits(logits[:, 0], temperature)
        entropy = torch.empty_like(normalisers)
        for some in _slices(logits):
            scaled = _scaled_logits(logits[some], temperature)
            normalisers[some] = scaled.logsumexp(-1)
            probabilities = (scaled - normalisers[some, None]).exp_()
            scaled.clamp_(min=_FORBIDDEN)
            entropy[some] = normalisers[some] - probabilities.mul_(scaled).sum(-1)
        ctx.temperature = temperature
        ctx.save_for_backward(logits, rows, actions, normalisers, entropy)
        return _scaled_logits(logits[rows, actions], temperature) - normalisers[rows], entropy[rows]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        logits, rows, actions, normalisers, entropy = ctx.saved_tensors
        to_logprobs, to_entropy = gradients
        to_logprobs, to_entropy = to_logprobs / ctx.temperature, to_entropy / ctx.temperature
        per_row = torch.zeros_like(normalisers)
        from_logprobs = per_row.index_add(0, rows, -to_logprobs)
        from_entropy = per_row.index_add(0, rows, -to_entropy)
        grad = torch.empty_like(logits)
        for some in _slices(logits):
            logprobs = _scaled_logits(logits[some], ctx.temperature).sub_(normalisers[some, None])
            probabilities = logprobs.exp()
            logprobs.clamp_(min=_FORBIDDEN)
            weights = logprobs.add_(entropy[some, None]).mul_(from_entropy[some, None]).add_(from_logprobs[some, None])
            part = probabilities.mul_(weights)
            here = (rows >= some.start) & (rows < some.stop)
            part.index_put_((rows[here] - some.start, actions[here]), to_logprobs[here], accumulate=True)
            grad[some] = part
        return grad, None, None, None


def sequence_logprobs(token_logprobs: Tensor, mask: Tensor, kind: SequenceKind) -> Tensor:
    """One log-probability per reply: the action level's T = 1.

    "sum" gives true probability ratios. "token" divides by the reply's length: its ratio stays near 1, wants
    a far smaller clip range, and is no importance weight, so predecessor ratios always use "sum".

    Shapes: token_logprobs, mask (B, T) -> (B, 1). Every row has a real token.
    """
    _assert_steps(mask, token_logprobs)
    sums = torch.where(mask, token_logprobs, 0.0).sum(-1, keepdim=True)
    match kind:
        case "sum":
            return sums
        case "token":
            lengths = mask.sum(-1, keepdim=True)
            assert bool((lengths > 0).all()), "a reply without tokens has no mean"
            return sums / lengths
        case _:
            assert_never(kind)


def _log_ratios(logprobs: Tensor, old_logprobs: Tensor, mask: Tensor) -> Tensor:
    """New minus old, 0 at padding: masked before `exp`, so no gradient flows back there, not even NaN."""
    _assert_steps(mask, logprobs, old_logprobs)
    return torch.where(mask, logprobs - old_logprobs, 0.0)


def ppo_policy_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    clip_coef: float | None,
    clip_coef_high: float | None = None,
) -> Tensor:
    """Clipped surrogate, averaged over the mask; the ratio is clipped to [1 - clip_coef, 1 + clip_coef_high].

    Without `clip_coef` nothing is clipped: at ratios of 1 its gradient is that of REINFORCE.

    Shapes: all (B, T) -> scalar. `clip_coef_high` defaults to `clip_coef`.
    Source: PPO, arXiv 1707.06347, eq. 7; its upper bound apart ("clip-higher"), DAPO, arXiv 2503.14476, §3.1.
    """
    _assert_steps(mask, advantages)
    ratios = _log_ratios(logprobs, old_logprobs, mask).exp()
    if clip_coef is None:
        return masked_mean(-ratios * advantages, mask)
    high = clip_coef if clip_coef_high is None else clip_coef_high
    clipped = ratios.clamp(1 - clip_coef, 1 + high)
    return masked_mean(-torch.minimum(ratios * advantages, clipped * advantages), mask)


def value_loss(
    values: Tensor,
    returns: Tensor,
    mask: Tensor,
    huber_delta: float,
    old_values: Tensor | None = None,
    clip_coef: float | None = None,
) -> Tensor:
    """Huber loss of the critic over the mask: half the squared error up to `huber_delta`, linear beyond.

    With `old_values` and `clip_coef` (both or neither) a value may gain nothing by moving more than
    `clip_coef` from the old one.

    Shapes: all (B, T) -> scalar. Units: `huber_delta` and `clip_coef` are in units of return.
    Source: Huber as in MAPPO, arXiv 2103.01955; clipping as in "Implementation matters", arXiv 2005.12729, §3.
    """
    _assert_steps(mask, values, returns)
    assert (old_values is None) == (clip_coef is None), "value clipping needs both old_values and clip_coef"
    predictions = torch.where(mask, values, 0.0)  # no gradient flows back through padding, not even NaN
    losses = functional.huber_loss(predictions, returns, reduction="none", delta=huber_delta)
    if old_values is not None and clip_coef is not None:
        _assert_steps(mask, old_values)
        clipped = old_values + (predictions - old_values).clamp(-clip_coef, clip_coef)
        losses = torch.maximum(losses, functional.huber_loss(clipped, returns, reduction="none", delta=huber_delta))
    return masked_mean(losses, mask)


@torch.no_grad()
def approx_kl(logprobs: Tensor, old_logprobs: Tensor, mask: Tensor) -> KlEstimate:
    """KL(old || new) per step, estimated from the old policy's samples.

    Shapes: all (B, T).
    Source: J. Schulman, "Approximating KL divergence", joschu.net/blog/kl-approx.html (there k1 and k3).
    """
    log_ratios = _log_ratios(logprobs, old_logprobs, mask)
    return KlEstimate(
        k1=masked_mean(-log_ratios, mask),
        k3=masked_mean(log_ratios.expm1() - log_ratios, mask),
    )


def reference_kl(logprobs: Tensor, reference_logprobs: Tensor, mask: Tensor) -> Tensor:
    """KL(policy || reference) per step, estimated from the policy's own samples, with gradients to `logprobs`.

    Ratio - 1 - log ratio, the ratio being reference over policy: never negative, 0 where both agree.

    Shapes: all (B, T) -> scalar.
    Source: GRPO, arXiv 2402.03300, eq. 4; there, too, its gradient is that of the estimate, not of the divergence.
    """
    log_ratios = _log_ratios(reference_logprobs, logprobs, mask)
    return masked_mean(log_ratios.expm1() - log_ratios, mask)


@torch.no_grad()
def clip_fraction(
    logprobs: Tensor,
    old_logprobs: Tensor,
    mask: Tensor,
    clip_coef: float | None,
    clip_coef_high: float | None = None,
) -> Tensor:
    """Share of real steps whose ratio lies outside the clip range, whatever the sign of their advantage.

    0 without a clip range.

    Shapes: all (B, T) -> scalar in [0, 1].
    """
    if clip_coef is None:
        return logprobs.new_zeros(())
    high = clip_coef if clip_coef_high is None else clip_coef_high
    ratios = _log_ratios(logprobs, old_logprobs, mask).exp()
    outside = (ratios < 1 - clip_coef) | (ratios > 1 + high)
    return masked_mean(outside.to(logprobs.dtype), mask)


_ROUNDING_STEPS = 8
"""Units in the last place within which returns count as equal: those of a few sums."""


@torch.no_grad()
def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    """1 - Var(returns - values) / Var(returns): 1 for a perfect critic, 0 for one no better than a constant.

    Shapes: all (B, T) -> scalar; NaN where the returns do not vary, or only by how they were rounded: a return is often
    a value plus what was missing from it.
    """
    _assert_steps(mask, values, returns)
    targets, predictions = returns[mask], values[mask]
    spread = targets.var(correction=0)
    unexplained = (targets - predictions).var(correction=0)
    size = torch.maximum(targets.abs().max(), predictions.abs().max())
    rounding = _ROUNDING_STEPS * torch.finfo(targets.dtype).eps * size
    return torch.where(spread > rounding**2, 1 - unexplained / spread, torch.nan)
