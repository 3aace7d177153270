"""Returns beside those of their group, by hand."""

import pytest
import torch

from baselines.learning.groups import group_advantages


def test_returns_are_shifted_by_their_groups_mean_and_perhaps_divided_by_its_deviation() -> None:
    returns = torch.tensor([1.0, 5.0, 3.0, 7.0, 5.0])
    groups = torch.tensor([4, 9, 4, 9, 4])
    # Group 4: 1, 3, 5, mean 3, deviation √(8/3) = 1.6330. Group 9: 5, 7, mean 6, deviation 1.
    found = group_advantages(returns, groups, divides=False)
    assert found.advantages.tolist() == [-2.0, -1.0, 0.0, 1.0, 2.0]
    assert (found.num_groups, found.num_flat) == (2, 0)
    divided = group_advantages(returns, groups, divides=True).advantages
    assert divided.tolist() == pytest.approx([-1.2247, -1.0, 0.0, 1.0, 1.2247], abs=1e-4)


@pytest.mark.parametrize("size", [1, 3, 6, 7, 24])
@pytest.mark.parametrize("amount", [0.0, 0.1, 0.3, 1000.1, -1000.3])
def test_equal_returns_teach_nothing_however_many_and_large(size: int, amount: float) -> None:
    for divides in (True, False):
        found = group_advantages(torch.full((size,), amount), torch.zeros(size, dtype=torch.long), divides=divides)
        assert found.advantages.tolist() == [0.0] * size
        assert found.num_flat == 1


def test_sums_in_another_order_are_equal_and_small_differences_are_not() -> None:
    sums = torch.tensor([0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1])
    assert group_advantages(sums, torch.zeros(2, dtype=torch.long), divides=True).num_flat == 1
    small = torch.tensor([0.0, 2e-5, 0.0, 2e-5])
    found = group_advantages(small, torch.zeros(4, dtype=torch.long), divides=False)
    assert found.num_flat == 0
    assert found.advantages.tolist() == pytest.approx([-1e-5, 1e-5, -1e-5, 1e-5])
