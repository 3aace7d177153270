"""An evening in the kitchen as it goes: what has come, what is begun and done, and what plays make of that."""

import re
from collections.abc import Sequence

from marft_envs.collab.worlds.commands import Command, commanded
from marft_envs.collab.worlds.cookery import Evening, Level, Order
from marft_envs.collab.worlds.kitchen_talk import Intent, by_due, cook_would, told_done, waiter_would
from marft_envs.grading.choices import named_choices

WAITS = "Patience."
"""What a waiter who hears nothing says until it is time to serve."""
_TIME = re.compile(r"\bit is ([0-9]+) s\.")


class Shift:
    """An evening as it goes. Whoever is no cook is the waiter."""

    def __init__(self, level: Level, evening: Evening) -> None:
        self.level = level
        self.evening = evening
        self.begun: dict[str, list[str]] = {cook: [] for cook in evening.stations}
        """By cook: the commands that it has begun, such as `cook soup`."""
        self.done: set[str] = set()
        """What has come of them: dishes that are ready, and things that are chopped."""
        self.open = [order for order in evening.orders if order.comes_us == 0]
        """The orders that have come, and are neither served nor lost."""
        self.num_served = self.num_lost = 0

    @property
    def is_over(self) -> bool:
        """Whether every order is served or lost."""
        return self.num_served + self.num_lost == len(self.evening.orders)

    @property
    def shares(self) -> dict[str, float]:
        """Of the orders."""
        count = len(self.evening.orders)
        return {"served": self.num_served / count, "lost": self.num_lost / count}

    def command(self, agent: str, action: str) -> Command | None:
        """What an agent does, and behind that the one thing that it names; nothing if it names none or several."""
        station = self.evening.stations.get(agent)
        command = commanded(action, self.level.verbs if station else ("serve",))
        if command is None:
            return None
        names: Sequence[str] = [str(order.table) for order in self.open]
        if station:
            names = station.names(command.verb)
        named = named_choices(command.rest, names) if names else []
        return Command(command.verb, named[0] if len(named) == 1 else "")

    def begin(self, cook: str, verb: str, what: str) -> str:
        """Lets a cook begin. Returns why it cannot, as it is told; empty if it can."""
        num_left = self.level.num_each - sum(command.startswith(verb) for command in self.begun[cook])
        obstacle = self.evening.stations[cook].obstacle(verb, what, self.done, num_left)
        if not obstacle:
            self.begun[cook].append(f"{verb} {what}")
        return obstacle

    def serve(self, table: str) -> str:
        """Brings the table what it wants. Returns what is told of it; empty if that is not ready."""
        order = next(order for order in self.open if str(order.table) == table)
        if order.dish not in self.done:
            return ""
        self.open.remove(order)
        self.num_served += 1
        return served(order)

    def lose(self, order: Order) -> bool:
        """Whether the order, which is due, was not served."""
        if order not in self.open:
            return False
        self.open.remove(order)
        self.num_lost += 1
        return True

    def intent(self, agent: str, words: str, told: str) -> Intent:
        """What a good agent would say and do that has heard these words, and was told so much by the kitchen."""
        evening = self.evening
        if agent not in evening.stations:
            return waiter_would(self._open_to(told), words)
        done = [what for _, what in map(str.split, self.begun[agent]) if told_done(what).lower() in told]
        return cook_would(evening.stations[agent], evening.orders, self.begun[agent], done, words)

    def _open_to(self, told: str) -> list[Order]:
        """The orders that are open as far as the waiter was told, which may be less than has happened since."""
        return [
            order
            for order in self.evening.orders
            if order.text.lower() in told and not any(text.lower() in told for text in (served(order), left(order)))
        ]

    def tells(self, agent: str, told: str) -> str:
        """All that an agent can tell the others that was told so much: open orders, or what is ready."""
        if agent not in self.evening.stations:
            return " ".join(order.text for order in self._open_to(told)) or "wait"
        ready = [told_done(dish) for dish in self.evening.stations[agent].dishes if told_done(dish).lower() in told]
        return " ".join(ready) or "wait"

    def blind_action(self, agent: str, said: str, told: str) -> str:
        """What an agent does that hears nothing, has said so much itself, and was told so much by the kitchen."""
        if agent in self.evening.stations:
            plan = self.evening.stations[agent].blind_plan(self.level.num_each)
            return next((command for command in plan if command not in self.begun[agent]), "wait")
        times_s, wanted = _TIME.findall(told), self._open_to(told)
        if not times_s or int(times_s[-1]) < self.level.silent_s or not wanted:
            return WAITS
        least_tried = min(by_due(wanted), key=lambda order: f"{said} ".count(f"serve {order.table} "))
        return f"serve {least_tried.table}"


def served(order: Order) -> str:
    """What the waiter is told of an order that it has served."""
    return f"Table {order.table} is served."


def left(order: Order) -> str:
    """What it is told of one that came too late."""
    return f"Table {order.table} has left."
