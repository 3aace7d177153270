"""What leaderboard/statistics.py computes.

1. The interquartile mean is the mean of what stands between the quarters, as scipy's trim_mean has it.
2. Runs are resampled within their task; instances as wholes.
3. Profiles and the probability of improvement weigh every task the same.
4. Intervals cover what they should, as far as so few runs allow.
5. What cannot be summarised is an error, never a number.
"""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.statistics import (
    cluster_interval,
    iqm,
    mean,
    paired_comparison,
    performance_profile,
    probability_of_improvement,
    stratified_interval,
)

SCORES = st.lists(st.integers(0, 8).map(lambda eighths: eighths / 8), min_size=1, max_size=7)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([3.0], 3.0),
        ([0.0, 9.0, 3.0], 4.0),  # int(0.75) = 0 are cut: (0 + 3 + 9) / 3
        ([0.0, 1.0, 2.0, 9.0], 1.5),  # one at each end: (1 + 2) / 2
        ([100.0, 4.0, 3.0, 1.0, -50.0], 8 / 3),  # (1 + 3 + 4) / 3
        (list(range(10)), 4.5),  # two at each end: (2 + … + 7) / 6
    ],
)
def test_the_interquartile_mean_leaves_out_a_quarter_at_each_end_rounded_down(
    scores: list[float], expected: float
) -> None:
    assert iqm(scores) == pytest.approx(expected)


# Of numpy.random.default_rng(20504).normal(size=n), by scipy 1.17.1: scipy.stats.trim_mean(x, 0.25).
TRIM_MEANS = {5: -1.4016124507398988, 15: -0.03840334849671372, 37: -0.06475814300164602}


@pytest.mark.parametrize(("size", "expected"), TRIM_MEANS.items())
def test_the_interquartile_mean_is_scipys_trimmed_mean(size: int, expected: float) -> None:
    assert iqm(np.random.default_rng(20504).normal(size=size)) == pytest.approx(expected, abs=1e-12)


def test_statistics_go_along_the_last_axis() -> None:
    scores = np.arange(24.0).reshape(2, 3, 4)
    for statistic in (mean, iqm):
        assert statistic(scores).shape == (2, 3)
        assert statistic(scores)[1, 2] == statistic(scores[1, 2])


def test_two_runs_of_a_task_have_four_resamples() -> None:
    # (0, 0), (0, 1), (1, 0) and (1, 1), equally likely: means 0, 1/2, 1/2, 1.
    inner = stratified_interval({"a": [0.0, 1.0]}, mean, confidence=0.4)  # quantiles 0.3 and 0.7
    outer = stratified_interval({"a": [0.0, 1.0]}, mean, confidence=0.6)  # quantiles 0.2 and 0.8
    assert (inner.estimate, inner.low, inner.high) == (0.5, 0.5, 0.5)
    assert (outer.estimate, outer.low, outer.high) == (0.5, 0.0, 1.0)


def test_tasks_are_not_resampled() -> None:
    # Were runs drawn from both tasks together, the mean would vary; within each, nothing does.
    interval = stratified_interval({"easy": [1.0] * 5, "hard": [0.0] * 5}, mean)
    assert (interval.estimate, interval.low, interval.high) == (0.5, 0.5, 0.5)


def test_runs_of_all_tasks_are_pooled_by_the_statistic() -> None:
    # Of 0, 0, 1, 1, 1, 1, 1, 9 two are cut at each end: (1 + 1 + 1 + 1) / 4.
    assert stratified_interval({"a": [0.0, 1.0, 9.0], "b": [1.0, 1.0, 1.0, 1.0, 0.0]}).estimate == 1.0


def test_every_instance_weighs_the_same_however_often_it_was_played() -> None:
    interval = cluster_interval({"one": [1.0] * 99, "other": [0.0]}, confidence=0.6)
    assert (interval.estimate, interval.low, interval.high) == (0.5, 0.0, 1.0)  # as of two runs


def test_a_mean_over_clusters_does_not_depend_on_their_order() -> None:
    values = {number: [float(value)] for number, value in enumerate([3, 1, 4, 1, 5, 9, 2, 6])}
    assert cluster_interval(values) == cluster_interval(dict(reversed(values.items())))


