"""What a critic reads: each text once, and nothing at all for a text that begins another one."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from baselines.policies.features import growing_texts, text_features


def bytes_of(text: str) -> list[int]:
    return list(text.encode())


class Trunk:
    """Stands for a causal model: the state at a position is the sum of all that was read, and how much that was."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def __call__(self, sequences: Sequence[list[int]], kept: Sequence[Sequence[int]]) -> list[Tensor]:
        self.lengths += map(len, sequences)
        rows = [torch.tensor(ids) for ids in sequences]
        states = [torch.stack([ids.cumsum(-1), torch.ones_like(ids).cumsum(-1)], dim=-1).double() for ids in rows]
        return [state[list(places)] for state, places in zip(states, kept, strict=True)]


def read(trunk: Trunk, *texts: str, max_tokens: int = 100) -> list[tuple[float, float]]:
    features = text_features(texts, bytes_of, trunk, max_tokens=max_tokens)
    return [(float(total), float(length)) for total, length in features]


def expected(text: str, max_tokens: int = 100) -> tuple[float, float]:
    ids = bytes_of(text)[-max_tokens:] or [0]
    return float(sum(ids)), float(len(ids))


def test_texts_that_begin_each_other_form_one_chain() -> None:
    assert list(growing_texts(["abc", "a", "ab", "a"])) == [["a", "ab", "abc"]]


def test_where_texts_part_the_common_beginning_stands_in_both_chains() -> None:
    assert list(growing_texts(["ab", "ac", "a", "acd"])) == [["a", "ab"], ["a", "ac", "acd"]]


def test_a_text_that_begins_another_one_needs_no_row_of_its_own() -> None:
    trunk = Trunk()
    # "ab" = 97 + 98, "abc" = 195 + 99, "x" = 120
    assert read(trunk, "abc", "ab", "x", "abc") == [(294, 3), (195, 2), (120, 1), (294, 3)]
    assert trunk.lengths == [3, 1]


def test_of_a_long_text_the_end_is_read_and_its_beginning_is_read_alone() -> None:
    trunk = Trunk()
    # At most two tokens: of "abcd" c and d remain, 99 + 100; "ab" is read on its own.
    assert read(trunk, "abcd", "ab", max_tokens=2) == [(199, 2), (195, 2)]
    assert sorted(trunk.lengths) == [2, 2]


def test_no_text_is_too_short_to_be_read() -> None:
    assert read(Trunk(), "", "a") == [(0, 1), (97, 1)]


@given(st.lists(st.text("ab", max_size=6), min_size=1, max_size=12), st.integers(1, 7))
def test_sharing_changes_nothing(texts: list[str], max_tokens: int) -> None:
    found = read(Trunk(), *texts, max_tokens=max_tokens)
    assert found == [expected(text, max_tokens) for text in texts]


@given(st.lists(st.text("ab", max_size=6), max_size=12))
def test_every_text_is_in_a_chain_and_each_begins_with_the_one_before(texts: list[str]) -> None:
    chains = list(growing_texts(texts))
    assert {text for chain in chains for text in chain} == set(texts)
    assert all(later.startswith(earlier) for chain in chains for earlier, later in pairwise(chain))
