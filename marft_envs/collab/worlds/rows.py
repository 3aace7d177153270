"""Things in a row, and what can be said of where they stand.

A *question*, such as whether the cup is next to the hat, is true or false of every row, and either answer is a clue. A
table holds all answers, so that the rows that fit some clues are found by looking them up.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import combinations, permutations
from operator import or_

import numpy as np
from numpy.typing import NDArray

from marft_envs.grading.answers import last_line
from marft_envs.grading.choices import named_choices

_THINGS = """
ball bell book bowl box brush candle chair clock coin cup drum fork hat key knife lamp pen plate radio ring rope shoe
spoon stone toy vase watch"""
THINGS = tuple(_THINGS.split())
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
NUMBERS = ("no", "one", "two", "three", "four", "five", "six")

Rows = NDArray[np.bool_]
"""Some of the rows: a flag for each, in the order of `RowTable.rows`."""


@dataclass(frozen=True)
class Kind:
    """One way to ask where things stand."""

    test: Callable[..., Rows]
    """From the places of the things, an array each, and the number if there is one."""
    yes: str
    """What is said where it is true."""
    no: str
    groups: Callable[[int], list[tuple[int, ...]]]
    """Of which things it is asked."""
    numbers: Callable[[int], Sequence[int]] = lambda size: (0,)
    words: Sequence[str] = ("",)
    """For the numbers."""
    num_own: int = 0
    """How many of the things, from the first, have a part of their own; the others can be exchanged."""


def _singles(size: int) -> list[tuple[int, ...]]:
    return [(thing,) for thing in range(size)]


def _pairs(size: int) -> list[tuple[int, ...]]:
    return list(combinations(range(size), 2))


def _one_and_pairs(size: int) -> list[tuple[int, ...]]:
    return [(one, *pair) for one in range(size) for pair in _pairs(size) if one not in pair]


KINDS = {
    "left": Kind(
        lambda a, b, number: a < b,
        "The {0} is somewhere left of the {1}.",
        "The {1} is somewhere left of the {0}.",
        _pairs,
    ),
    "next": Kind(
        lambda a, b, number: abs(a - b) == 1,
        "The {0} is next to the {1}.",
        "The {0} is not next to the {1}.",
        _pairs,
    ),
    "place": Kind(
        lambda a, number: a == number,
        "The {0} is {number}.",
        "The {0} is not {number}.",
        _singles,
        range,
        ORDINALS,
    ),
    "apart": Kind(
        lambda a, b, number: abs(a - b) == number + 1,
        "Exactly {number} things are between the {0} and the {1}.",
        "Between the {0} and the {1} are not exactly {number} things.",
        _pairs,
        lambda size: range(2, size - 3),
        NUMBERS,
    ),
    "between": Kind(
        lambda a, b, c, number: (a - b) * (a - c) < 0,
        "The {0} is somewhere between the {1} and the {2}.",
        "The {0} is not between the {1} and the {2}.",
        _one_and_pairs,
        num_own=1,
    ),
    "nearer": Kind(
        lambda a, b, c, number: abs(a - b) < abs(a - c),
        "The {0} is nearer to the {1} than to the {2}.",
        "The {0} is not nearer to the {1} than to the {2}.",
        _one_and_pairs,
        num_own=3,
    ),
}


@dataclass(frozen=True)
class Question:
    """One question about a row."""

    kind: str
    things: tuple[int, ...]
    number: int = 0

    def clue(self, names: Sequence[str], *, holds: bool) -> str:
        """The answer as a sentence."""
        kind = KINDS[self.kind]
        words = kind.words[self.number] if len(kind.words) > 1 else ""
        return (kind.yes if holds else kind.no).format(*[names[thing] for thing in self.things], number=words)

    def key(self, row: Sequence[int]) -> str:
        """The question with the things' places in the row for their names: what is renamed is the same."""
        places = [list(row).index(thing) for thing in self.things]
        own = KINDS[self.kind].num_own
        return f"{self.kind} {[*places[:own], *sorted(places[own:])]} {self.number}"


