"""What the untrained base makes of texts: what a critic reads.

The states of an episode grow: each begins with the one before it. A causal model that reads the longest has read them
all, so texts that begin another text cost nothing of their own: their features are picked up on the way.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Tokenise = Callable[[str], list[int]]
Read = Callable[[Sequence[list[int]], Sequence[Sequence[int]]], list[Tensor]]
"""Token ids of some texts, and at which of them, to the last hidden states of each text there, (K, H) in float32."""

_NOTHING = [0]
"""Stands for a text without tokens: something has to be read."""


@dataclass(frozen=True, slots=True)
class _Row:
    """One pass of the model: tokens, and the texts that end on the way."""

    ids: list[int]
    ends: dict[str, int]
    """Text -> how many of the tokens are its own."""


def text_features(texts: Sequence[str], tokenise: Tokenise, read: Read, *, max_tokens: int) -> Tensor:
    """The last hidden state at each text's last token, (N, H) in float32.

    Equal texts are read once, and so are texts that begin others. Of a text beyond `max_tokens` the end is read.
    Where a text goes on from another one, the two parts are tokenised apart.
    """
    rows = list(_rows(texts, tokenise, max_tokens))
    found: dict[str, Tensor] = {}
    ends = [[end - 1 for end in row.ends.values()] for row in rows]
    for row, hidden in zip(rows, read([row.ids for row in rows], ends), strict=True):
        found |= zip(row.ends, hidden, strict=True)
    return torch.stack([found[text] for text in texts])


def text_ids(texts: Sequence[str], tokenise: Tokenise, *, max_tokens: int) -> dict[str, list[int]]:
    """Each distinct text's tokens as `text_features` reads them, never none: texts that begin others share them."""
    return {text: row.ids[:end] for row in _rows(texts, tokenise, max_tokens) for text, end in row.ends.items()}


def growing_texts(texts: Iterable[str]) -> Iterator[list[str]]:
    """The distinct texts in as few chains as they allow, each text beginning with the one before it in its chain.

    A text that several longer ones begin with stands in the chain of each.
    """
    chain: list[str] = []
    for text in sorted(set(texts)):  # sorted, all that begin with a text follow it directly
        if chain and not text.startswith(chain[-1]):
            yield chain
            chain = [earlier for earlier in chain if text.startswith(earlier)]
        chain = [*chain, text]
    if chain:
        yield chain


def _rows(texts: Sequence[str], tokenise: Tokenise, max_tokens: int) -> Iterator[_Row]:
    if "" in texts:  # every text begins with it, and none has a token where it ends
        yield _Row(_NOTHING, {"": 1})
    for chain in growing_texts(text for text in texts if text):
        ids: list[int] = []
        ends: dict[str, int] = {}
        read = ""
        for text in chain:
            ids += tokenise(text[len(read) :])
            ends[text] = max(len(ids), 1)
            read = text
        if len(ids) <= max_tokens:
            yield _Row(ids or _NOTHING, ends)
        else:  # what is cut off at the front would be the beginning of the shorter ones
            for text in chain:
                kept = tokenise(text)[-max_tokens:] or _NOTHING
                yield _Row(kept, {text: len(kept)})
