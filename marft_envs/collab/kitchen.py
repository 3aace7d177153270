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
On hard a cook could also tell, by which things it chops, what is out of stock: then three of nine, a third at most.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from marft_envs.clock import ClockMG
from marft_envs.collab.worlds.cookery import LEVELS, drawn_evening
from marft_envs.collab.worlds.hearing import heard, messages_since_reset, said, told
from marft_envs.collab.worlds.kitchen_shift import Shift, left
from marft_envs.collab.worlds.kitchen_talk import told_done
from marft_envs.errors import TeamFileError
from marft_envs.flex_mg import BaseOptions
from marft_envs.records import Outcome

NUM_COOKS = 2


class Kitchen(ClockMG):
    """A waiter and cooks serve what guests order."""

    metadata = {"name": "kitchen_v0"}  # noqa: RUF012  # PettingZoo declares it so
    default_team = "kitchen"
    levels = tuple(LEVELS)
    reward_range = (0.0, 1.0)
    source = "kitchen"

    shift: Shift
    """The evening as it goes."""

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

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws the kitchen, and lets its orders come."""
        level = LEVELS[str(self.level)]
        self.shift = Shift(level, drawn_evening(level, self.cooks, rng))
        for place, order in enumerate(self.shift.evening.orders):
            if order.comes_us:
                self.at(order.comes_us, f"comes {place}")
            self.at(order.due_us, f"due {place}")

    def view(self, agent: str) -> str:
        """First what it knows, and later a short request."""
        level, evening = self.shift.level, self.shift.evening
        if agent == self.waiter:
            if self.now_us:
                return f'It is {self.now_us // 1_000_000} s. Tell the cooks, or reply "serve" and a table, or "wait".'
            wanted = "\n".join(order.text for order in self.shift.open)
            return f'{wanted}\nTell the cooks. When a dish is ready, reply "serve" and the table.'
        if self.now_us:
            return f'Reply {level.does}, or "wait".'
        known = evening.stations[agent].described(level.num_each)
        return f'{known}\nReply "wait" until you hear an order. Then reply {level.does}.'

    def act(self, agent: str, action: str) -> Outcome | None:
        """Serves, or begins to cook or to chop, if the last line says so; all else is talk."""
        command = self.shift.command(agent, action)
        if command is None:
            return None
        verb, what = command
        if not what:
            return Outcome(feedback={agent: f"Name one {'table' if agent == self.waiter else 'thing'} to {verb}."})
        level = self.shift.level
        if agent == self.waiter:
            self.busy(agent, level.serve_us)
            if told_served := self.shift.serve(what):
                return self._settled(told_served, 1.0 / len(self.shift.evening.orders))
            return Outcome(feedback={agent: f"Nothing for table {what} is ready."})
        if obstacle := self.shift.begin(agent, verb, what):
            return Outcome(feedback={agent: obstacle})
        takes_us = level.cook_us if verb == "cook" else level.chop_us
        self.busy(agent, takes_us)
        self.at(self.now_us + takes_us, f"{agent} {what}")
        return None

    def happen(self, event: str) -> Outcome | None:
        """An order comes or is due, or a cook is done with something."""
        what, _, which = event.partition(" ")
        if what in self.cooks:
            self.shift.done.add(which)
            return Outcome(feedback={what: told_done(which)})
        order = self.shift.evening.orders[int(which)]
        if what == "comes":
            self.shift.open.append(order)
            return Outcome(feedback={self.waiter: order.text})
        return self._settled(left(order), 0.0) if self.shift.lose(order) else None

    def _settled(self, told: str, reward: float) -> Outcome:
        shift = self.shift
        return Outcome(rewards=reward, terminated=shift.is_over, feedback={self.waiter: told}, info=shift.shares)

    def hidden(self) -> str:
        """What every guest has to get, and what it needs."""
        return self.shift.evening.solution

    def instance_key(self) -> str:
        """What is ordered, and from which menus."""
        return self.shift.evening.key

    def reference_action(self, agent: str) -> str:
        """Tells at once what others need to know, and does what is due first, as far as it has heard."""
        messages = messages_since_reset(self, agent)
        intent = self.shift.intent(agent, heard(messages), told(messages))
        untold = " ".join(text for text in intent.says if text.lower() not in said(messages))
        return "\n".join([*([untold] if untold else []), *intent.commands[:1]]) or "wait"

    def silent_action(self, agent: str) -> str:
        """Cooks chop what comes first in the alphabet, and cook what needs it; the waiter then tries every table.

        Proven: what is ordered does not depend on what cooks are told, nor what it needs on what who chops is told. So
        no choice is better than another; and no more can be made, all of it before the first order is due. Signals by
        what is chopped are left out: see the module.
        """
        messages = messages_since_reset(self, agent)
        return self.shift.blind_action(agent, said(messages), told(messages))

    def choices(self, agent: str) -> Sequence[str]:
        """At easy: it waits, tells what it was told, or serves or cooks something, in the order in which it knows that.

        Raises: NotImplementedError above easy, where cooks have to agree on what is chopped for which order.
        """
        if self.shift.level.chop_us:
            raise NotImplementedError(f"at level {self.level!r} cooks have to agree on what is chopped for which order")
        known = told(messages_since_reset(self, agent))
        if agent == self.waiter:
            commands = [f"serve {order.table}" for order in self.shift.evening.orders if order.text.lower() in known]
        else:
            commands = [f"cook {dish}" for dish in self.shift.evening.stations[agent].dishes]
        return ["wait", self.shift.tells(agent, known), *commands]

    def gradable(self, agent: str, action: str) -> bool | None:
        """Whether a line that begins with a command names one thing for it; all else is only read."""
        command = self.shift.command(agent, action)
        return None if command is None else command.rest != ""
