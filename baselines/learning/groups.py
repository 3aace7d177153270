"""Advantages without a critic: a return beside those of its group.

Plays of one instance tell what the instance is worth, so their mean is a baseline. A group of one, or one whose returns
are all alike, teaches nothing: those are counted.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from baselines.learning.advantages import MIN_SCALE, grouped
from baselines.learning.shapes import assert_alike

ROUNDING_STEPS = 8
"""Units in the last place within which returns count as equal: those of a few sums of rewards."""


@dataclass(frozen=True, slots=True)
class GroupAdvantages:
    """What each member is worth beside its group, and how many groups told nothing."""

    advantages: Tensor
    """(N,)."""
    num_groups: int
    num_flat: int
    """Groups in which all returns are alike; those of one member are among them."""


@torch.no_grad()
def group_advantages(returns: Tensor, groups: Tensor, *, divides: bool) -> GroupAdvantages:
    """Returns minus the mean of their group; `divides` also by its standard deviation.

    Shapes: returns (N,), groups (N,) integer ids.
    Source: GRPO, arXiv 2402.03300, section 4.1; without dividing, Dr. GRPO, arXiv 2503.20783, section 3.
    Deviates: the standard deviation is that of the group itself (divided by its size, not by one less), as Dr. MAS,
    arXiv 2602.08847, writes it.
    """
    assert_alike((1,), returns, groups)
    exact = returns.double()  # the mean of equal returns is that return
    beside = grouped(exact, groups)
    largest = torch.zeros_like(beside.sizes).scatter_reduce(0, beside.ids, exact.abs(), reduce="amax")
    is_flat = beside.scales <= ROUNDING_STEPS * torch.finfo(returns.dtype).eps * largest
    advantages = torch.where(is_flat[beside.ids], 0.0, beside.centred)  # not what is left of rounding
    return GroupAdvantages(
        advantages=(advantages / (beside.scales[beside.ids] + MIN_SCALE) if divides else advantages).to(returns.dtype),
        num_groups=len(beside.sizes),
        num_flat=int(is_flat.sum()),
    )
