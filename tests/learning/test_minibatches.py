"""Minibatches: every entry once, groups whole, an honest shuffle."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from baselines.learning.minibatches import minibatches

GROUPS = st.lists(st.integers(0, 6), min_size=1, max_size=30)


@given(GROUPS, st.integers(1, 5), st.integers(0, 3))
def test_every_entry_is_in_one_minibatch_and_groups_stay_whole(groups, num, seed):
    parts = minibatches(groups, num, np.random.default_rng(seed))
    assert sorted(position for part in parts for position in part) == list(range(len(groups)))
    assert all(parts)
    assert len(parts) == min(num, len(groups))
    if len(set(groups)) >= num:
        homes = [{number for number, part in enumerate(parts) for place in part if groups[place] == g} for g in groups]
        assert all(len(home) == 1 for home in homes)


def test_one_group_is_dealt_out_over_all_minibatches():
    parts = minibatches([7] * 6, 3, np.random.default_rng(0))
    assert [len(part) for part in parts] == [2, 2, 2]


def test_another_generator_deals_otherwise():
    one, other = (minibatches(range(20), 2, np.random.default_rng(seed)) for seed in (0, 1))
    assert one != other