def test_a_profile_is_the_share_of_runs_above_each_threshold_as_a_mean_over_tasks() -> None:
    profile = performance_profile({"a": [0.0, 0.5, 1.0, 1.0], "b": [0.0]}, [-0.1, 0.0, 0.5, 1.0])
    # a: 4/4, 3/4, 2/4 (0.5 is not above 0.5), 0; b: 1, 0, 0, 0.
    assert profile.shares == pytest.approx([1.0, 0.375, 0.25, 0.0])
    assert profile.low[0] == profile.high[0] == 1.0
    assert (profile.low <= profile.shares).all() and (profile.shares <= profile.high).all()


def test_an_improvement_counts_pairs_and_ties_by_half() -> None:
    # Pairs of a: 1 > 0, 1 > 0.5, 1 = 1, 0 = 0, 0 < 0.5, 0 < 1: (2 + 2 / 2) / 6 = 1/2; of b: 1. Their mean is 3/4.
    one, other = {"a": [1.0, 0.0], "b": [2.0]}, {"b": [1.0], "a": [0.0, 0.5, 1.0]}
    assert probability_of_improvement(one, other).estimate == pytest.approx(0.75)


@given(one=SCORES, other=SCORES)
def test_who_improves_on_whom_sums_to_one(one: list[float], other: list[float]) -> None:
    forth = probability_of_improvement({"a": one}, {"a": other}, num_resamples=10)
    back = probability_of_improvement({"a": other}, {"a": one}, num_resamples=10)
    assert forth.estimate + back.estimate == pytest.approx(1.0)
    wins = sum((x > y) + 0.5 * (x == y) for x, y in itertools.product(one, other))
    assert forth.estimate == pytest.approx(wins / (len(one) * len(other)))


def test_an_algorithm_that_wins_every_pair_does_so_in_every_resample() -> None:
    interval = probability_of_improvement({"a": [0.9, 0.8]}, {"a": [0.1, 0.7]})
    assert (interval.estimate, interval.low, interval.high) == (1.0, 1.0, 1.0)


def test_a_small_lead_on_every_instance_is_seen_when_instances_are_paired() -> None:
    noise = np.random.default_rng(0).normal(size=40)
    ahead = paired_comparison(dict(enumerate(noise + 0.01)), dict(enumerate(noise)))
    assert ahead.can_be_told_apart
    assert ahead.improvement == 1.0
    assert ahead.difference.estimate == pytest.approx(0.01)
    # The same scores with nothing paired differ by far less than they vary.
    unpaired = stratified_interval({"a": list(noise + 0.01)}, mean)
    assert unpaired.low < mean(noise) < unpaired.high


def test_teams_that_win_in_turns_cannot_be_told_apart() -> None:
    scores = {number: float(number % 2) for number in range(20)}
    comparison = paired_comparison(scores, {number: 1.0 - score for number, score in scores.items()})
    assert not comparison.can_be_told_apart
    assert (comparison.difference.estimate, comparison.improvement, comparison.num_pairs) == (0.0, 0.5, 20)


def covered(num_runs: int, num_tasks: int, simulations: int) -> float:
    """How often the interval of the mean of normal scores covers their true mean, 0."""
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(simulations):
        scores = {str(task): rng.normal(size=num_runs).tolist() for task in range(num_tasks)}
        interval = stratified_interval(scores, mean, num_resamples=500, seed=seed)
        hits += interval.low <= 0.0 <= interval.high
    return hits / simulations


@pytest.mark.parametrize(("num_runs", "num_tasks", "expected"), [(5, 1, 0.84), (20, 3, 0.945)])
def test_intervals_cover_what_the_module_says(num_runs: int, num_tasks: int, expected: float) -> None:
    # Of 500 simulations, two standard errors of a share of 0.84 are 0.033.
    assert covered(num_runs, num_tasks, 500) == pytest.approx(expected, abs=0.035)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: stratified_interval({}), "nothing to summarise"),
        (lambda: stratified_interval({"a": []}), "'a' has no scores"),
        (lambda: stratified_interval({"a": [1.0, float("nan")]}), "'a' has a score that is not finite"),
        (lambda: cluster_interval({"a": [1.0]}, num_resamples=0), "num_resamples is 0"),
        (lambda: stratified_interval({"a": [1.0]}, confidence=1.0), "confidence is 1.0"),
        (lambda: probability_of_improvement({"a": [1.0]}, {"b": [1.0]}), "only one of the two was run on a, b"),
        (lambda: paired_comparison({1: 1.0, 2: 0.0}, {1: 1.0}), "1 of 2 instances have a score of one alone"),
    ],
)
def test_what_cannot_be_summarised_is_told(call: Callable[[], Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        call()
