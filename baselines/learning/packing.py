"""Every distinct token once: sequences that share beginnings, laid out as one tree.

The samples of a group share their prompt, an agent's turns share their history, and all groups share a system text.
`pack` puts sequences into a *trie* and writes its nodes down in depth-first order: one row of T tokens, in which each
token's `position` is its depth and its context is the path from the root to it. Then what a causal model computes at a
node is what it would compute at that place of every sequence through the node.

Two facts about depth-first order carry everything here:

- Token k is seen by token q (it is q itself, or above it) iff k ≤ q < ends[k], where ends[k] is the first token behind
  k's subtree. So a mask is one comparison, which is what FlexAttention asks for on GPUs (`visible`).
- Whatever a run of tokens a … b - 1 sees before a lies on the path to a. So attention can be cut into *tiles*: the
  queries a … b - 1, and as keys the path to a and the run itself. Dense attention over a row would cost T² and be
  slower than no packing at all; tiles cost about T · (depth + tile).

Axes: T tokens of a pack, S sequences, N tiles, Q queries of a tile, K its keys.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

TILE = 64
"""Queries of a tile. Longer tiles compute more that is masked, shorter ones gather more keys per query."""
_BUCKETS = 4
"""Into so many groups of similar length tiles are sorted: all tiles of a group have as many keys as its longest."""


@dataclass(frozen=True, slots=True)
class Tiles:
    """Tiles of similar length, computed in one call."""

    queries: Tensor
    """(N, Q) tokens; where a tile is shorter, some token again."""
    keys: Tensor
    """(N, K) tokens; where a tile has fewer, some token, masked."""
    hidden: Tensor
    """(N, Q, K) bool: True where a query does not see a key."""

    def to(self, device: torch.device) -> "Tiles":
        """The same on another device."""
        return Tiles(self.queries.to(device), self.keys.to(device), self.hidden.to(device))


@dataclass(frozen=True, slots=True)
class Pack:
    """Some sequences as one row of distinct tokens."""

    ids: Tensor
    """(T,) token ids, depth first."""
    positions: Tensor
    """(T,) depth of each token: its place in every sequence through it."""
    ends: Tensor
    """(T,) the first token behind each token's subtree."""
    paths: tuple[Tensor, ...]
    """For each sequence, where its tokens are in the row."""
    tiles: tuple[Tiles, ...]
    places: Tensor
    """(T,) where each token's query stands among all tiles' queries, one bucket behind another."""
    _masks: dict[tuple[torch.dtype, int], tuple[Tensor, ...]] = field(default_factory=dict, init=False, repr=False)
    """Those of `masks`: all layers of a pass ask for the same, and each would keep its own for the backward."""

    def masks(self, dtype: torch.dtype, repeats: int) -> tuple[Tensor, ...]:
        """What attention adds to the products of each bucket: 0, and minus infinity where a query does not see a key.

        Shapes: (N, 1, repeats · Q, K), the queries of a tile so many times.
        """
        if (dtype, repeats) not in self._masks:
            self._masks[dtype, repeats] = tuple(
                torch.zeros(bucket.hidden.shape, dtype=dtype, device=bucket.hidden.device)
                .masked_fill_(bucket.hidden, -torch.inf)
                .repeat(1, repeats, 1)[:, None]
                for bucket in self.tiles
            )
        return self._masks[dtype, repeats]

    @property
    def num_tokens(self) -> int:
        """T."""
        return len(self.ids)

    def to(self, device: torch.device) -> "Pack":
        """The same on another device."""
        return Pack(
            self.ids.to(device),
            self.positions.to(device),
            self.ends.to(device),
            tuple(path.to(device) for path in self.paths),
            tuple(tiles.to(device) for tiles in self.tiles),
            self.places.to(device),
        )


def pack(sequences: Sequence[Sequence[int]], tile: int = TILE) -> Pack:
    """All sequences as one tree. None may be empty; equal ones have the same path."""
    assert sequences and all(sequences), "an empty sequence has no place in a tree"
    ids: list[int] = []
    positions: list[int] = []
    ends: list[int] = []
    paths: dict[int, list[int]] = {}
    path: list[int] = []
    for number, shared in leaves(sequences):
        sequence = sequences[number]
        for node in path[shared:]:
            ends[node] = len(ids)
        path = [*path[:shared], *range(len(ids), len(ids) + len(sequence) - shared)]
        ids += sequence[shared:]
        positions += range(shared, len(sequence))
        ends += [-1] * (len(sequence) - shared)
        paths[number] = path
    for node in path:
        ends[node] = len(ids)
    tiles, places = _tiles(torch.tensor(ends), torch.tensor(positions), tile)
    return Pack(
        ids=torch.tensor(ids),
        positions=torch.tensor(positions),
        ends=torch.tensor(ends),
        paths=tuple(torch.tensor(paths[number]) for number in range(len(sequences))),
        tiles=tiles,
        places=places,
    )


def packs_within(sequences: Sequence[Sequence[int]], max_tokens: int) -> list[list[int]]:
    """Which sequences go into which pack, so that none has more than `max_tokens` distinct tokens.

    Neighbours in sorted order share most, so packs are runs of it. A longer sequence gets a pack of its own.
    """
    packs: list[list[int]] = []
    size = 0
    for number, shared in leaves(sequences):
        size += len(sequences[number]) - shared
        if not packs or size > max_tokens:
            packs.append([])
            size = len(sequences[number])
        packs[-1].append(number)
    return packs


