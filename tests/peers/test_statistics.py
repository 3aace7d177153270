"""Beside SciPy and statsmodels.

1. Where scores succeed or fail, a team's interval is Wilson's.
2. Without bounds it is Student's, but for less than 1 %.
3. The test of two teams is McNemar's without a correction, but for what n − 1 makes of it, and a paired t-test's.
4. Flipping the signs of differences at random comes to the same.
5. Holm's adjustment; the interquartile mean.
"""

import numpy as np
import pytest

from leaderboard.ranking import holm, rank
from leaderboard.statistics import Floats, iqm
from leaderboard.team_scores import iqm_interval, mean_interval

stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed; `make peers` installs it")


def p_value(one: Floats, other: Floats) -> float:
    teams = {name: {"a": dict(enumerate(scores.tolist()))} for name, scores in (("one", one), ("other", other))}
    return float(rank(teams).p_values[0, 1])


@pytest.mark.parametrize("num", [0, 1, 4, 37, 100, 199, 200])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_an_interval_of_successes_is_wilsons(num: int, confidence: float) -> None:
    theirs = stats.binomtest(num, 200).proportion_ci(confidence, method="wilson")
    scores = dict(enumerate([1.0] * num + [0.0] * (200 - num)))
    ours = mean_interval({"a": scores}, bounds=(0.0, 1.0), confidence=confidence)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize("num", [80, 200, 1000])
def test_an_interval_without_bounds_is_students_but_for_one_per_cent(num: int) -> None:
    scores = np.random.default_rng(num).exponential(size=num)
    theirs = stats.ttest_1samp(scores, 0.0).confidence_interval(0.95)
    ours = mean_interval({"a": dict(enumerate(scores.tolist()))})
    assert 1.0 < (ours.high - ours.low) / (theirs.high - theirs.low) < 1.01
    assert ours.high + ours.low == pytest.approx(theirs.high + theirs.low)


@pytest.mark.parametrize(("alone", "other_alone"), [(10, 2), (30, 20), (12, 11), (40, 10)])
def test_the_test_of_successes_is_mcnemars(alone: int, other_alone: int) -> None:
    mcnemar = pytest.importorskip("statsmodels.stats.contingency_tables").mcnemar
    both, neither = 70, 200 - 70 - alone - other_alone
    theirs = mcnemar([[both, alone], [other_alone, neither]], exact=False, correction=False).pvalue
    one = np.repeat([1.0, 1.0, 0.0, 0.0], [both, alone, other_alone, neither])
    other = np.repeat([1.0, 0.0, 1.0, 0.0], [both, alone, other_alone, neither])
    ours = p_value(one, other)
    assert theirs <= ours <= 1.05 * theirs


@pytest.mark.parametrize("lead", [0.02, 0.1])
def test_the_test_is_a_paired_t_test_where_that_holds(lead: float) -> None:
    rng = np.random.default_rng(1)
    hard = rng.normal(size=300)
    one, other = hard + rng.normal(size=300) + lead, hard + rng.normal(size=300)
    assert p_value(one, other) == pytest.approx(stats.ttest_rel(one, other).pvalue, rel=0.03)


def test_the_test_is_the_permutation_test_that_flips_signs() -> None:
    rng = np.random.default_rng(2)
    one, other = 0.15 + rng.exponential(size=200), rng.exponential(size=200)
    theirs = stats.permutation_test(
        (one - other,),
        lambda values, axis: values.mean(axis=axis),
        permutation_type="samples",
        n_resamples=20_000,
        rng=rng,
    ).pvalue
    assert p_value(one, other) == pytest.approx(theirs, abs=0.01)


def test_p_values_are_adjusted_as_statsmodels_adjusts_them() -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p_values = np.random.default_rng(0).uniform(size=40) ** 4
    assert holm(p_values) == pytest.approx(multitest.multipletests(p_values, method="holm")[1])


def test_an_interquartile_mean_is_a_trimmed_mean_also_over_tasks() -> None:
    scores = np.random.default_rng(0).uniform(size=(9, 30))
    assert iqm(scores) == pytest.approx(stats.trim_mean(scores, 0.25, axis=1))
    tasks = {str(task): dict(enumerate(row.tolist())) for task, row in enumerate(scores)}
    assert iqm_interval(tasks).estimate == pytest.approx(stats.trim_mean(scores.mean(axis=1), 0.25))
