"""Commands to a world in what an agent writes: one at most, on its last line; all else is words to the others."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from marft_envs.grading.answers import last_line

_NUMBER = re.compile(r"(?<!\w)[0-9]+(?!\w)")
_MOST_DIGITS = 6


class Command(NamedTuple):
    """What an agent does."""

    verb: str
    """In lower case."""
    rest: str
    """What stands behind it on the line, as it was written."""


def commanded(words: str, verbs: Sequence[str]) -> Command | None:
    """The command on the last line that is not blank; None if that does not begin with one of the verbs.

    In upper or lower case, behind signs or none: `search attic`, `> **Search** the attic.`, `cook: soup`.
    """
    found = _reading(tuple(verbs)).match(last_line(words))
    return Command(found[1].lower(), found[2]) if found else None


def one_number(text: str) -> int | None:
    """The whole number that the text names, if it names just one of at most six digits."""
    numbers = _NUMBER.findall(text)
    return int(numbers[0]) if len(numbers) == 1 and len(numbers[0]) <= _MOST_DIGITS else None


@lru_cache(maxsize=64)
def _reading(verbs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"\W*({'|'.join(map(re.escape, verbs))})(?!\w)(.*)", re.IGNORECASE)
