"""Credit along one time axis: who gets how much of a reward that was paid later.

All turns of an episode lie on one axis in acting order (all tokens, for a token-level trainer). A step inside
a round costs nothing: discount and λ are 1 there. Only a round's end costs γ and λ. So a final reward
reaches the first agent of an octet, and the first token of a long reply, unshrunk, and the number of agents
or tokens is no hidden discount.

Axes: B episodes, K steps (turns or tokens) in acting order. Episodes of different lengths share a batch by
`lengths` (B,): step k of episode b is real iff k < lengths[b], `values[b, lengths[b]]` is its bootstrap, and
whatever pads the rest (NaN too) is never read.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from baselines.learning.masks import length_mask
from baselines.learning.shapes import assert_alike

MIN_SCALE = 1e-5
"""Added to a standard deviation before dividing: far below any spread worth learning from, far above the
rounding error of float32 advantages around 1, so a group whose advantages are all equal becomes 0 and not
amplified noise."""


@dataclass(frozen=True, slots=True)
class AxisFactors:
    """What each step of the axis costs: both (B, K) or (K,), applied between step k and step k + 1."""

    discounts: Tensor
    lams: Tensor


@dataclass(frozen=True, slots=True)
class Advantages:
    """What `gae` returns: both (B, K) or (K,), 0 at padding."""

    advantages: Tensor
    returns: Tensor
    """λ-returns, the critic's targets: advantages + values."""


def _real_steps(like: Tensor, lengths: Tensor | None) -> Tensor:
    if lengths is None:
        return torch.ones_like(like, dtype=torch.bool)
    assert lengths.shape == like.shape[:-1], (lengths.shape, like.shape)
    return length_mask(lengths, like.shape[-1])


@torch.no_grad()
def axis_factors(
    rounds: Tensor,
    gamma: float,
    gae_lambda: float,
    lengths: Tensor | None = None,
    end_rounds: Tensor | None = None,
    dtype: torch.dtype = torch.float32,
) -> AxisFactors:
    """`gamma ** d` and `gae_lambda ** d` for every step, d being the round ends between it and the next step.

    d is 0 inside a round, 1 at its end, more where the axis is one agent's own turns and it sat out rounds.
    After the last step comes the bootstrap, in round `end_rounds` (default: the one after the last step's).

    Shapes: rounds (B, K) or (K,), never falling along K; lengths (B,); end_rounds (B,), or scalar for (K,).
    """
    assert_alike((1, 2), rounds)
    num_steps = rounds.shape[-1]
    if lengths is None:
        lengths = torch.full(rounds.shape[:-1], num_steps, device=rounds.device)
    assert lengths.shape == rounds.shape[:-1], (lengths.shape, rounds.shape)
    steps = torch.arange(num_steps, device=rounds.device)
    ends = rounds + 1 if end_rounds is None else end_rounds[..., None].expand_as(rounds)
    following = torch.where(steps == lengths[..., None] - 1, ends, rounds.roll(-1, dims=-1))
    elapsed = torch.where(steps < lengths[..., None], following - rounds, 0)
    assert bool((elapsed >= 0).all()), "rounds fall along the axis: the steps are not in acting order"
    return AxisFactors(
        discounts=torch.pow(torch.tensor(gamma, dtype=dtype, device=rounds.device), elapsed),
        lams=torch.pow(torch.tensor(gae_lambda, dtype=dtype, device=rounds.device), elapsed),
    )