def num_distinct(sequences: Sequence[Sequence[int]]) -> int:
    """How many tokens the pack of some sequences has."""
    return sum(len(sequences[number]) - shared for number, shared in leaves(sequences))


def leaves(sequences: Sequence[Sequence[int]]) -> Iterator[tuple[int, int]]:
    """The numbers of sequences in sorted order, which is that of the trie from left to right.

    With each, how many tokens it begins with that the one before it begins with, too.
    """
    before: Sequence[int] = ()
    for number in sorted(range(len(sequences)), key=lambda number: list(sequences[number])):
        yield number, common_length(before, sequences[number])
        before = sequences[number]


def common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sequences begin with alike."""
    for place, (token, another) in enumerate(zip(one, other, strict=False)):
        if token != another:
            return place
    return min(len(one), len(other))


def _tiles(ends: Tensor, positions: Tensor, tile: int) -> tuple[tuple[Tiles, ...], Tensor]:
    """Cuts a row into tiles, sorted into buckets of similar numbers of keys."""
    num_tokens = len(ends)
    starts = list(range(0, num_tokens, tile))
    by_keys = sorted(starts, key=lambda start: int(positions[start]) + min(tile, num_tokens - start))
    size = -(-len(by_keys) // _BUCKETS)
    buckets = [by_keys[begin : begin + size] for begin in range(0, len(by_keys), size)]
    places = torch.empty(num_tokens, dtype=torch.long)
    found: list[Tiles] = []
    offset = 0
    for bucket in buckets:
        made = _bucket(ends, bucket, tile)
        for number, start in enumerate(bucket):
            length = min(tile, num_tokens - start)
            begin = offset + number * made.queries.shape[1]
            places[start : start + length] = torch.arange(begin, begin + length)
        offset += made.queries.numel()
        found.append(made)
    return tuple(found), places


def _bucket(ends: Tensor, starts: Sequence[int], tile: int) -> Tiles:
    num_tokens = len(ends)
    runs = [torch.arange(start, min(start + tile, num_tokens)) for start in starts]
    above = [torch.nonzero(ends[:start] > start).flatten() for start in starts]
    seen = [torch.cat([path, run]) for path, run in zip(above, runs, strict=True)]
    num_queries, num_keys = max(map(len, runs)), max(map(len, seen))
    queries = torch.stack([_filled(run, num_queries) for run in runs])
    keys = torch.stack([_filled(tokens, num_keys) for tokens in seen])
    is_key = torch.arange(num_keys) < torch.tensor([len(tokens) for tokens in seen])[:, None]
    return Tiles(queries, keys, ~(visible(queries[:, :, None], keys[:, None, :], ends) & is_key[:, None, :]))


def _filled(tokens: Tensor, length: int) -> Tensor:
    """As long as asked for, by its last token again."""
    return torch.cat([tokens, tokens[-1:].expand(length - len(tokens))])


def visible(query: Tensor, key: Tensor, ends: Tensor) -> Tensor:
    """Whether each query token sees each key token: the key is the query itself, or above it."""
    return (key <= query) & (query < ends[key])


def tiled_attention(query: Tensor, key: Tensor, value: Tensor, packed: Pack, scaling: float) -> Tensor:
    """Attention of every token to the path that leads to it.

    Rows are gathered by `embedding`, whose backward is the fast one on CPUs.

    Shapes: query (1, H, T, D); key (1, G, T, D), G dividing H; value (1, G, T, E) -> (1, T, H, E).
    """
    _, num_heads, num_tokens, _ = query.shape
    groups = key.shape[1]
    flat_query, flat_key, flat_value = (x[0].transpose(0, 1).reshape(num_tokens, -1) for x in (query, key, value))
    attended = []
    for bucket, mask in zip(packed.tiles, packed.masks(query.dtype, num_heads // groups), strict=True):
        q = functional.embedding(bucket.queries, flat_query).view(*bucket.queries.shape, num_heads, -1)
        k = functional.embedding(bucket.keys, flat_key).view(*bucket.keys.shape, groups, -1)
        v = functional.embedding(bucket.keys, flat_value).view(*bucket.keys.shape, groups, -1)
        attended.append(_attend(q, k, v, mask, scaling).flatten(0, 1).flatten(1))
    return functional.embedding(packed.places, torch.cat(attended)).view(1, num_tokens, num_heads, -1)


def _attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scaling: float) -> Tensor:
    """The heads that share a key are further queries of it, so that no key is repeated.

    Shapes: query (N, Q, H, D); key (N, K, G, D); value (N, K, G, E); mask (N, 1, H / G · Q, K) -> (N, Q, H, E).
    """
    num_tiles, num_queries, num_heads, width = query.shape
    groups = key.shape[2]
    shared = query.view(num_tiles, num_queries, groups, -1, width).permute(0, 2, 3, 1, 4).flatten(2, 3)
    attended = functional.scaled_dot_product_attention(
        shared,
        key.transpose(1, 2),
        value.transpose(1, 2),
        attn_mask=mask,
        scale=scaling,
    )
    by_head = attended.view(num_tiles, groups, num_heads // groups, num_queries, -1)
    return by_head.permute(0, 3, 1, 2, 4).reshape(num_tiles, num_queries, num_heads, -1)
