"""Drawing worlds of travel: small, and from a random generator alone."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from marft_envs.collab.worlds.shuffling import shuffled
from marft_envs.collab.worlds.travel import CITIES, DAYS, SIGHTS, Connection, Level, World

Place = tuple[str, str]
"""City and day."""


def draw(level: Level, rng: np.random.Generator) -> World:
    """A world of this level in which there is a right trip."""
    *cities, hub = shuffled(CITIES, rng)[: level.num_cities + 1]
    days = _some(rng, DAYS, level.num_days)
    sights = shuffled(SIGHTS, rng)
    having = _hard_sights(rng, sights) if level.is_hard else [(sight,) for sight in sights[: len(cities)]]
    order = rng.permutation(len(cities)).tolist()
    kinds: dict[tuple[str, str], str] = {}
    for city in cities:
        drawn = rng.permutation(len(days)).tolist()
        for place, number in enumerate(drawn):
            kind = "sold out" if place < level.num_sold_out else "dear"
            kinds[city, days[number]] = kind if place < level.num_sold_out + level.num_dear else "open"
    budget = 10 * int(rng.integers(15, 41))
    right, free = cities[0], _some(rng, days, level.num_free)
    while not any(kinds[right, day] == "open" for day in free):
        free = _some(rng, days, level.num_free)
    timetable = _timetable(level, rng, kinds, budget)
    return World(
        level=level,
        sights={cities[place]: having[place] for place in order},
        days=days,
        free=free,
        wishes=tuple(sights[: 3 if level.is_hard else 1]),
        city=right,
        budget=budget,
        hub=hub,
        timetable=timetable,
        kinds=kinds,
    )


def _some(rng: np.random.Generator, among: Sequence[str], count: int) -> tuple[str, ...]:
    return tuple(among[place] for place in sorted(rng.permutation(len(among))[:count].tolist()))


def _hard_sights(rng: np.random.Generator, sights: Sequence[str]) -> list[tuple[str, ...]]:
    """Two sights for each of eight cities. The first fits best: it grants the first wish, and the second or third."""
    first, second, third, *others = sights
    wanted = [(first, second), (first, third)] if rng.integers(2) else [(first, third), (first, others.pop())]
    pairs = [*wanted, (second, third), (first, others.pop()), (second, others.pop()), (third, others.pop())]
    pairs += [(others.pop(), others.pop()), (others.pop(), others.pop())]
    return [pairs[0], *[pair[:: 1 if rng.integers(2) else -1] for pair in pairs[1:]]]


def _timetable(
    level: Level, rng: np.random.Generator, kinds: Mapping[Place, str], budget: int
) -> dict[Place, tuple[Connection, ...]]:
    """The connections of every city and day, with numbers that tell nothing."""
    numbers = iter(map(str, rng.permutation(np.arange(100, 1000)).tolist()))
    if not level.has_tools:
        return {place: (Connection(next(numbers), *place, leg=0),) for place in kinds}
    if not level.is_hard:
        rolls = rng.integers((6, 11, 0), (11, 16, 2), size=(len(kinds), 3)).tolist()
        return {
            place: tuple(
                Connection(next(numbers), *place, leg=0, leaves=hour, returns=kind == "open" and which == returning)
                for which, hour in enumerate((early, late))
            )
            for (place, kind), (early, late, returning) in zip(kinds.items(), rolls, strict=True)
        }
    rolls = rng.integers((8, 60, 5, 20, 0, 0, 0, 0), (11, 90, 30, 40, 3, 50, 50, 50), size=(len(kinds), 8)).tolist()
    return {
        place: () if kind == "sold out" else _legs(numbers, place, budget, kind == "dear", roll)
        for (place, kind), roll in zip(kinds.items(), rolls, strict=True)
    }


def _legs(
    numbers: Iterator[str], place: Place, budget: int, is_dear: bool, roll: Sequence[int]
) -> tuple[Connection, ...]:
    """Two connections for the first leg, and four for the second.

    The cheap one of the first comes too late, the early one of the second leaves too early; of its others a single one
    runs, and all of them are within the budget on days that are not dear.
    """
    hour, price, saved, trap, running, *changes = roll
    above = [10 + change if is_dear else -change for change in changes]
    legs = [
        (1, hour - 2, hour, price, True),
        (1, hour + 2, hour + 5, price - saved, True),
        (2, hour - 1, hour + 2, trap, True),
        *((2, hour + k + 1, hour + k + 4, budget - price + more, k == running) for k, more in enumerate(above)),
    ]
    return tuple(
        Connection(next(numbers), *place, leg=leg, leaves=leaves, arrives=arrives, price=cost, runs=runs)
        for leg, leaves, arrives, cost, runs in legs
    )