@torch.no_grad()
def gae(rewards: Tensor, values: Tensor, discounts: Tensor, lams: Tensor, lengths: Tensor | None = None) -> Advantages:
    """Generalised advantage estimates with a discount and a λ for every step.

    δ_k = r_k + d_k V_{k+1} - V_k;  A_k = δ_k + d_k λ_k A_{k+1}.  Beyond the last step A is 0 and V is the
    bootstrap, which the caller supplies: 0 after termination, the value of the composed next state after
    truncation.

    Shapes: rewards, discounts, lams (B, K) or (K,); values (B, K + 1) or (K + 1,); lengths (B,).
    Source: GAE, arXiv 1506.02438, eq. 16, with a discount d and a λ per step.
    """
    assert_alike((1, 2), rewards, discounts, lams)
    num_steps = rewards.shape[-1]
    assert values.shape == (*rewards.shape[:-1], num_steps + 1), (values.shape, rewards.shape)
    real = _real_steps(rewards, lengths)
    advantages = torch.zeros_like(rewards)
    following = torch.zeros_like(rewards[..., 0])
    for k in reversed(range(num_steps)):
        delta = rewards[..., k] + discounts[..., k] * values[..., k + 1] - values[..., k]
        estimate = delta + discounts[..., k] * lams[..., k] * following
        following = torch.where(real[..., k], estimate, 0.0)
        advantages[..., k] = following
    return Advantages(advantages, torch.where(real, advantages + values[..., :-1], 0.0))


@torch.no_grad()
def joint_round_advantages(advantages: Tensor, rounds: Tensor, lengths: Tensor | None = None) -> Tensor:
    """The advantage of the round's joint action, given to every step of the round.

    It is the advantage at the round's first step: discount and λ are 1 inside a round, so that one already
    sums the whole round and subtracts a value that has read none of its actions.

    Shapes: advantages, rounds (B, K) or (K,); lengths (B,). Returns the shape of advantages, 0 at padding.
    """
    assert_alike((1, 2), advantages, rounds)
    steps = torch.arange(rounds.shape[-1], device=rounds.device).expand_as(rounds)
    opens_round = torch.ones_like(rounds, dtype=torch.bool)
    opens_round[..., 1:] = rounds[..., 1:] != rounds[..., :-1]
    first_steps = torch.where(opens_round, steps, 0).cummax(dim=-1).values
    return torch.where(_real_steps(rounds, lengths), advantages.gather(-1, first_steps), 0.0)


@dataclass(frozen=True, slots=True)
class Grouped:
    """Values (M,) beside those of their group, of which there are G."""

    ids: Tensor
    """(M,): the group of each, from 0 to G - 1."""
    sizes: Tensor
    """(G,)."""
    centred: Tensor
    """(M,): less the mean of the group."""
    scales: Tensor
    """(G,): standard deviations of the groups themselves, divided by their sizes and not by one less."""


def grouped(values: Tensor, groups: Tensor) -> Grouped:
    """Shapes: values (M,), groups (M,) integer ids."""
    ids = torch.unique(groups, return_inverse=True)[1]
    sizes = torch.bincount(ids).to(values.dtype)
    means = torch.zeros_like(sizes).index_add(0, ids, values) / sizes
    centred = values - means[ids]
    scales = (torch.zeros_like(sizes).index_add(0, ids, centred.square()) / sizes).sqrt()
    return Grouped(ids, sizes, centred, scales)


@torch.no_grad()
def normalise(advantages: Tensor, mask: Tensor, groups: Tensor | None = None) -> Tensor:
    """Advantages shifted and scaled to mean 0 and standard deviation 1 within each group, over the mask.

    With agents as groups every agent learns at its own scale. Normalise before weighting by predecessor
    ratios: the mean of the weights is information. A group of one, or without variance, becomes 0 and teaches
    nothing: callers count those.

    Shapes: advantages, mask (bool), groups (integer ids): all alike. Returns 0 where the mask is False.
    Source: per agent, Dr. MAS, arXiv 2602.08847.
    """
    assert_alike((1, 2), advantages, mask, *([] if groups is None else [groups]))
    assert mask.dtype == torch.bool, mask.dtype
    chosen = advantages[mask]
    beside = grouped(chosen, torch.zeros_like(chosen, dtype=torch.long) if groups is None else groups[mask])
    normalised = torch.zeros_like(advantages)
    normalised[mask] = beside.centred / (beside.scales[beside.ids] + MIN_SCALE)
    return normalised
