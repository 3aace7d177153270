"""Safe ways through pits: drawn uniformly, shown as a map, and walked as a reply says."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from marft_envs.grading.answers import last_line

COMPASS = ("north", "east", "south", "west")
"""Directions by number, clockwise; north is up."""
_STEPS = ((0, -1), (1, 0), (0, 1), (-1, 0))
_FACING = "^>v<"
_DRAWS = 64
"""Ways drawn at once, for speed: of long ones, few fit."""

Cell = tuple[int, int]
"""Column and row, from the upper left corner."""


class SafeWay(NamedTuple):
    """A way that never comes beside itself, so that from any cell of it only one step goes on, and one goes back."""

    cells: tuple[Cell, ...]
    """From the start to the goal."""
    directions: tuple[int, ...]
    """One fewer: from each cell to the next."""


def drawn_way(rng: np.random.Generator, size: int, num_steps: int) -> SafeWay:
    """A way of so many steps, all in a square of that size equally likely: the first draw that fits is taken."""
    while True:
        starts = rng.integers(size, size=(_DRAWS, 1, 2))
        turns = rng.integers(-1, 2, size=(_DRAWS, num_steps))
        turns[:, 0] = rng.integers(4, size=_DRAWS)
        directions = np.cumsum(turns, axis=1) % 4
        cells = np.concatenate([starts, starts + np.cumsum(np.array(_STEPS)[directions], axis=1)], axis=1)
        for draw in np.flatnonzero((cells.min(axis=(1, 2)) >= 0) & (cells.max(axis=(1, 2)) < size)).tolist():
            way = SafeWay(tuple((x, y) for x, y in cells[draw].tolist()), tuple(directions[draw].tolist()))
            if _keeps_apart(way.cells):
                return way


def _keeps_apart(cells: Sequence[Cell]) -> bool:
    """Whether no cell is twice on the way, or beside any but the ones before and after it."""
    before: set[Cell] = set()  # all but the one that was left last
    left: Cell | None = None
    for x, y in cells:
        if not before.isdisjoint(((x, y), (x, y - 1), (x + 1, y), (x, y + 1), (x - 1, y))):
            return False
        if left is not None:
            before.add(left)
        left = x, y
    return True


def place_after(way: SafeWay, place: int, direction: int) -> int | None:
    """Where on the way a step from there leads, as a number of cells from its start; None into a pit."""
    if way.directions[place : place + 1] == (direction,):
        return place + 1
    return place - 1 if place and (way.directions[place - 1] + 2) % 4 == direction else None


def named(cell: Cell) -> str:
    """As on a chart: `C4` is the third column, fourth row."""
    return f"{chr(ord('A') + cell[0])}{cell[1] + 1}"


def drawn_map(way: SafeWay, size: int, place: int, facing: int | None) -> str:
    """All rows: `#` pits, `.` the way, `G` the goal, and the walker, `W` or an arrow that shows where it faces."""
    signs = dict.fromkeys(way.cells, ".")
    signs[way.cells[-1]] = "G"
    signs[way.cells[place]] = "W" if facing is None else _FACING[facing]
    return "\n".join("".join(signs.get((column, row), "#") for column in range(size)) for row in range(size))


def stated_moves(reply: str, names: Sequence[str], most: int) -> list[str]:
    """The directions on the last line that is not blank: one amid any words, or several and nothing else.

    Empty if there is none, more than `most`, or anything else among several, so that nobody can hedge.
    """
    line = last_line(reply).lower().replace(",", " ")
    words = [word.strip(".:;!*\"'`()") for word in line.split()]
    moves = [word for word in words if word in names]
    return moves if len(moves) <= most and len(moves) in (1, len(words)) else []
