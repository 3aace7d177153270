"""What one team's scores on the public instances of tasks say, and how surely: means, interquartile means, profiles.

These are claims about a *team*, trained as it is: a mapping from a task to the score of each instance. What is random
are the instances, and what the team happened to do in them. `statistics.py` makes claims about *algorithms*, whose runs
are random; the two are never mixed. Who played an instance several times gives the mean of that. Tasks are strata, as
there, and all weigh the same, so scores of all tasks are on one scale.

The mean has an interval in closed form, because percentiles of a bootstrap over instances are too short. Of 200 that
succeed or fail, where 95 cases of 100 are promised, they hold a rate of 0.55 in 95, of 0.02 in 90, of 0.01 in 87, of
0.005 in 64; and if all fail, they are [0, 0]. Where scores have `bounds`, the interval is Wilson's instead, for as many
instances as would vary that much if they succeeded or failed (after Korn and Graubard), and holds those rates in 94,
94, 95 and 91. It is 93 to 97 for partial and continuous scores and for several tasks; 98 to 100 where most tasks are
at 0 or 1; and 92 where a few continuous scores make up most of a mean of 0.02.

A task whose scores are all equal does not vary here, yet may elsewhere. What none of n instances showed has, by Wilson,
a probability of at most z² / (n + z²), z = 1.96, and may be anything within the bounds; so 200 failures of 200 are
[0, 0.019]. Such distances add in quadrature (Zou, Huang and Zhang). Scores that vary, but by little, are believed: what
is rarer than one in 200 and worth much is then not in the interval. Without bounds nothing is known of what was not
seen: equal scores have an interval of no width, and a rate of 0.01 is held in 87.

`benchmarks/board_simulation.py` measures this (2,000 boards), and a test repeats some of it.

Sources: Wilson, Probable Inference, the Law of Succession, and Statistical Inference (1927); Korn and Graubard,
Confidence Intervals for Proportions with Small Expected Number of Positive Counts Estimated from Survey Data (1998);
Zou, Huang and Zhang, A Note on Confidence Interval Estimation for a Linear Function of Binomial Proportions (2009).
Interquartile means and profiles: as in `statistics.py`.
"""

from collections.abc import Hashable, Mapping, Sequence
from statistics import NormalDist
from typing import TypeAlias, TypeVar

import numpy as np

from leaderboard.statistics import CONFIDENCE, Floats, Interval, Profile, iqm, resampled, tails

Instance = TypeVar("Instance", bound=Hashable)
Played: TypeAlias = Mapping[str, Mapping[Instance, float]]
"""Task -> instance -> score."""
Bounds: TypeAlias = tuple[float, float]
"""The lowest and the highest score that there can be."""

NUM_RESAMPLES = 2_000
"""An end of the interval varies by 1.5 % of its width from seed to seed."""
LEAST_INSTANCES = 2
"""Of a task; one does not tell how scores vary."""


def mean_interval(
    scores: Played[Instance], *, bounds: Bounds | None = None, confidence: float = CONFIDENCE
) -> Interval:
    """Mean over tasks of the mean over instances; for one task, give that alone.

    Does not depend on the mappings' order. Without bounds and with fewer than four instances in all it is infinite.

    Raises: ValueError for no task, a task with fewer than two instances, a score that is not finite or outside of the
    bounds, a confidence out of range.
    """
    return mean_of_strata(strata_of(scores, bounds), bounds, confidence)


