"""How far sampler and trainer disagree about the very same tokens.

Before its first update a policy is what was sampled from, so both should give each token the same log-probability. In
float32 they do, up to rounding (about 1e-5). In bfloat16 the order of sums decides on digits that matter, and in an
engine of another make anything may: then ratios start away from 1, and clipping acts on noise.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from baselines.learning.shapes import assert_alike

OFF = 0.05
"""A token's ratio counts as off beyond it; PPO clips at 0.1 to 0.3."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Differences of log-probabilities in nats, over tokens."""

    maximum: float
    mean: float
    """Of their absolute values."""
    share: float
    """Tokens whose ratio of probabilities is off by more than `OFF`, as a share of all."""


NO_DRIFT = Drift(0.0, 0.0, 0.0)


@torch.no_grad()
def drift_of(differences: Tensor) -> Drift:
    """Sums up trainer minus sampler. Shapes: differences (M,), at least one."""
    assert_alike((1,), differences)
    assert len(differences) > 0, "no token to compare"
    sizes = differences.abs()
    is_off = differences.expm1().abs() > OFF
    return Drift(float(sizes.max()), float(sizes.mean()), float(is_off.float().mean()))
