"""What a good waiter and good cooks say and do, given only what they have been told and have heard."""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from marft_envs.collab.worlds.cookery import THINGS, Order, Station

_S = 1_000_000
_NEEDED = re.compile(r"i need (\w+) for ([0-9]{1,6}) s\.")


class Intent(NamedTuple):
    """What an agent would write."""

    says: list[str]
    """All that others should know, whether it has been said or not."""
    commands: list[str]
    """All that it could do now, the most urgent first."""


def told_done(what: str) -> str:
    """What is said of a dish that is ready, or of something that is chopped."""
    return f"The {what} are chopped." if what in THINGS else f"The {what} is ready."


def told_needed(thing: str, due_us: int) -> str:
    """What a cook says who needs something chopped for an order that is due then."""
    return f"I need {thing} for {due_us // _S} s."


def told_out(dish: str) -> str:
    """What a cook says of a dish that is out of stock."""
    return f"There is no {dish}."


def waiter_would(orders: Sequence[Order], words: str) -> Intent:
    """Tells the orders, and serves what it has heard to be ready.

    Args:
        orders: Those that are open.
        words: What it has heard, in lower case, as in `cook_would`.
    """
    ready = [order for order in orders if any(told_done(dish).lower() in words for dish in order.choices)]
    return Intent([order.text for order in orders], [f"serve {order.table}" for order in by_due(ready)])


def cook_would(
    station: Station, orders: Sequence[Order], begun: Sequence[str], done: Collection[str], words: str
) -> Intent:
    """Tells what is missing, what it needs and what it has done; cooks what it can, and else chops what others need.

    Args:
        station: Its own.
        orders: All there are; those that it has heard of count.
        begun: Its own commands.
        done: What has come of them, and may have of others', of which it takes no notice.
        words: What it has heard.
    """
    heard_of = by_due(order for order in orders if order.text.lower() in words)
    says = [told_out(order.choices[0]) for order in heard_of if order.choices[0] in station.out]
    says += [told_done(what) for _, what in map(str.split, begun) if what in done]
    commands = []
    for order in heard_of:
        is_first_out = told_out(order.choices[0]).lower() in words
        for dish in order.choices[: 1 + is_first_out]:
            if dish not in station.dishes or dish in station.out:
                continue
            if not station.needs:
                commands.append(f"cook {dish}")
                continue
            says.append(told_needed(station.needs[dish], order.due_us))
            if told_done(station.needs[dish]).lower() in words:
                commands.append(f"cook {dish}")
    due_s = {thing: int(number) for thing, number in _NEEDED.findall(words)}
    asked = sorted([thing for thing in station.things if thing in due_s], key=lambda thing: due_s[thing])
    commands += [f"chop {thing}" for thing in asked]
    return Intent(says, [command for command in commands if command not in begun])


def by_due(orders: Iterable[Order]) -> list[Order]:
    """The most urgent first."""
    return sorted(orders, key=lambda order: order.due_us)