def iqm_interval(
    scores: Played[Instance],
    *,
    bounds: Bounds | None = None,
    num_resamples: int = NUM_RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Interval:
    """Interquartile mean over tasks of the mean over instances: without the quarter of tasks that went best, and worst.

    It is rliable's for a single run, whose score on a task is a mean over episodes, too. One over instances would say
    nothing where they succeed or fail: 1 for all rates of 0.75 and more. Of fewer than four tasks it is their mean.
    Percentiles of a bootstrap over instances, with what it cannot see added as for the mean. Of six tasks of 200
    instances that succeed or fail it holds the truth in 95 to 97 cases of 100, of eight that are equally hard in 97.

    Raises: ValueError as `mean_interval`, or for no resample.
    """
    strata = strata_of(scores, bounds)
    means = np.array([values.mean() for values in strata])
    kept = _kept(means)
    if len(kept) == len(strata):
        return mean_of_strata(strata, bounds, confidence)
    drawn = iqm(_drawn_means(strata, num_resamples, seed))
    low, high = np.quantile(drawn, tails(confidence))
    estimate = float(iqm(means))
    seen = Interval(estimate, min(float(low), estimate), max(float(high), estimate))
    return _with_unseen(seen, [strata[place] for place in kept], bounds, confidence)


def task_profile(
    scores: Played[Instance],
    thresholds: Sequence[float],
    *,
    num_resamples: int = NUM_RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Profile:
    """On which share of tasks the team's mean is above each threshold; bounds hold for each threshold by itself.

    The share of *instances* above it is `performance_profile` of the same scores, task by task as a list. Percentiles
    of a bootstrap over instances.

    Raises: ValueError as `iqm_interval`.
    """
    strata, points = strata_of(scores), np.asarray(thresholds, dtype=np.float64)
    means = np.array([values.mean() for values in strata])
    drawn = _drawn_means(strata, num_resamples, seed)
    low, high = np.quantile((drawn[..., None] > points).mean(axis=-2), tails(confidence), axis=0)
    return Profile(points, (means[:, None] > points).mean(axis=0), low, high)


def mean_of_strata(strata: Sequence[Floats], bounds: Bounds | None, confidence: float) -> Interval:
    """`mean_interval` of the (n,) scores of each task.

    Without bounds it is the test of `ranking.py` turned round, that is the means that it would not reject. Of one task
    of n instances whose scores have the variance s² these are mean ± z s / √(n − z²), which is wider than Student's
    interval by less than 1 % from 80 instances on.
    """
    z = NormalDist().inv_cdf(tails(confidence)[1])
    estimate = float(np.mean([values.mean() for values in strata]))
    variance = sum(_variance(values) / len(values) for values in strata) / len(strata) ** 2
    if bounds is None:
        shrunk = 1.0 - z**2 * float(np.mean([1.0 / len(values) for values in strata])) / len(strata)
        distance = z * float(np.sqrt(variance / shrunk)) if shrunk > 0 else np.inf
        return Interval(estimate, estimate - distance, estimate + distance)
    return _with_unseen(_wilson(estimate, variance, bounds, z), strata, bounds, confidence)


def strata_of(scores: Played[Instance], bounds: Bounds | None = None) -> list[Floats]:
    """(n,) scores of each task, tasks by name and scores by size, so that no order matters.

    Raises: ValueError as `mean_interval`.
    """
    low, high = bounds or (-np.inf, np.inf)
    if not low < high:
        raise ValueError(f"bounds are {bounds}; the lowest score comes first, and below the highest")
    if not scores:
        raise ValueError("there is nothing to summarise; give the scores of one task at least")
    strata = []
    for task in sorted(scores):
        values = np.fromiter(scores[task].values(), dtype=np.float64)
        if len(values) < LEAST_INSTANCES:
            raise ValueError(f"the number of instances of {task!r} is {len(values)}; how scores vary shows from 2 on")
        wrong = ~(np.isfinite(values) & (low <= values) & (values <= high))
        if wrong.any():
            instance, score = list(scores[task].items())[int(wrong.argmax())]
            rule = "finite" if bounds is None else f"between {low} and {high}"
            raise ValueError(f"the score of instance {instance!r} of {task!r} is {score}; it must be {rule}")
        strata.append(np.sort(values))
    return strata


# ----------------------------------------------------------------------------------------------------------------------


def _variance(values: Floats) -> float:
    """Of one instance; exactly 0 where all are equal, of which rounding knows nothing."""
    return 0.0 if _is_constant(values) else float(values.var(ddof=1))


def _is_constant(values: Floats) -> bool:
    return bool(values.min() == values.max())


def _kept(means: Floats) -> list[int]:
    """Places of the tasks that an interquartile mean is made of."""
    cut = len(means) // 4
    order: list[int] = np.argsort(means, kind="stable").tolist()
    return order[cut : len(means) - cut]


def _drawn_means(strata: Sequence[Floats], num_resamples: int, seed: int) -> Floats:
    """(num_resamples, K): means of the K tasks, instances resampled within each."""
    rng = np.random.default_rng(seed)
    return np.stack([resampled(values, num_resamples, rng).mean(axis=-1) for values in strata], axis=-1)


def _wilson(estimate: float, variance: float, bounds: Bounds, z: float) -> Interval:
    """Wilson's interval of a mean within bounds, whose estimate has this variance."""
    low, high = bounds
    if variance == 0:
        return Interval(estimate, estimate, estimate)
    rate, of_rate = (estimate - low) / (high - low), variance / (high - low) ** 2
    # So many that succeed or fail would vary like this. Of p (1 − p), rate (1 − rate) is short by the variance; hence
    # the 1, and n for n of them.
    num = rate * (1 - rate) / of_rate + 1
    middle = (rate + z**2 / (2 * num)) / (1 + z**2 / num)
    distance = z / (1 + z**2 / num) * float(np.sqrt(rate * (1 - rate) / num + z**2 / (4 * num**2)))
    return Interval(estimate, low + (high - low) * (middle - distance), low + (high - low) * (middle + distance))


def _with_unseen(seen: Interval, strata: Sequence[Floats], bounds: Bounds | None, confidence: float) -> Interval:
    """Wider by what may lie beside the scores of those tasks that have one score only; never outside of the bounds."""
    constant = [values for values in strata if _is_constant(values)]
    if bounds is None or not constant:
        return seen
    z = NormalDist().inv_cdf(tails(confidence)[1])
    shares = np.array([z**2 / (len(values) + z**2) for values in constant]) / len(strata)
    scores = np.array([values[0] for values in constant])
    below = float(np.sqrt(np.sum((shares * (scores - bounds[0])) ** 2)))
    above = float(np.sqrt(np.sum((shares * (bounds[1] - scores)) ** 2)))
    return Interval(
        seen.estimate,
        max(bounds[0], seen.estimate - float(np.hypot(seen.estimate - seen.low, below))),
        min(bounds[1], seen.estimate + float(np.hypot(seen.high - seen.estimate, above))),
    )
