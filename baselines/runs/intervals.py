"""How sure a mean is: bootstrap intervals that resample instances, not replies.

Replies to one instance resemble each other, so resampling replies (or sampling seeds) pretends to more
evidence than there is. The instance is what was drawn at random, and the instance is what is resampled.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MAX_DRAWS = 1 << 22
"""Instances drawn at once: bounds the memory (32 MiB of indices) whatever the number of instances."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over instances and the bounds between which the true mean plausibly lies."""

    mean: float
    low: float
    high: float
    num_instances: int
    """How many instances stand behind it. Where all agree (one always does) the bounds fall on the mean."""


def bootstrap_interval(
    values_by_instance: Mapping[Hashable, Sequence[float]],
    *,
    num_resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile interval of the mean over instances, instances resampled with replacement.

    Every instance weighs the same, however many values it has: the mean is that of the instances' means. The
    result depends on the values and the seed only, not on the order of the mapping.

    Limits: resampling cannot show what was never seen. If all n instances score 1, both bounds are 1,
    although a failure rate of 3 / n would still give such a result in one evaluation of twenty.

    Raises:
        ValueError: no instance, an instance without values, a value that is not finite, a setting out of range.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13; for clusters Davison and Hinkley,
    Bootstrap Methods and their Application (1997), section 3.8.
    """
    if num_resamples < 1:
        raise ValueError(f"num_resamples is {num_resamples}; it must be at least 1")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence is {confidence}; it must lie strictly between 0 and 1")
    means = _instance_means(values_by_instance)
    resampled = _resampled_means(means, num_resamples, np.random.default_rng(seed))
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(resampled, (tail, 1.0 - tail))
    return Interval(mean=float(means.mean()), low=float(low), high=float(high), num_instances=len(means))


def _instance_means(values_by_instance: Mapping[Hashable, Sequence[float]]) -> NDArray[np.float64]:
    """One mean per instance, sorted, so that the order of the mapping cannot change the draws."""
    if not values_by_instance:
        raise ValueError("no instance to average over; evaluate at least one")
    means = np.empty(len(values_by_instance))
    for position, (instance, values) in enumerate(values_by_instance.items()):
        if len(values) == 0:
            raise ValueError(f"instance {instance!r} has no values; leave it out or evaluate it")
        means[position] = np.mean(np.asarray(values, dtype=np.float64))
        if not np.isfinite(means[position]):
            raise ValueError(f"instance {instance!r} has a value that is not finite: {list(values)!r}")
    return np.sort(means)


def _resampled_means(means: NDArray[np.float64], num_resamples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Means of `num_resamples` draws of as many instances as there are. Shape: (num_resamples,)."""
    size = len(means)
    at_once = max(1, _MAX_DRAWS // size)
    resampled = np.empty(num_resamples)
    for first in range(0, num_resamples, at_once):
        rows = min(at_once, num_resamples - first)
        resampled[first : first + rows] = means[rng.integers(size, size=(rows, size))].mean(axis=1)
    return resampled