@dataclass(frozen=True)
class RowTable:
    """All rows of so many things, and what is true of them."""

    rows: NDArray[np.int_]
    """Shape (rows, places): which thing stands there."""
    questions: tuple[Question, ...]
    answers: Rows
    """Shape (questions, rows)."""
    bits: tuple[int, ...]
    """The same, the rows of each question as the bits of a number, the first row the lowest: to draw by."""

    def fitting(self, clues: Sequence[int], row: int) -> Rows:
        """The rows of which these questions have the answers that they have of the given one."""
        fit: Rows = (self.answers[list(clues)] == self.answers[list(clues), row][:, None]).all(axis=0)
        return fit

    def told(self, clues: Sequence[int], row: int, names: Sequence[str]) -> str:
        """What these questions' answers say of a row, a sentence each."""
        answers = self.answers[list(clues), row]
        asked = [self.questions[clue] for clue in clues]
        return " ".join(each.clue(names, holds=bool(holds)) for each, holds in zip(asked, answers, strict=True))

    def dealt(self, own: Sequence[int], row: int, num_parts: int, rng: np.random.Generator) -> list[list[int]]:
        """Clues that together with some that are known single out a row, in parts of which none is enough.

        All of them are needed, unless there are more parts than such clues: then some have one of no need.
        """
        while True:
            known = self._fitting_bits(own, row)
            clues = self._telling_apart(row, known, rng)
            clues += rng.integers(len(self.questions), size=max(num_parts - len(clues), 0)).tolist()
            parts = [clues[first::num_parts] for first in range(num_parts)]
            if all((known & self._fitting_bits(part, row)).bit_count() > 1 for part in parts):
                return parts

    def _fitting_bits(self, clues: Sequence[int], row: int) -> int:
        """What `fitting` tells, as bits."""
        fit = (1 << len(self.rows)) - 1
        for clue in clues:
            fit &= self.bits[clue] if self.bits[clue] >> row & 1 else ~self.bits[clue]
        return fit

    def _telling_apart(self, row: int, among: int, rng: np.random.Generator) -> list[int]:
        """Questions drawn at random whose answers single out a row among some, none of them to spare."""
        others = among & ~(1 << row)
        refuted = 0  # those of the others that some clue contradicts
        chosen: dict[int, int] = {}
        for question in rng.permutation(len(self.questions)).tolist():
            by_this = others & ~self._fitting_bits([question], row)
            if by_this & ~refuted:
                chosen[question] = by_this
                refuted |= by_this
            if refuted == others:
                break
        for question, by_this in list(chosen.items()):
            by_the_rest = reduce(or_, [rows for other, rows in chosen.items() if other != question], 0)
            if not by_this & ~by_the_rest:
                del chosen[question]
        return list(chosen)


@lru_cache(maxsize=32)
def row_table(size: int, kinds: tuple[str, ...]) -> RowTable:
    """The table of all rows of so many things, for questions of these kinds."""
    rows = np.array(list(permutations(range(size))))
    places = np.argsort(rows, axis=1).T
    questions = tuple(
        Question(name, things, number)
        for name in kinds
        for things in KINDS[name].groups(size)
        for number in KINDS[name].numbers(size)
    )
    answers = np.array([KINDS[each.kind].test(*places[list(each.things)], number=each.number) for each in questions])
    packed = np.packbits(answers, axis=1, bitorder="little")
    return RowTable(rows, questions, answers, tuple([int.from_bytes(row.tobytes(), "little") for row in packed]))


def stated_row(reply: str, things: Sequence[str]) -> list[str]:
    """The things as the last line that is not blank names them; nothing unless it names all of them."""
    named = named_choices(last_line(reply), things)
    return named if len(named) == len(things) else []
