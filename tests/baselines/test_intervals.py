"""Bootstrap intervals over instances.

1. Small cases by hand. 2. What the result may and may not depend on. 3. Coverage in simulation: resampling
instances holds what it promises, resampling replies does not.
"""

import numpy as np
import pytest

from baselines.runs.intervals import Interval, bootstrap_interval


def test_two_instances_that_disagree_leave_the_whole_range_open() -> None:
    # Two draws from {0, 1}: mean 0 with probability 1/4, 1/2 with 1/2, 1 with 1/4. Both 2.5 % tails lie
    # in the outer quarters.
    assert bootstrap_interval({"a": [0.0], "b": [1.0]}) == Interval(mean=0.5, low=0.0, high=1.0, num_instances=2)


def test_four_instances_by_hand() -> None:
    # One of four is right. The number of ones among four draws is binomial(4, 1/4): P(0) = 0.316,
    # P(<= 2) = 0.949, P(<= 3) = 0.996. So the 2.5 % quantile is 0/4 and the 97.5 % quantile is 3/4.
    interval = bootstrap_interval({"a": [1], "b": [0], "c": [0], "d": [0]})
    assert (interval.mean, interval.low, interval.high) == (0.25, 0.0, 0.75)


def test_every_instance_weighs_the_same_however_many_replies_it_has() -> None:
    # Half of (1 + 0), and not 9 of 10.
    assert bootstrap_interval({"often": [1.0] * 9, "once": [0.0]}).mean == 0.5


def test_replies_of_one_instance_are_averaged_before_anything_else() -> None:
    replies = {number: [1.0, 0.0, 0.0, 1.0] for number in range(30)}  # all the uncertainty is inside the instances
    assert bootstrap_interval(replies) == Interval(mean=0.5, low=0.5, high=0.5, num_instances=30)


def test_a_large_sample_gives_the_textbook_interval() -> None:
    scores = np.random.default_rng(0).normal(2.0, 3.0, size=900)
    interval = bootstrap_interval({number: [score] for number, score in enumerate(scores)})
    half_width = 1.96 * scores.std() / np.sqrt(900)
    assert interval.mean == pytest.approx(scores.mean())
    assert interval.low == pytest.approx(scores.mean() - half_width, abs=0.04 * half_width)
    assert interval.high == pytest.approx(scores.mean() + half_width, abs=0.04 * half_width)


def test_more_confidence_is_a_wider_interval() -> None:
    scores = {number: [number % 3 == 0] for number in range(60)}
    narrow, wide = bootstrap_interval(scores, confidence=0.8), bootstrap_interval(scores, confidence=0.99)
    assert wide.low < narrow.low < narrow.mean < narrow.high < wide.high


def test_the_same_seed_gives_the_same_bounds_in_any_order() -> None:
    scores = {f"instance {number}": [number / 7, 1.0] for number in range(50)}
    backwards = dict(reversed(scores.items()))
    assert bootstrap_interval(scores, seed=3) == bootstrap_interval(backwards, seed=3)
    assert bootstrap_interval(scores, seed=3) != bootstrap_interval(scores, seed=4)


def test_the_global_generator_is_left_alone() -> None:
    before = np.random.get_state()[1].tolist()  # noqa: NPY002 - the one that must not be used
    bootstrap_interval({"a": [0.0], "b": [1.0]})
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_many_instances_fit_into_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = {number: [float(number % 2)] for number in range(101)}
    whole = bootstrap_interval(scores, num_resamples=500)
    monkeypatch.setattr("baselines.runs.intervals._MAX_DRAWS", 1000)  # nine resamples at once, the last time five
    assert bootstrap_interval(scores, num_resamples=500).low == pytest.approx(whole.low, abs=0.02)


@pytest.mark.parametrize(
    ("values", "settings", "message"),
    [
        ({}, {}, "no instance"),
        ({"a": []}, {}, "'a' has no values"),
        ({"a": [1.0], "b": [float("nan")]}, {}, "'b' has a value that is not finite"),
        ({"a": [1.0]}, {"confidence": 95.0}, "between 0 and 1"),
        ({"a": [1.0]}, {"num_resamples": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_averaged_is_named(values: dict, settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(values, **settings)


def test_resampling_instances_covers_the_truth_where_resampling_replies_does_not() -> None:
    # 40 instances of very different difficulty p ~ Beta(1/2, 1/2), eight replies each; the true mean is 1/2.
    # Var(p) = 1/8 and E[p (1 - p)] = 1/8, so the mean's variance is (1/8) / 40 + (1/8) / 320 = 0.0035.
    # Replies taken as independent claim (1/4) / 320 = 0.00078, 0.47 of the width that is needed:
    # P(|Z| < 0.47 * 1.96) = 0.64.
    rng = np.random.default_rng(7)
    num_trials, covered = 300, {"instances": 0, "replies": 0}
    for trial in range(num_trials):
        difficulty = rng.beta(0.5, 0.5, size=40)
        replies = (rng.random((40, 8)) < difficulty[:, None]).astype(float)
        by_instance = {number: list(row) for number, row in enumerate(replies)}
        by_reply = {number: [reply] for number, reply in enumerate(replies.ravel())}
        for name, values in (("instances", by_instance), ("replies", by_reply)):
            interval = bootstrap_interval(values, num_resamples=400, seed=trial)
            covered[name] += interval.low <= 0.5 <= interval.high
    assert covered["instances"] / num_trials >= 0.90
    assert covered["replies"] / num_trials <= 0.75
