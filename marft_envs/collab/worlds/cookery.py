"""A kitchen with a station for every cook, and the guests' orders; on most levels a dish is made at two stations."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from marft_envs.collab.worlds.shuffling import shuffled

_S = 1_000_000
# fmt: off
DISHES = (
    "burger", "cake", "casserole", "chili", "chowder", "couscous", "crepe", "curry", "falafel", "fish", "gnocchi",
    "goulash", "gratin", "hummus", "kebab", "lasagna", "omelet", "paella", "pasta", "pie", "pizza", "polenta",
    "pudding", "quiche", "ramen", "ravioli", "rice", "risotto", "roast", "salad", "schnitzel", "soup", "steak", "stew",
    "strudel", "sushi", "taco", "toast", "tofu", "waffle",
)
THINGS = (
    "almonds", "apples", "apricots", "bananas", "beans", "beets", "berries", "capers", "carrots", "cherries", "chives",
    "dates", "figs", "grapes", "herbs", "leeks", "lemons", "lentils", "limes", "mangos", "melons", "mushrooms", "nuts",
    "olives", "onions", "oranges", "peaches", "pears", "peas", "peppers", "pickles", "plums", "potatoes", "radishes",
    "shallots", "sprouts", "tomatoes", "turnips", "walnuts",
)
# fmt: on
TABLES = range(1, 21)


@dataclass(frozen=True)
class Level:
    """One row of the table of levels."""

    summary: str
    num_dishes: int
    """That every cook can cook; where there are two steps, as many things that it can chop."""
    times_s: tuple[tuple[int, int], ...]
    """(comes, is due) in seconds: every cook's orders, and it has food for just so many dishes."""
    cook_us: int
    chop_us: int
    """0 where dishes are made in one step."""
    serve_us: int
    num_out: int = 0
    """Dishes of every cook that are out of stock."""

    @property
    def num_each(self) -> int:
        """Orders for every cook, and dishes that it can make."""
        return len(self.times_s)

    @property
    def silent_s(self) -> int:
        """By then all is done that cooks who do not talk can make: 3 seconds are enough to begin with something."""
        return self.num_each * ((self.cook_us + self.chop_us) // _S + 3) + 1

    @property
    def verbs(self) -> tuple[str, ...]:
        """What cooks do."""
        return ("cook", "chop") if self.chop_us else ("cook",)

    @property
    def does(self) -> str:
        """What cooks are asked to reply."""
        return ", or ".join(f'"{verb}" and what to {verb}' for verb in self.verbs)


LEVELS = {
    "easy": Level(
        "2 orders; each of two cooks can make 1 of 4 dishes",
        num_dishes=4,
        times_s=((0, 36),),
        cook_us=10 * _S,
        chop_us=0,
        serve_us=2 * _S,
    ),
    "standard": Level(
        "4 orders; each cook can make 2 of 8 dishes, and chops what another needs for them",
        num_dishes=8,
        times_s=((0, 45), (12, 58)),
        cook_us=8 * _S,
        chop_us=5 * _S,
        serve_us=2 * _S,
    ),
    "hard": Level(
        "6 orders, some of what is out of stock; each cook can make 3 of 12 dishes, and some orders are more urgent",
        num_dishes=12,
        times_s=((0, 45), (0, 55), (0, 62)),
        cook_us=4 * _S,
        chop_us=3 * _S,
        serve_us=2 * _S,
        num_out=3,
    ),
}


@dataclass(frozen=True)
class Station:
    """What one cook can do."""

    dishes: tuple[str, ...]
    needs: dict[str, str]
    """The chopped thing that each dish needs; empty where dishes are made in one step."""
    things: tuple[str, ...]
    """What it can chop: what the dishes of the cook before it need."""
    out: tuple[str, ...]
    """Those of the dishes that are out of stock."""

    def described(self, num_each: int) -> str:
        """As its cook is told it."""
        dishes = [f"{dish} (needs {self.needs[dish]})" if self.needs else dish for dish in self.dishes]
        lines = [f"You can cook {num_each} of these: {', '.join(dishes)}."]
        if self.things:
            lines.append(f"You can chop {num_each} of these: {', '.join(self.things)}.")
        if self.out:
            lines.append(f"Out of stock today: {', '.join(self.out)}.")
        return "\n".join(lines)

    def names(self, verb: str) -> tuple[str, ...]:
        """What can be cooked, or chopped, here."""
        return self.dishes if verb == "cook" else self.things

    def obstacle(self, verb: str, what: str, done: Collection[str], num_left: int) -> str:
        """Why something cannot be begun, as its cook is told; empty if it can."""
        if what in self.out:
            return f"There is no {what}."
        if verb == "cook" and self.needs and self.needs[what] not in done:
            return f"The {self.needs[what]} are not chopped yet."
        return "" if num_left else f"You have nothing left to {verb}."

    def blind_plan(self, num_each: int) -> list[str]:
        """The commands of a cook who hears nothing: whoever chops for another begins with the alphabet, as it knows."""
        things = sorted(self.needs.values())[:num_each]
        dishes = [dish for thing in things for dish in self.dishes if self.needs[dish] == thing]
        cooked = [dish for dish in dishes if dish not in self.out] if self.needs else self.dishes[:num_each]
        return [*(f"chop {thing}" for thing in self.things[:num_each]), *(f"cook {dish}" for dish in cooked)]


@dataclass(frozen=True)
class Order:
    """What a guest wants."""

    table: int
    choices: tuple[str, ...]
    """The second is wanted where the first is out of stock."""
    dish: str
    """What it has to be."""
    comes_us: int
    due_us: int

    @property
    def text(self) -> str:
        """As the waiter is told it."""
        wanted = f", or {self.choices[1]} if there is none," if len(self.choices) > 1 else ""
        return f"Table {self.table} wants {self.choices[0]}{wanted} by {self.due_us // _S} s."


@dataclass(frozen=True)
class Evening:
    """Stations by cook, and orders as they come."""

    stations: dict[str, Station]
    orders: tuple[Order, ...]

    @property
    def key(self) -> str:
        """What is ordered, and from which menus: whoever cooks it, at whatever table."""
        menus = [" ".join(station.dishes) for station in self.stations.values()]
        return " | ".join(sorted([*menus, *("/".join(order.choices) for order in self.orders)]))

    @property
    def solution(self) -> str:
        """What every guest has to get, and what it needs."""
        needs = {dish: f" with {thing}" for station in self.stations.values() for dish, thing in station.needs.items()}
        return "\n".join(f"Table {order.table} gets {order.dish}{needs.get(order.dish, '')}." for order in self.orders)


def drawn_evening(level: Level, cooks: Sequence[str], rng: np.random.Generator) -> Evening:
    """Draws stations and orders: for every cook as many as it can make, each for another dish."""
    dishes, things = _dealt(DISHES, level.num_dishes, cooks, rng), _dealt(THINGS, level.num_dishes, cooks, rng)
    stations = {}
    left: dict[str, Iterator[str]] = {}  # of the dishes in stock, those that nobody has ordered yet
    for place, cook in enumerate(cooks):
        needed, in_order = shuffled(things[place], rng), shuffled(dishes[place], rng)
        stations[cook] = Station(
            dishes=dishes[place],
            needs=dict(zip(dishes[place], needed, strict=True)) if level.chop_us else {},
            things=things[place - 1] if level.chop_us else (),
            out=tuple(sorted(in_order[: level.num_out])),
        )
        left[cook] = iter(in_order[level.num_out :])
    missing = {cook: iter(shuffled(station.out, rng)) for cook, station in stations.items()}
    tables = iter(shuffled(TABLES, rng))
    orders = []
    for comes_s, due_s in level.times_s:
        for place, cook in enumerate(cooks):
            other = cooks[(place + 1) % len(cooks)]
            dish = next(left[cook])
            choices: tuple[str, ...] = (dish,)
            if level.num_out:
                choices = (next(missing[other]), dish) if rng.integers(2) else (dish, next(left[other]))
            orders.append(Order(next(tables), choices, dish, comes_s * _S, due_s * _S))
    return Evening(stations, tuple(sorted(orders, key=lambda order: (order.comes_us, order.table))))


def _dealt(words: Sequence[str], count: int, cooks: Sequence[str], rng: np.random.Generator) -> list[tuple[str, ...]]:
    """So many of the words for each cook, in alphabetical order."""
    in_order = shuffled(words, rng)
    return [tuple(sorted(in_order[place * count : (place + 1) * count])) for place in range(len(cooks))]
