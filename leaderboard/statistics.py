"""What results of several runs on several tasks say, and how surely: intervals, profiles, comparisons.

Scores are given as a mapping from a task to the scores of its runs, one run a seed. Tasks are *strata*: they were
chosen, not drawn, so they stay as they are, and what is resampled are the runs within each. What is drawn at random is
what is resampled: within one run's evaluation those are instances, and several values of one instance stay together
(`cluster_interval`).

All intervals are percentiles of a bootstrap, and too short where there are few runs. Of normal scores, where 95 cases
of 100 are promised, the interval of the mean covers the truth in 84 with five seeds of one task and in 91 with five
seeds of three, that of the IQM in 89 and 92; three seeds of one task come to 75, twenty to 93 (2,000 simulations; a
test repeats two). And what was never seen cannot be resampled: if all runs score 1, both bounds are 1.

Source: Agarwal and others, Deep Reinforcement Learning at the Edge of the Statistical Precipice, arXiv 2108.13264;
their library rliable, whose definitions these are. Bootstrap: Efron and Tibshirani, An Introduction to the Bootstrap
(1993), chapter 13; of clusters, Davison and Hinkley, Bootstrap Methods and their Application (1997), section 3.8.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float64]
Scores: TypeAlias = Mapping[str, Sequence[float]]
"""Task -> a score for each run."""
Statistic: TypeAlias = Callable[[Floats], Floats]
"""(..., N) -> (...): of N scores along the last axis, such as `mean` and `iqm`."""

NUM_RESAMPLES = 10_000
CONFIDENCE = 0.95
_CUT = 0.25
"""Of the scores, that the interquartile mean leaves out at each end."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate, and the bounds between which the true value plausibly lies."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Profile:
    """Which share of runs scores above each threshold. Shapes: all (T,)."""

    thresholds: Floats
    shares: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two teams on the same instances, of one task or, as a mean over tasks, of several."""

    difference: Interval
    """Mean over instances of the first one's score less the second one's."""
    improvement: float
    """Share of instances on which the first scores higher; ties count half."""
    num_pairs: int

    @property
    def can_be_told_apart(self) -> bool:
        """Whether the interval of the difference leaves 0 out."""
        return self.difference.low > 0 or self.difference.high < 0


# -- statistics of scores ----------------------------------------------------------------------------------------------


def mean(scores: ArrayLike) -> Floats:
    """Along the last axis."""
    return np.asarray(np.mean(np.asarray(scores, dtype=np.float64), axis=-1))


def iqm(scores: ArrayLike) -> Floats:
    """Interquartile mean along the last axis: the mean without a quarter of the scores at each end, rounded down.

    Of 15 scores it is the mean of the middle 9, of five that of three, and of three their mean. As rliable has it, and
    `scipy.stats.trim_mean(scores, 0.25)`.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64), axis=-1)
    cut = int(_CUT * ordered.shape[-1])
    return mean(ordered[..., cut : ordered.shape[-1] - cut])


# -- intervals ---------------------------------------------------------------------------------------------------------


