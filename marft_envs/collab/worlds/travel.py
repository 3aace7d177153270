"""Travel: cities with sights, connections, a traveller with wishes and free days; `travel_drawing` makes such worlds.

Every city has as many days on which it is sold out, or dear, as any other, and they lie independently of the wishes: so
nobody can tell from the connections where the traveller wants to go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import comb, factorial, perm

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
CITIES = (
    *("Athens", "Berlin", "Cairo", "Dublin", "Florence", "Geneva", "Helsinki", "Istanbul", "Lisbon", "Madrid"),
    *("Naples", "Oslo", "Paris", "Rome", "Seville", "Tokyo", "Venice", "Vienna", "Warsaw", "Zagreb"),
)
SIGHTS = (
    *("beach", "castle", "cathedral", "garden", "harbour", "lake"),
    *("market", "museum", "theatre", "volcano", "waterfall", "zoo"),
)


@dataclass(frozen=True)
class Level:
    """One row of the table of levels."""

    summary: str
    num_instances: int
    """How many keys there are."""
    num_cities: int
    num_days: int
    num_free: int
    """Days on which the traveller is free."""
    num_sold_out: int = 0
    """Of each city, the days on which nobody can go there."""
    num_dear: int = 0
    """Of each city, the days on which that is above the budget. With any, there are two legs and three wishes."""
    has_tools: bool = True
    """Whether what agents know has to be looked up; if not, they are told."""

    @property
    def is_hard(self) -> bool:
        """Whether a trip has two legs, connections that do not run, and a budget."""
        return self.num_dear > 0


def _num_hard_maps() -> int:
    """Ways to give pairs of sights to eight cities, as `travel_drawing` does: the second wish granted, or not."""
    granted = 9 * 8 * 7 * comb(6, 2) * comb(4, 2) // 2
    denied = comb(9, 2) * 7 * 6 * comb(5, 2) * comb(3, 2) // 2
    return perm(len(CITIES), 8) * perm(len(SIGHTS), 3) * (granted + denied)


LEVELS = {
    "easy": Level(
        "three cities, three days; everybody is told what it knows, and a trip is booked by city and day",
        comb(len(CITIES), 3) * perm(len(SIGHTS), 3) * 3 * comb(len(DAYS), 3) * 3,
        num_cities=3,
        num_days=3,
        num_free=1,
        has_tools=False,
    ),
    "standard": Level(
        "eight cities, seven days, three of them free; everything is looked up, and returns are sold out",
        comb(len(CITIES), 8) * perm(len(SIGHTS), 8) * 8 * comb(7, 3) * comb(7, 2),
        num_cities=8,
        num_days=7,
        num_free=3,
        num_sold_out=2,
    ),
    "hard": Level(
        "the same with two legs, a budget, wishes of which no city grants all, and connections that do not run",
        _num_hard_maps() * (comb(7, 3) - comb(4, 3)) * factorial(7) // (factorial(2) * factorial(2) * factorial(3)),
        num_cities=8,
        num_days=7,
        num_free=3,
        num_sold_out=2,
        num_dear=2,
    ),
}


@dataclass(frozen=True)
class Connection:
    """One line of the timetable."""

    number: str
    city: str
    day: str
    leg: int
    """0: all the way and back; 1: to where one changes; 2: from there."""
    leaves: int = 0
    arrives: int = 0
    price: int = 0
    returns: bool = True
    """Whether there are seats for the way back; a search tells."""
    runs: bool = True
    """Whether it runs at all; only `check` tells."""


Trip = tuple[Connection, ...]


def numbers(trip: Trip) -> str:
    """Its connections' numbers."""
    return " ".join(one.number for one in trip)


def price(trip: Trip) -> int:
    """What it costs."""
    return sum(one.price for one in trip)


def listed(words: Sequence[str], last: str = "and") -> str:
    """Words as they are told: `a, b and c`."""
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


@dataclass(frozen=True)
class World:
    """One traveller's wishes, and all that can be known about them."""

    level: Level
    sights: dict[str, tuple[str, ...]]
    """What every city has."""
    days: tuple[str, ...]
    """The days there are, in the order of the week; and so are the free ones."""
    free: tuple[str, ...]
    wishes: tuple[str, ...]
    """What the traveller wants to see; earlier ones matter more than all later ones."""
    city: str
    """The one that fits best."""
    budget: int
    hub: str
    """Where one changes."""
    timetable: dict[tuple[str, str], tuple[Connection, ...]]
    """By city and day."""
    kinds: dict[tuple[str, str], str]
    """Whether a city is open, sold out or dear on a day."""

    @property
    def cities(self) -> tuple[str, ...]:
        """All of them, as the ticket agent is told."""
        return tuple(self.sights)

    @property
    def num_legs(self) -> int:
        """Connections that make a trip."""
        return 1 + self.level.is_hard

    @property
    def key(self) -> str:
        """What the right trip follows from: neither orders nor times nor prices."""
        cities = "; ".join(f"{city}: {', '.join(sorted(sights))}" for city, sights in sorted(self.sights.items()))
        kinds = ", ".join(f"{day} {self.kinds[self.city, day]}" for day in self.days)
        return f"{' > '.join(self.wishes)} | {cities} | free {', '.join(self.free)} | {kinds}"

    # ---- What a trip is worth

    def trips(self, city: str, day: str) -> list[Trip]:
        """All that seem possible after a search, cheapest first: in time, with seats for the way back."""
        lines = self.timetable[city, day]
        legs = [[one for one in lines if one.leg == leg] for leg in range(3)]
        pairs = [pair for pair in product(legs[1], legs[2]) if pair[0].arrives < pair[1].leaves]
        possible = [*pairs, *((one,) for one in legs[0] if one.returns)]
        return sorted(possible, key=price)

    def fault(self, trip: Trip) -> str:
        """What is wrong with it; empty if nothing is."""
        if trip not in self.trips(trip[0].city, trip[0].day):
            return "It cannot be travelled."
        if trip[0].city != self.city:
            return "Another city would fit better."
        if trip[0].day not in self.free:
            return "The traveller is not free then."
        if self.level.is_hard and price(trip) > self.budget:
            return "It is above the budget."
        return "" if all(one.runs for one in trip) else "It does not run."

    def right_trip(self, day: str) -> Trip:
        """One of this day without a fault; empty if there is none."""
        return next((trip for trip in self.trips(self.city, day) if not self.fault(trip)), ())

    def connection(self, number: str) -> Connection | None:
        """The one of this number."""
        return next((one for lines in self.timetable.values() for one in lines if one.number == number), None)

    @property
    def plan(self) -> tuple[int, int]:
        """How many rounds it takes to book for sure, and how many turns of specialists; free days searched in order."""
        if not self.level.has_tools:
            return 4, 3
        searches = next(place for place, day in enumerate(self.free, start=1) if self.right_trip(day))
        return (10 + searches, 8 + searches) if self.level.is_hard else (5 + searches, 5 + searches)
