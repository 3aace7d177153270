"""Trip: an orchestrator calls a calendar, a location, a ticket and a debug agent, alone or together, to book a trip.

| | |
|---|---|
| id | `collab/trip-v0` |
| agents | `orchestrator_0`, `calendar_0`, `location_0`, `ticket_0`, `debug_0`; or any team of these five roles |
| D | the orchestrator alone; then those it called, together; who used a tool reads its result and goes on |
| observation | what the agent's part is, or what it knows; later what its tool answered |
| action | orchestrator: `call: calendar_0, location_0` or `done`; the others, last line: a tool, or words; see below |
| reward | at the end, to the whole team: 0, or 1 for the right trip, less a twentieth for whatever was too much |
| horizon | 16 rounds, an option; a booking or `done` terminates, the horizon truncates |
| recall | team |
| levels | easy, standard, hard |
| split | train and test |
| source | worlds made by `marft_envs.collab.worlds.travel` |
| silent | easy 0.111, standard 0.0536, hard 0.0202: the ticket agent guesses the city, the day, and what runs |
| info | `booked`: 1 for the right trip; `superfluous`: rounds and specialists' turns beyond those of the plan |
| versions | v0: the first |

The tools: calendar `free`; location `find beach`; ticket `search Rome Tuesday`, `book 141` (two legs: two numbers);
debug `check`, which tells of the latest search what is sold out or does not run. At easy there are none: agents are
told what they know, and the ticket agent names a city and a day. A booking is final. Who calls nobody loses a round.

The plan calls calendar and location together, then ticket; at hard, where the orchestrator knows the budget and debug
alone what runs, also debug and ticket again. It takes 4 rounds at easy, 6 to 8 at standard, 11 to 13 at hard, by how
many free days have to be searched. Every round beyond it, and every turn of a specialist, costs a twentieth: so does
calling one after the other (two rounds) or everybody. Nothing is paid for being faster.

Why a team: the wishes, what cities have, when the traveller is free and what can be booked are four agents' knowledge,
and the first three are independent of the fourth, but for this: some free day is right. So the ticket agent alone
guesses 1 of 3 cities and of 3 days; 1 of 8 cities, and one of 3 free days out of 7; at hard a day within the budget,
which is free with the probability 15/31, and besides 1 of 3 connections that look alike: 15/744.
Source: the motivating example of MARFT (arXiv 2504.16129). Deviates: the world, the tools and the reward are ours.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Unpack

import numpy as np

from marft_envs.calling import called
from marft_envs.collab.worlds.travel import LEVELS, numbers
from marft_envs.collab.worlds.travel_drawing import draw
from marft_envs.collab.worlds.travel_playing import guessed_ticket, planned, planned_leader, planned_ticket
from marft_envs.collab.worlds.travel_tools import answered, booked, briefing, request, searched
from marft_envs.dependencies import Dependencies
from marft_envs.errors import TeamFileError
from marft_envs.flex_mg import BaseOptions, FlexMG
from marft_envs.grading.answers import last_line
from marft_envs.hooks import SILENCE
from marft_envs.records import Outcome

SPECIALISTS = ("calendar", "location", "ticket", "debug")
LEADER, TICKET = "orchestrator_0", "ticket_0"
PRICE = 0.05
"""For every superfluous round or turn."""
LOST = "judge: Nobody was called."


class Trip(FlexMG):
    """An orchestrator decides who of four specialists works; the ticket agent's booking ends the episode."""

    metadata = {"name": "trip_v0"}  # noqa: RUF012  # PettingZoo declares it so
    default_team = "trip"
    levels = tuple(LEVELS)
    recall = "team"
    reward_range = (0.0, 1.0)
    source = "travel"

    def __init__(self, *, horizon: int = 16, **base: Unpack[BaseOptions]) -> None:
        """Raises: OptionError, TeamFileError."""
        super().__init__(horizon=horizon, **base)
        self.specialists = [agent for agent in self.possible_agents if agent != LEADER]
        if sorted(self.possible_agents) != sorted([LEADER, *(f"{role}_0" for role in SPECIALISTS)]):
            raise TeamFileError(
                f"the team is {', '.join(self.profiles)}; a trip takes one agent of each of the roles orchestrator, "
                f"{', '.join(SPECIALISTS)}"
            )

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws a world."""
        self.world = draw(LEVELS[str(self.level)], rng)
        self._searches: list[tuple[str, str]] = []
        self._results: dict[str, str] = {}
        self._called: list[str] = []

    def dependencies_for(self, round: int) -> Dependencies:
        """The orchestrator; those it called, together; of these, whoever used a tool."""
        return Dependencies.together([agent for agent in self.possible_agents if agent in self._called] or [LEADER])

    def view(self, agent: str) -> str:
        """Its part, at its first turn, and what it is asked for."""
        role = self.profiles[agent].role
        asked = request(self.world, role)
        return asked if self.has_acted(agent) else f"{briefing(self.world, role)}\n{asked}"

    def act(self, agent: str, action: str) -> Outcome | None:
        """Reads whom the orchestrator calls, a booking, or the use of a tool; other words are only heard."""
        if agent in self._called:
            self._called.remove(agent)
        if agent == LEADER:
            call = called(action, self.specialists)
            if call is None:
                return Outcome(feedback={agent: LOST})
            self._called = list(call.agents)
            return self._ended("No trip was booked.") if call.is_done else None
        line = last_line(action)
        if agent == TICKET:
            if trip := booked(self.world, line):
                return self._ended(self.world.fault(trip))
            if search := searched(self.world, line):
                self._searches.append(search)
        latest = self._searches[-1] if self._searches else None
        result = answered(self.world, self.profiles[agent].role, line, latest)
        if result is None:
            return None
        self._called.append(agent)  # it reads the result, and goes on
        self._results[agent] = result
        return Outcome(feedback={agent: result})

    def _ended(self, fault: str) -> Outcome:
        """Pays for a trip without a fault, less what was superfluous."""
        rounds, turns = self.world.plan
        worked = sum(turn.agent != LEADER for turn in self.turns)
        superfluous = max(self.round + 1 - rounds, 0) + max(worked - turns, 0)
        return Outcome(
            rewards=0.0 if fault else max(1.0 - PRICE * superfluous, 0.0),
            terminated=True,
            feedback=f"judge: {fault or 'The trip is booked.'}",
            info={"booked": int(not fault), "superfluous": superfluous},
        )

    def hidden(self) -> str:
        """City, days, and what runs."""
        trips = [f"{day} {numbers(trip)}" for day in self.world.free if (trip := self.world.right_trip(day))]
        return f"{self.world.city}: {', '.join(trips)}"

    def instance_key(self) -> str:
        """What the right trip follows from."""
        return self.world.key

    def reference_action(self, agent: str) -> str:
        """Follows the plan."""
        if agent == TICKET:
            return planned_ticket(self.world, self._searches, is_checked="debug_0" in self._results)
        if agent != LEADER:
            return planned(self.world, self.profiles[agent].role, self._results.get(agent))
        return planned_leader(self.world, {turn.agent for turn in self.turns})

    def silent_action(self, agent: str) -> str:
        """The orchestrator calls the ticket agent, which guesses city and day. Proven: no other knowledge reaches it.

        It searches the first city, day by day, until there are seats for the way back; at hard every day, because the
        cheapest trip of all is within the budget. So the day has as good a chance as any can have.
        """
        if agent == TICKET:
            return guessed_ticket(self.world, self._searches)
        return "call: ticket_0" if agent == LEADER else "I wait."

    def choices(self, agent: str) -> Sequence[str]:
        """At easy: any call, or the end; on which day, which city; city and day to book, as the agent was told them.

        Raises: NotImplementedError above easy, where what tools answer decides what there is to say.
        """
        if self.world.level.has_tools:
            raise NotImplementedError(f"at level {self.level!r} what can be said follows from what tools answer")
        if agent == LEADER:
            some = [names for size in range(1, len(SPECIALISTS) + 1) for names in combinations(self.specialists, size)]
            return [*(f"call: {', '.join(names)}" for names in some), "done"]
        if agent == TICKET:
            return [f"{city} {day}" for city in self.world.cities for day in self.world.days]
        role = self.profiles[agent].role
        tells = [f"{city} fits." for city in self.world.cities]
        return [*(tells if role == "location" else [planned(self.world, role, None)]), SILENCE]

    def gradable(self, agent: str, action: str) -> bool | None:
        """Whether the orchestrator calls somebody, and the ticket agent's booking or search names what it needs."""
        if agent == LEADER:
            return called(action, self.specialists) is not None
        line = last_line(action)
        if agent != TICKET or (self.world.level.has_tools and answered(self.world, "ticket", line, None) is None):
            return None
        return bool(booked(self.world, line) or searched(self.world, line))

    def answer(self) -> str | None:
        """City, day and numbers of what was booked."""
        trip = booked(self.world, last_line(self.last_words(TICKET) or ""))
        return f"{trip[-1].city} on {trip[-1].day}: {numbers(trip)}" if trip else None
