"""Kitchen: a waiter hears what guests want and by when, and only the cooks know what there is, and what it takes.

| | |
|---|---|
| id | `collab/kitchen-v0` |
| agents | `waiter_0`, `cook_0`, `cook_1`; or any team of two cooks and a waiter, who alone `answers` |
| D | the clock's: who acts reads all that had been said when its turn opened |
| observation | the waiter: orders as they come; a cook: what it can make, and when it is done |
| action | a last line such as `serve 4`, `cook soup`, above easy `chop leeks`; `wait`; all else is talk |
| reward | for each order that is served before it is due its share, to the whole team: from 0 to 1 in total |
| horizon | 70 seconds, an option; the last order that is served or lost terminates, the horizon truncates |
| recall | team |
| levels | easy, standard, hard |
| split | train and test |
| source | menus, stocks and orders drawn at random |
| silent | easy 0.25, standard 0.25, hard 0.25: cooks make as many dishes as they have food for, and the waiter tries |
| info | `served`: share of the orders; `lost`: share that was too late |
| versions | v0: the first |

A cook has food for just as many dishes as are ordered from it, so no wrong one can be made up for. Above easy a dish
needs something chopped, as only its cook knows, and another cook has to chop it. On hard some dishes are out of stock,
as only their cooks know, and guests then want something else, from another cook. Everything takes time, talk too.

Why a team: which dishes are ordered, and what they need, is independent of what those who cook and chop are told. So
whoever hears nothing picks any: of four dishes one, of eight things two, of twelve three, and all orders fare alike.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from marft_envs.clock import ClockMG
from marft_envs.collab.worlds.commands import Command, commanded
from marft_envs.collab.worlds.cookery import LEVELS, Evening, Level, Order, drawn_evening
from marft_envs.collab.worlds.hearing import heard, said
from marft_envs.collab.worlds.kitchen_talk import by_due, cook_would, told_done, waiter_would
from marft_envs.errors import TeamFileError
from marft_envs.flex_mg import BaseOptions
from marft_envs.grading.choices import named_choices
from marft_envs.records import Outcome

NUM_COOKS = 2
_S = 1_000_000


class Kitchen(ClockMG):
    """A waiter and cooks serve what guests order."""

    metadata = {"name": "kitchen_v0"}  # noqa: RUF012  # PettingZoo declares it so
    default_team = "kitchen"
    levels = tuple(LEVELS)
    reward_range = (0.0, 1.0)
    source = "kitchen"

    evening: Evening
    begun: dict[str, list[str]]
    """By cook: the commands that it has begun, such as `cook soup`."""
    done: set[str]
    """What has come of them: dishes that are ready, and things that are chopped."""
    open: list[Order]
    """The orders that have come, and are neither served nor lost."""
    served: int
    lost: int

    def __init__(self, *, horizon: int = 70, **base: Unpack[BaseOptions]) -> None:
        """Raises: OptionError, TeamFileError."""
        super().__init__(horizon=horizon, **base)
        waiters = [agent for agent, profile in self.profiles.items() if profile.answers]
        self.cooks = [agent for agent in self.possible_agents if agent not in waiters]
        if len(waiters) != 1 or len(self.cooks) != NUM_COOKS:
            raise TeamFileError(
                f"the team is {', '.join(self.profiles)}; a kitchen takes two cooks, and a waiter, who alone "
                "'answers: true'"
            )
        self.waiter = waiters[0]

    @property
    def _level(self) -> Level:
        return LEVELS[str(self.level)]

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws the kitchen, and lets its orders come."""
        self.evening = drawn_evening(self._level, self.cooks, rng)
        self.begun, self.done = {cook: [] for cook in self.cooks}, set()
        self.open, self.served, self.lost = [], 0, 0
        for place, order in enumerate(self.evening.orders):
            if order.comes_us:
                self.at(order.comes_us, f"comes {place}")
            else:
                self.open.append(order)
            self.at(order.due_us, f"due {place}")

    def view(self, agent: str) -> str:
        """First what it knows, and later a short request."""
        level = self._level
        if agent in self.cooks:
            known = self.evening.stations[agent].described(level.num_each)
            return (
                f'Reply {level.does}, or "wait".'
                if self.now_us
                else f'{known}\nReply "wait" until you hear an order. Then reply {level.does}.'
            )
        if self.now_us:
            return f'It is {self.now_us // _S} s. Tell the cooks, or reply "serve" and a table, or "wait".'
        wanted = "\n".join(order.text for order in self.open)
        return f'{wanted}\nTell the cooks. When a dish is ready, reply "serve" and the table.'

    def act(self, agent: str, action: str) -> Outcome | None:
        """Serves, or begins to cook or to chop, if the last line says so; all else is talk."""
        command = self._command(agent, action)
        if command is None:
            return None
        if not command.rest:
            return Outcome(
                feedback={agent: f"Name one {'table' if agent == self.waiter else 'thing'} to {command.verb}."}
            )
        return self._serve(command.rest) if agent == self.waiter else self._make(agent, *command)

    def _command(self, agent: str, action: str) -> Command | None:
        """What it does, and behind that the one thing that it names; nothing if it names none or several."""
        command = commanded(action, ("serve",) if agent == self.waiter else self._level.verbs)
        if command is None:
            return None
        names: Sequence[str] = [str(order.table) for order in self.open]
        if agent != self.waiter:
            names = self.evening.stations[agent].names(command.verb)
        named = named_choices(command.rest, names) if names else []
        return Command(command.verb, named[0] if len(named) == 1 else "")

    def _serve(self, table: str) -> Outcome:
        """Takes to the table what is ready for it, or walks in vain."""
        self.busy(self.waiter, self._level.serve_us)
        order = next(order for order in self.open if str(order.table) == table)
        if order.dish not in self.done:
            return Outcome(feedback={self.waiter: f"Nothing for table {table} is ready."})
        self.served += 1
        return self._closed(order, f"Table {table} is served.", 1.0 / len(self.evening.orders))

    def _closed(self, order: Order, told: str, reward: float = 0.0) -> Outcome:
        self.open.remove(order)
        count = len(self.evening.orders)
        return Outcome(
            rewards=reward,
            terminated=self.served + self.lost == count,
            feedback={self.waiter: told},
            info={"served": self.served / count, "lost": self.lost / count},
        )

    def _make(self, cook: str, verb: str, what: str) -> Outcome | None:
        """Begins, if there is all that it takes."""
        level, begun = self._level, self.begun[cook]
        num_left = level.num_each - sum(command.startswith(verb) for command in begun)
        if obstacle := self.evening.stations[cook].obstacle(verb, what, self.done, num_left):
            return Outcome(feedback={cook: obstacle})
        begun.append(f"{verb} {what}")
        takes_us = level.cook_us if verb == "cook" else level.chop_us
        self.busy(cook, takes_us)
        self.at(self.now_us + takes_us, f"{cook} {what}")
        return None

    def happen(self, event: str) -> Outcome | None:
        """An order comes or is due, or a cook is done with something."""
        what, _, which = event.partition(" ")
        if what in self.cooks:
            self.done.add(which)
            return Outcome(feedback={what: told_done(which)})
        order = self.evening.orders[int(which)]
        if what == "comes":
            self.open.append(order)
            return Outcome(feedback={self.waiter: order.text})
        if order not in self.open:
            return None
        self.lost += 1
        return self._closed(order, f"Table {order.table} has left.")

    def hidden(self) -> str:
        """What every guest has to get, and what it needs."""
        return self.evening.solution

    def instance_key(self) -> str:
        """What is ordered, and from which menus."""
        return self.evening.key

    def reference_action(self, agent: str) -> str:
        """Tells at once what others need to know, and does what is due first, as far as it has heard."""
        messages, evening = self.messages(agent), self.evening
        if agent == self.waiter:
            intent = waiter_would(self.open, heard(messages))
        else:
            begun, words = self.begun[agent], heard(messages)
            intent = cook_would(evening.stations[agent], evening.orders, begun, self.done, words)
        untold = " ".join(text for text in intent.says if text.lower() not in said(messages))
        return "\n".join([*([untold] if untold else []), *intent.commands[:1]]) or "wait"

    def silent_action(self, agent: str) -> str:
        """Cooks chop what comes first in the alphabet, and cook what needs it; the waiter then tries every table.

        Proven: what is ordered does not depend on what cooks are told, nor what it needs on what who chops is told. So
        no choice is better than another; and no more can be made, all of it before the first order is due.
        """
        level = self._level
        if agent != self.waiter:
            plan = self.evening.stations[agent].blind_plan(level.num_each)
            return next((command for command in plan if command not in self.begun[agent]), "wait")
        if self.now_us // _S < level.silent_s or not self.open:
            return "Patience."
        tried = f"{said(self.messages(agent))} "
        return f"serve {min(by_due(self.open), key=lambda order: tried.count(f'serve {order.table} ')).table}"

    def gradable(self, agent: str, action: str) -> bool | None:
        """Whether a line that begins with a command names one thing for it; all else is only read."""
        command = self._command(agent, action)
        return None if command is None else command.rest != ""
