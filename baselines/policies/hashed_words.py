"""What an agent has read as a vector of fixed width, without a language model: words, hashed into places.

Every feature adds 1 or -1 to a place that its hash gives it. What is counted, by who wrote a message, and once more if
that is new since the agent's last turn:

- each word, and each word with its place in the line;
- pairs of words up to three apart: in `Ada is kind and brave` the first word and `and`;
- for a word that the environment has told the agent before, or tells it elsewhere, where it told that first: the second
  thing on my list. So what is learnt about one list holds for all;
- the whole line, with such places for words.

A word's hash is its CRC-32, and that of a feature a sum of odd multiples of its parts, stirred: the same in every
process and version, so that a checkpoint means the same everywhere. Two features may fall on one place; a greater width
makes that rarer.

Source: feature hashing with signs, Weinberger et al., arXiv 0902.2206.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from marft_envs import Message

FARTHEST = 3
"""How far apart the words of a pair may stand."""
_TOKEN = re.compile(r"[\w'-]*\w|[^\w\s.,;:!?\"'()>]")
_ROW = 1 << 20
"""Places that the environment told are numbers: row * _ROW + column."""
_WORD, _PLACE, _LINE, _PAIR = range(4)  # kinds of feature; a pair's is the last, plus how far apart
_REFERENCE = 16
"""Added to the kind of a feature whose word stands for where it was told first."""
(
    _AUTHOR,
    _KIND,
    _FIRST,
    _SECOND,
) = (  # odd numbers without a pattern, from the golden ratio and the square roots of primes
    np.uint64(number) for number in (0x9E3779B97F4A7C15, 0x6A09E667F3BCC909, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B)
)

Hashes = NDArray[np.uint64]


class Words:
    """Words in a row, as arrays of one length."""

    def __init__(self, messages: Sequence[Message]) -> None:
        told = told_places(messages)
        self.words: list[int] = []
        self.authors: list[int] = []
        self.lines: list[int] = []
        self.columns: list[int] = []
        self.referents: list[int] = []
        """Where the environment told the word first, plus 1; 0 for a word that it never told, or tells here."""
        number = 0
        row = 0
        for author, line, is_told, is_new in _lines(messages):
            words = words_of(line)
            referents = [told.get(word, 0) for word in words]
            if is_told:
                here = row * _ROW + 1
                referents = [0 if at == here + column else at for column, at in enumerate(referents)]
                row += 1
            for written_by in (author, f"new {author}")[: 1 + is_new]:
                self.words += words
                self.authors += [_crc(written_by)] * len(words)
                self.lines += [number] * len(words)
                self.columns += range(len(words))
                self.referents += referents
                number += 1


def hashed_words(messages: Sequence[Message], width: int) -> NDArray[np.float32]:
    """The features of a conversation, as the agent to whom it belongs has read it, scaled to a length of 1."""
    hashes = features(messages)
    signs = 1.0 - 2.0 * (hashes >> np.uint64(63)).astype(np.float64)
    vector = np.bincount((hashes % np.uint64(width)).astype(np.int64), weights=signs, minlength=width)
    length = float(np.sqrt(vector @ vector))
    return (vector / length if length else vector).astype(np.float32)


def features(messages: Sequence[Message]) -> Hashes:
    """The hash of every feature, as often as it counts."""
    read = Words(messages)
    words, authors, lines, columns, referents = (
        np.array(values, dtype=np.uint64)
        for values in (read.words, read.authors, read.lines, read.columns, read.referents)
    )
    if not len(words):
        return words
    known = referents > 0
    whose = authors * _AUTHOR
    found = [_feature(whose, _WORD, words), _feature(whose, _PLACE, words, columns)]
    found.append(_feature(whose[known], _WORD + _REFERENCE, referents[known]))
    found.append(_feature(whose[known], _PLACE + _REFERENCE, referents[known], columns[known]))
    for apart in range(1, FARTHEST + 1):
        near, far = slice(None, -apart), slice(apart, None)
        both = lines[near] == lines[far]
        found.append(_feature(whose[near][both], _PAIR + apart, words[near][both], words[far][both]))
        both &= known[near]
        kind = _PAIR + apart + _REFERENCE
        found.append(_feature(whose[near][both], kind, referents[near][both], words[far][both]))
    begins = np.flatnonzero(columns == 0)
    parts = _stirred(_feature(np.zeros_like(whose), _LINE, np.where(known, referents, words), columns))
    found.append(_feature(whose[begins], _LINE, np.add.reduceat(parts, begins)))
    return _stirred(np.concatenate(found))


def _feature(whose: Hashes, kind: int, first: Hashes, second: Hashes | None = None) -> Hashes:
    """A sum of multiples, not stirred yet; uint64 wraps around."""
    with np.errstate(over="ignore"):
        hashes = whose + np.uint64(kind) * _KIND + first * _FIRST
        return hashes if second is None else hashes + second * _SECOND


def _stirred(hashes: Hashes) -> Hashes:
    """Lets every bit depend on those below and above it: two rounds of shifting and multiplying."""
    for _ in range(2):
        hashes = (hashes ^ (hashes >> np.uint64(31))) * _AUTHOR
    return hashes ^ (hashes >> np.uint64(32))


def _lines(messages: Sequence[Message]) -> Iterator[tuple[str, str, bool, bool]]:
    """(author, line, whether the environment says it, whether it is new since the agent's last words)."""
    last_own = max((number for number, message in enumerate(messages) if message["role"] == "assistant"), default=-1)
    for number, message in enumerate(messages):
        for line in message["content"].splitlines():
            yield message.get("name") or message["role"], line, _is_told(message), number > last_own >= 0


def _is_told(message: Message) -> bool:
    """Whether the environment says it, and neither the agent itself nor another one."""
    return message["role"] == "user" and "name" not in message


def told_places(messages: Sequence[Message]) -> dict[int, int]:
    """Word -> where it first stands in what the environment told: row and column as one number, plus 1."""
    lines = (line for message in messages if _is_told(message) for line in message["content"].splitlines())
    places: dict[int, int] = {}
    for row, line in enumerate(lines):
        for column, word in enumerate(words_of(line)):
            places.setdefault(word, row * _ROW + column + 1)
    return places


@lru_cache(maxsize=1 << 14)
def words_of(line: str) -> tuple[int, ...]:
    """The CRC-32 of words, numbers and signs of a line, in lower case; punctuation is left out."""
    return tuple(map(_crc, _TOKEN.findall(line.lower())))


@lru_cache(maxsize=1 << 16)
def _crc(word: str) -> int:
    return crc32(word.encode("utf-8", "surrogatepass"))
