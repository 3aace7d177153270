"""What one team's scores say.

1. The mean within bounds is Wilson's interval where scores succeed or fail, also of several tasks; without bounds it is
   the test turned round.
2. Scores that are all equal say what was not seen, and no more.
3. The interquartile mean is one over tasks.
4. No order matters, no unit, and no interval leaves its estimate or its bounds.
5. Profiles count tasks.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.statistics import Interval
from leaderboard.team_scores import iqm_interval, mean_interval, task_profile

Z = 1.959963984540054
UNIT = (0.0, 1.0)

TASKS = st.dictionaries(
    st.sampled_from("abcdef"),
    st.lists(
        st.one_of(st.sampled_from([0, 1]), st.integers(0, 64).map(lambda part: part / 64)), min_size=2, max_size=12
    ),
    min_size=1,
)
"""Scores in parts that floats have exactly: whether all of a task are equal must not be a matter of rounding."""


def played(**scores: list[float]) -> dict[str, dict[int, float]]:
    return {task: dict(enumerate(values)) for task, values in scores.items()}


def successes(num: int, of: int) -> list[float]:
    return [1.0] * num + [0.0] * (of - num)


def test_successes_of_one_task_have_wilsons_interval() -> None:
    # 30 of 200: middle (30 + z²/2) / (200 + z²) = 31.9207 / 203.8415 = 0.156596, distance
    # z √(200 · 0.15 · 0.85 + z²/4) / (200 + z²) = 1.959964 · √(25.5 + 0.960365) / 203.8415 = 0.049460.
    interval = mean_interval(played(a=successes(30, 200)), bounds=UNIT)
    assert interval.estimate == pytest.approx(0.15)
    assert (interval.low, interval.high) == pytest.approx((0.156596 - 0.049460, 0.156596 + 0.049460), abs=2e-6)


def test_tasks_are_counted_as_the_successes_that_would_vary_as_much() -> None:
    # a: 2 of 4, s² = 1/3; b: 1 of 2, s² = 1/2. Variance of the mean over both: (1/3/4 + 1/2/2) / 4 = 1/12.
    # (1/4) / (1/12) + 1 = 4 that succeed or fail: 2 of 4 have 1/2 ± z √(1/16 + z²/64) / (1 + z²/4) = 1/2 ± 0.349961.
    interval = mean_interval(played(a=[1, 1, 0, 0], b=[1, 0]), bounds=UNIT)
    assert (interval.low, interval.high) == pytest.approx((0.5 - 0.349961, 0.5 + 0.349961), abs=2e-6)


def test_scores_that_vary_less_than_successes_have_a_narrower_interval() -> None:
    halves, whole = mean_interval(played(a=[0.25, 0.75] * 50), bounds=UNIT), mean_interval(played(a=[0, 1] * 50))
    # A quarter of the variance counts for four times as many, 4 · 99 + 1 = 397 for 100.
    assert halves.high - halves.low == pytest.approx((whole.high - whole.low) / 2, rel=0.03)


def test_without_bounds_the_interval_is_what_the_test_does_not_reject() -> None:
    # Of 1 to 5, s² = 2.5: 3 ± z √(2.5 / (5 − z²)) = 3 ± 1.959964 · √(2.5 / 1.158541) = 3 ± 2.879137.
    interval = mean_interval(played(a=[1, 2, 3, 4, 5]))
    assert (interval.low, interval.estimate, interval.high) == pytest.approx((0.120863, 3.0, 5.879137), abs=2e-6)
    # There the statistic is z: with the distance d, (d² + s²) / 5 is the variance, and d over its root is z.
    distance = 3 - interval.low
    assert distance / math.sqrt((distance**2 + 2.5) / 5) == pytest.approx(Z)


def test_too_few_instances_without_bounds_say_nothing() -> None:
    assert mean_interval(played(a=[1, 2, 3])) == Interval(2.0, -math.inf, math.inf)


@pytest.mark.parametrize(
    ("score", "low", "high"), [(0.0, 0.0, 0.018845), (1.0, 0.981155, 1.0), (0.3, 0.294346, 0.313192)]
)
def test_two_hundred_equal_scores_leave_room_for_what_was_not_seen(score: float, low: float, high: float) -> None:
    # Something else has a probability of at most z² / (200 + z²) = 3.841459 / 203.841459 = 0.018845, and may be 0 or 1:
    # below 0.3 there is 0.3 · 0.018845 = 0.005654, above it 0.7 · 0.018845 = 0.013192.
    interval = mean_interval(played(a=[score] * 200), bounds=UNIT)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-6)


def test_what_was_not_seen_of_several_tasks_adds_in_quadrature() -> None:
    # Three tasks may be above 0 by 0.018845 each, the mean over six by √3 · 0.018845 / 6 = 0.005440; so below 1.
    names = dict.fromkeys("abc", [0.0] * 200) | dict.fromkeys("def", [1.0] * 200)
    interval = mean_interval(played(**names), bounds=UNIT)
    assert (interval.low, interval.high) == pytest.approx((0.5 - 0.005440, 0.5 + 0.005440), abs=1e-6)


def test_one_solved_task_does_not_make_a_team_certain() -> None:
    varied, solved = successes(100, 200), [1.0] * 200
    alone, both = mean_interval(played(a=varied), bounds=UNIT), mean_interval(played(a=varied, b=solved), bounds=UNIT)
    assert both.estimate - both.low > (alone.estimate - alone.low) / 2


def test_an_interquartile_mean_is_one_over_the_means_of_tasks() -> None:
    # Means 0.1, 0.2, 0.4, 0.6, 0.8, 0.9 without the best and the worst of six: (0.2 + 0.4 + 0.6 + 0.8) / 4 = 0.5.
    shares = {name: successes(num, 10) for name, num in zip("abcdef", (1, 2, 4, 6, 8, 9), strict=True)}
    interval = iqm_interval(played(**shares), bounds=UNIT)
    assert interval.estimate == pytest.approx(0.5)
    assert interval.low < 0.45 and interval.high > 0.55


def test_a_task_that_is_always_cut_adds_no_width() -> None:
    middle = {name: successes(50, 100) for name in "bcd"}
    one = iqm_interval(played(a=successes(1, 100), e=successes(99, 100), **middle), bounds=UNIT)
    other = iqm_interval(played(a=[0.0] * 100, e=[1.0] * 100, **middle), bounds=UNIT)
    assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=0.01)


def test_the_interquartile_mean_of_up_to_three_tasks_is_their_mean() -> None:
    scores = played(a=successes(3, 9), b=successes(1, 9), c=successes(9, 9))
    assert iqm_interval(scores, bounds=UNIT) == mean_interval(scores, bounds=UNIT)


def test_an_interquartile_mean_of_hopeless_tasks_is_not_certain() -> None:
    # Four of six are kept, and may be above 0 by z² / (200 + z²) = 0.018845 each: √4 · 0.018845 / 4 = 0.009423.
    interval = iqm_interval(played(**dict.fromkeys("abcdef", [0.0] * 200)), bounds=UNIT)
    assert (interval.low, interval.high) == pytest.approx((0.0, 0.009423), abs=1e-6)


@given(scores=TASKS)
def test_an_interval_holds_its_estimate_and_stays_within_the_bounds(scores: dict[str, list[float]]) -> None:
    for interval in (
        mean_interval(played(**scores), bounds=UNIT),
        iqm_interval(played(**scores), bounds=UNIT, num_resamples=20),
    ):
        slack = 1e-12
        assert -slack <= interval.low <= interval.estimate + slack
        assert interval.estimate - slack <= interval.high <= 1 + slack


@given(scores=TASKS)
def test_the_order_of_tasks_and_instances_does_not_matter(scores: dict[str, list[float]]) -> None:
    forth = played(**scores)
    back = {task: dict(reversed(values.items())) for task, values in reversed(forth.items())}
    assert mean_interval(forth, bounds=UNIT) == mean_interval(back, bounds=UNIT)
    assert mean_interval(forth) == mean_interval(back)
    assert iqm_interval(forth, num_resamples=20) == iqm_interval(back, num_resamples=20)


@given(scores=TASKS)
def test_failures_counted_as_successes_turn_the_interval_round(scores: dict[str, list[float]]) -> None:
    interval = mean_interval(played(**scores), bounds=UNIT)
    turned = mean_interval(
        played(**{task: [1 - score for score in values] for task, values in scores.items()}), bounds=UNIT
    )
    assert (1 - turned.high, 1 - turned.low) == pytest.approx((interval.low, interval.high), abs=1e-6)


@given(scores=TASKS)
def test_another_unit_changes_nothing_but_the_unit(scores: dict[str, list[float]]) -> None:
    interval = mean_interval(played(**scores), bounds=UNIT)
    points = mean_interval(
        played(**{task: [100 * score - 20 for score in values] for task, values in scores.items()}),
        bounds=(-20.0, 80.0),
    )
    assert (points.low, points.high) == pytest.approx((100 * interval.low - 20, 100 * interval.high - 20), abs=1e-4)


@given(scores=st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=60), at=st.integers(0, 59))
def test_one_more_success_lowers_no_bound(scores: list[float], at: int) -> None:
    better = [1.0 if place == at % len(scores) else score for place, score in enumerate(scores)]
    before, after = mean_interval(played(a=scores), bounds=UNIT), mean_interval(played(a=better), bounds=UNIT)
    assert after.low >= before.low - 1e-12 and after.high >= before.high - 1e-12


def test_more_confidence_is_wider() -> None:
    scores = played(a=successes(60, 200), b=successes(0, 200))
    half, most = (mean_interval(scores, bounds=UNIT, confidence=confidence) for confidence in (0.5, 0.99))
    assert most.low < half.low < half.high < most.high


def test_a_profile_counts_tasks_whose_mean_is_above_each_threshold() -> None:
    # Means 0, 0.5, 1: above −0.1 all three, above 0 two, above 0.5 (which is not above itself) one, above 1 none.
    profile = task_profile(played(a=[0.0] * 8, b=successes(4, 8), c=[1.0] * 8), [-0.1, 0.0, 0.5, 1.0])
    assert profile.shares == pytest.approx([1.0, 2 / 3, 1 / 3, 0.0])
    # Half of all resamples of b are above 0.5; the others do not change.
    assert profile.low == pytest.approx([1.0, 2 / 3, 1 / 3, 0.0])
    assert profile.high == pytest.approx([1.0, 2 / 3, 2 / 3, 0.0])


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: mean_interval({}), "nothing to summarise"),
        (lambda: mean_interval({"a": {}}), "number of instances of 'a' is 0"),
        (lambda: mean_interval(played(a=[1.0])), "number of instances of 'a' is 1"),
        (lambda: mean_interval(played(a=[0.0, math.nan])), "instance 1 of 'a' is nan; it must be finite"),
        (lambda: mean_interval(played(a=[0.0, math.inf])), "instance 1 of 'a' is inf"),
        (lambda: mean_interval(played(a=[0.0, 1.5]), bounds=UNIT), "is 1.5; it must be between 0.0 and 1.0"),
        (lambda: mean_interval(played(a=[0.0, 1.0]), bounds=(1.0, 0.0)), "bounds are"),
        (lambda: mean_interval(played(a=[0.0, 1.0]), confidence=0.0), "confidence is 0.0"),
        (lambda: task_profile(played(a=[0.0, 1.0]), [0.5], num_resamples=0), "num_resamples is 0"),
    ],
)
def test_what_cannot_be_summarised_is_told(call: Callable[[], Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        call()


def test_a_seed_is_a_seed() -> None:
    rng = np.random.default_rng(0)
    scores = played(**{name: rng.random(30).tolist() for name in "abcde"})
    assert iqm_interval(scores, seed=1) == iqm_interval(scores, seed=1) != iqm_interval(scores, seed=2)
