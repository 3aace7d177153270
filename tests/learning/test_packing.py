"""Packing: the tree holds every sequence, and attention over it is attention over each of them.

1. A path spells its sequence, and what a token sees is the path to it, nothing else.
2. No token is held twice: T is the number of distinct beginnings.
3. Attention in tiles equals dense attention of each sequence on its own, with gradients.
"""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from baselines.learning.packing import common_length, pack, packs_within, tiled_attention, visible

SEQUENCES = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=12), min_size=1, max_size=12)
TILES = st.sampled_from([1, 2, 3, 7, 64])


def prefixes(sequences):
    return {tuple(sequence[:length]) for sequence in sequences for length in range(1, len(sequence) + 1)}


@given(SEQUENCES)
def test_a_path_spells_its_sequence_at_its_places(sequences):
    packed = pack(sequences)
    for sequence, path in zip(sequences, packed.paths, strict=True):
        assert packed.ids[path].tolist() == sequence
        assert packed.positions[path].tolist() == list(range(len(sequence)))


@given(SEQUENCES)
def test_every_distinct_beginning_is_held_once(sequences):
    assert pack(sequences).num_tokens == len(prefixes(sequences))


@given(SEQUENCES)
def test_a_token_sees_the_path_to_it_and_nothing_else(sequences):
    packed = pack(sequences)
    tokens = torch.arange(packed.num_tokens)
    seen = visible(tokens[:, None], tokens[None, :], packed.ends)
    for path in packed.paths:
        for place, token in enumerate(path.tolist()):
            assert torch.nonzero(seen[token]).flatten().tolist() == path[: place + 1].tolist()


@given(SEQUENCES, TILES)
def test_tiles_hold_every_query_once_with_all_that_it_sees(sequences, tile):
    packed = pack(sequences, tile)
    queries = torch.cat([bucket.queries.flatten() for bucket in packed.tiles])
    assert queries[packed.places].tolist() == list(range(packed.num_tokens))
    tokens = torch.arange(packed.num_tokens)
    seen = visible(tokens[:, None], tokens[None, :], packed.ends)
    for bucket in packed.tiles:
        for run, keys, hidden in zip(bucket.queries, bucket.keys, bucket.hidden, strict=True):
            for query, mask in zip(run.tolist(), hidden, strict=True):
                shown = keys[~mask].tolist()
                assert sorted(shown) == torch.nonzero(seen[query]).flatten().tolist()


@given(SEQUENCES, st.integers(1, 30))
def test_packs_hold_every_sequence_and_stay_within_their_bound(sequences, max_tokens):
    packs = packs_within(sequences, max_tokens)
    assert sorted(number for numbers in packs for number in numbers) == list(range(len(sequences)))
    for numbers in packs:
        chosen = [sequences[number] for number in numbers]
        assert len(numbers) == 1 or pack(chosen).num_tokens <= max_tokens


def test_packs_are_as_few_as_the_sorted_order_allows():
    # 1 2 | 1 3 | 4 5: three tokens, then two more; a bound of 3 holds the first two, of 5 all.
    sequences = [[1, 3], [4, 5], [1, 2]]
    assert packs_within(sequences, 3) == [[2, 0], [1]]
    assert packs_within(sequences, 5) == [[2, 0, 1]]


@pytest.mark.parametrize(
    ("one", "other", "length"),
    [([], [1], 0), ([1, 2], [1, 2], 2), ([1, 2], [1, 2, 3], 2), ([1, 2, 4], [1, 2, 3], 2), ([2], [1], 0)],
)
def test_the_common_length_of_two_sequences(one, other, length):
    assert common_length(one, other) == common_length(other, one) == length


def test_an_empty_sequence_is_refused():
    with pytest.raises(AssertionError, match="no place in a tree"):
        pack([[1], []])


def dense(query, key, value, path, scaling):
    """Attention of one sequence on its own: (1, H, L, D) -> (L, H, D)."""
    q, k, v = query[:, :, path], key[:, :, path], value[:, :, path]
    repeats = q.shape[1] // k.shape[1]
    out = functional.scaled_dot_product_attention(
        q, k.repeat_interleave(repeats, 1), v.repeat_interleave(repeats, 1), is_causal=True, scale=scaling
    )
    return out[0].transpose(0, 1)


@given(SEQUENCES, TILES, st.sampled_from([(4, 4), (4, 2), (6, 1)]))
def test_attention_in_tiles_is_that_of_each_sequence_on_its_own(sequences, tile, heads):
    packed = pack(sequences, tile)
    num_heads, num_groups = heads
    generator = torch.Generator().manual_seed(0)

    def drawn(count):
        shape = (1, count, packed.num_tokens, 8)
        return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()

    query, key, value = drawn(num_heads), drawn(num_groups), drawn(num_groups)
    out = tiled_attention(query, key, value, packed, 0.3)
    assert out.shape == (1, packed.num_tokens, num_heads, 8)
    expected = torch.empty_like(out)
    for path in packed.paths:
        expected[0, path] = dense(query, key, value, path, 0.3)
    torch.testing.assert_close(out, expected)
    weights = torch.randn(out.shape, generator=generator, dtype=torch.float64)
    wanted = torch.autograd.grad((expected * weights).sum(), (query, key, value))
    found = torch.autograd.grad((out * weights).sum(), (query, key, value))
    torch.testing.assert_close(found, wanted)
