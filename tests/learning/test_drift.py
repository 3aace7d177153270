"""How far sampler and trainer disagree, by numbers worked out by hand."""

import math

import pytest
import torch

from baselines.learning.drift import drift_of


def test_drift_is_the_largest_and_the_mean_difference_and_the_share_of_ratios_that_are_off() -> None:
    # Ratios e^0.04 = 1.041, e^-0.05 = 0.951, e^0.05 = 1.051, e^-0.2 = 0.819: the last two are off by more than 0.05.
    drift = drift_of(torch.tensor([0.04, -0.05, 0.05, -0.2], dtype=torch.float64))
    assert drift.maximum == pytest.approx(0.2)
    assert drift.mean == pytest.approx(0.34 / 4)
    assert drift.share == 0.5


def test_a_token_that_one_of_them_calls_impossible_is_off() -> None:
    assert drift_of(torch.tensor([-math.inf, 0.0])).share == 0.5
