"""A task's log as it lies in a submission: episode by episode, and never more of it in memory than one of them."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from leaderboard.errors import UnsafeArchiveError
from leaderboard.tracks import MAX_TURNS

MAX_EPISODE_BYTES = 8_000_000
"""Of one episode's lines: a thousand turns of the usual 2,048 characters have some 4 MB."""
_HEADER = b'{"kind": "episode"'
_MOST_LINES = MAX_TURNS + 2
"""Of one episode: its turns, and a line before and after them."""


def episodes_in(lines: Iterable[bytes], name: str) -> Iterator[tuple[bytes, ...]]:
    """The lines of each episode, as far as its first line tells that it is one. What stands before the first, alone.

    Raises: UnsafeArchiveError for an episode that is longer than any; what `lines` raises.
    """
    current: list[bytes] = []
    size = 0
    for line in lines:
        if line.startswith(_HEADER) and current:
            yield tuple(current)
            current, size = [], 0
        current.append(line)
        size += len(line)
        if size > MAX_EPISODE_BYTES or len(current) > _MOST_LINES:
            raise UnsafeArchiveError(
                f"{name} has an episode of more than {_MOST_LINES:,} lines or {MAX_EPISODE_BYTES:,} bytes; none has"
            )
    if current:
        yield tuple(current)


def seed_in(header: bytes) -> int | None:
    """That an episode's first line names; None if it names none."""
    try:
        seed = json.loads(header)["seed"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    return seed if type(seed) is int else None


def seeds_in(episodes: Iterable[Sequence[bytes]], most: int) -> list[int | None]:
    """Those of the first `most` episodes, or of the first to the one that names none: nothing behind it is read."""
    found: list[int | None] = []
    for lines in islice(episodes, most):
        found.append(seed_in(lines[0]))
        if found[-1] is None:
            break
    return found