def stratified_interval(
    scores: Scores,
    statistic: Statistic = iqm,
    *,
    num_resamples: int = NUM_RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Interval:
    """A statistic of the runs of all tasks together; runs are resampled within each task.

    Raises: ValueError for no task, a task without runs, a score that is not finite, a setting out of range.
    """
    strata = _strata(scores)
    rng = np.random.default_rng(seed)
    drawn = np.concatenate([resampled(runs, num_resamples, rng) for runs in strata], axis=-1)
    return _interval(statistic(np.concatenate(strata)), statistic(drawn), confidence)


def cluster_interval(
    values_by_cluster: Mapping[Hashable, Sequence[float]],
    *,
    num_resamples: int = NUM_RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Interval:
    """The mean over clusters, such as instances, of the means of their values; whole clusters are resampled.

    Every cluster weighs the same, however many values it has. The result does not depend on the mapping's order.

    Raises: ValueError as `stratified_interval`.
    """
    means = np.sort([float(mean(values)) for values in _strata(values_by_cluster)])
    drawn = resampled(means, num_resamples, np.random.default_rng(seed))
    return _interval(mean(means), mean(drawn), confidence)


def resampled(runs: Floats, num_resamples: int, rng: np.random.Generator) -> Floats:
    """(num_resamples, n): as many as there are, drawn with replacement."""
    if num_resamples < 1:
        raise ValueError(f"num_resamples is {num_resamples}; it must be at least 1")
    return np.asarray(runs[rng.integers(len(runs), size=(num_resamples, len(runs)))])


def tails(confidence: float) -> tuple[float, float]:
    """Shares of a distribution at which an interval ends: 0.95 -> (0.025, 0.975)."""
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence is {confidence}; it must lie strictly between 0 and 1")
    tail = (1.0 - confidence) / 2.0
    return tail, 1.0 - tail


# -- profiles and comparisons ------------------------------------------------------------------------------------------


def performance_profile(
    scores: Scores,
    thresholds: Sequence[float],
    *,
    num_resamples: int = 2_000,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Profile:
    """Share of runs above each threshold, every task weighing the same; bounds hold for each threshold by itself.

    Raises: ValueError as `stratified_interval`.
    """
    strata, points = _strata(scores), np.asarray(thresholds, dtype=np.float64)
    rng = np.random.default_rng(seed)
    found = np.mean([_shares_above(runs, points) for runs in strata], axis=0)
    drawn = np.mean([_shares_above(resampled(runs, num_resamples, rng), points) for runs in strata], axis=0)
    low, high = np.quantile(drawn, tails(confidence), axis=0)
    return Profile(points, found, low, high)


def probability_of_improvement(
    scores: Scores,
    than: Scores,
    *,
    num_resamples: int = NUM_RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Interval:
    """How likely a run scores above one of another algorithm on the same task, ties counting half; mean over tasks.

    It is the Mann-Whitney statistic over the number of pairs. 0.5 says nothing about size: a small lead that every seed
    has is 1. Runs of both algorithms are resampled.

    Raises: ValueError as `stratified_interval`, or if the tasks are not the same.
    """
    if set(scores) != set(than):
        odd = ", ".join(sorted(set(scores) ^ set(than)))
        raise ValueError(f"only one of the two was run on {odd}; compare on tasks that both were run on")
    pairs = list(zip(_strata(scores), _strata({task: than[task] for task in scores}), strict=True))
    rng = np.random.default_rng(seed)
    found = np.mean([_win_share(one, other) for one, other in pairs], axis=0)
    drawn = [
        _win_share(resampled(one, num_resamples, rng), resampled(other, num_resamples, rng)) for one, other in pairs
    ]
    return _interval(found, np.mean(drawn, axis=0), confidence)


def paired_comparison(
    scores: Mapping[Hashable, float],
    than: Mapping[Hashable, float],
    *,
    num_resamples: int = NUM_RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Comparison:
    """Two teams by instance: that an instance is hard is hard for both, and cancels. Instances are resampled.

    Raises: ValueError if the instances are not the same, or as `stratified_interval`.
    """
    if set(scores) != set(than):
        raise ValueError(
            f"{len(set(scores) ^ set(than))} of {len(set(scores) | set(than))} instances have a score of one alone; "
            "compare on instances that both have played"
        )
    differences = {instance: [scores[instance] - than[instance]] for instance in scores}
    interval = cluster_interval(differences, num_resamples=num_resamples, confidence=confidence, seed=seed)
    signs = np.sign([value for (value,) in differences.values()])
    return Comparison(interval, float((mean(signs) + 1) / 2), len(differences))


# ----------------------------------------------------------------------------------------------------------------------


def _strata(scores: Mapping[str, Sequence[float]] | Mapping[Hashable, Sequence[float]]) -> list[Floats]:
    """(n,) scores of each stratum."""
    if not scores:
        raise ValueError("there is nothing to summarise; give the scores of one task at least")
    strata = []
    for name, values in scores.items():
        runs = np.asarray(values, dtype=np.float64)
        if runs.ndim != 1 or not len(runs):
            raise ValueError(f"{name!r} has no scores; leave it out, or run it")
        if not np.isfinite(runs).all():
            raise ValueError(f"{name!r} has a score that is not finite: {list(values)!r}")
        strata.append(runs)
    return strata


def _interval(estimate: Floats, drawn: Floats, confidence: float) -> Interval:
    low, high = np.quantile(drawn, tails(confidence))
    return Interval(float(estimate), float(low), float(high))


def _shares_above(runs: Floats, thresholds: Floats) -> Floats:
    """(..., n) scores and (T,) thresholds -> (..., T)."""
    ordered = np.sort(runs, axis=-1)
    return mean(np.moveaxis(ordered[..., None] > thresholds, -2, -1))


def _win_share(one: Floats, other: Floats) -> Floats:
    """(..., n) and (..., m) -> (...): share of pairs in which the first is higher, ties by half."""
    signs = np.sign(one[..., :, None] - other[..., None, :])
    return np.asarray((signs.mean(axis=(-2, -1)) + 1) / 2)
