"""Search party: scouts search a building at the same time, and each knows where another's thing is.

| | |
|---|---|
| id | `collab/search_party-v0` |
| agents | `scout_0`, `scout_1`, `scout_2`, `scout_3`; or any team of two or more |
| D | the clock's: who acts reads all that had been said when its turn opened |
| observation | the own wing's rooms, clues about other wings' things, later what the own searches found |
| action | a last line such as `search attic`, on hard with a door code; `wait`; all else is talk |
| reward | the share of all things that are found, paid as they are, to the whole team: from 0 to 1 |
| horizon | 40 seconds, an option; the last thing found terminates, the horizon truncates |
| recall | team |
| levels | easy, standard, hard |
| split | train and test |
| source | rooms, things and clues drawn at random |
| silent | easy 0.333, standard 0.167, hard 0.0501: every scout searches as many of its rooms as it has time for |
| info | `found`: share of the things; `searches`: how many were begun |
| versions | v0: the first |

A search takes 16 seconds, on hard 12.5, in which the scout hears and says nothing. On hard every other scout's rooms
are locked; the code stands on what somebody else finds, and a wrong code looks like a wrong room. Talk takes time, too.

Why a team: things, rooms and codes of different wings are independent, so whoever hears nothing can only guess. In 40
seconds it searches two rooms: 2 of 6, 2 of 12, and on hard half of the scouts 2 of 20, the others 2 of 20 times 900.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from marft_envs.clock import ClockMG
from marft_envs.collab.worlds.building import CODES, LEVELS, THINGS, Building, drawn_building
from marft_envs.collab.worlds.commands import commanded, one_number
from marft_envs.collab.worlds.hearing import has_waited_in_vain, heard, messages_since_reset, said
from marft_envs.errors import TeamFileError
from marft_envs.flex_mg import BaseOptions
from marft_envs.grading.choices import named_choices
from marft_envs.records import Outcome

VERBS = ("search",)
SIZES = range(2, len(THINGS) + 1)
Attempt = tuple[str, int | None]
"""(room, door code): what a scout tries. The code is None where the rooms are not locked, or none was named."""


def _search(room: str, code: int | None) -> str:
    return f"search {room}" if code is None else f"search {room} {code}"


class SearchParty(ClockMG):
    """Scouts tell each other where to look."""

    metadata = {"name": "search_party_v0"}  # noqa: RUF012  # PettingZoo declares it so
    default_team = "search_party"
    levels = tuple(LEVELS)
    reward_range = (0.0, 1.0)
    source = "search_party"

    building: Building
    attempts: dict[str, list[Attempt]]
    found: set[str]
    """The scouts who have found their thing."""

    def __init__(self, *, horizon: int = 40, **base: Unpack[BaseOptions]) -> None:
        """Raises: OptionError, TeamFileError."""
        super().__init__(horizon=horizon, **base)
        if len(self.profiles) not in SIZES:
            raise TeamFileError(f"the team is {', '.join(self.profiles)}; a party is of 2 to {SIZES[-1]}")

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws what there is to find, and who knows what."""
        self.building = drawn_building(LEVELS[str(self.level)], self.possible_agents, rng)
        self.attempts = {scout: [] for scout in self.possible_agents}
        self.found = set()

    def view(self, agent: str) -> str:
        """First its rooms and clues, and later a short request."""
        wing, is_locked = self.building.wings[agent], agent in self.building.codes
        if agent in self.found:
            return 'Tell what you know, or reply "wait".'
        how = '"search", the room and the code' if is_locked else '"search" and the room'
        if self.now_us:
            return f'Where is the {wing.thing}? Reply {how}, or "wait".'
        locked = " They are locked with a code." if is_locked else ""
        known = "".join(f"You know: {text}\n" for text in self.building.knows[agent])
        return (
            f"Find the {wing.thing}. Your rooms: {wing.described}.{locked}\n{known}"
            f"Tell the others what you know. Once you hear where the {wing.thing} is, reply {how}."
        )

    def act(self, agent: str, action: str) -> Outcome | None:
        """Begins a search, if the last line is one; all else is talk."""
        command = commanded(action, VERBS)
        if command is None or agent in self.found:
            return None
        rooms = named_choices(command.rest, self.building.wings[agent].rooms)
        if len(rooms) != 1:
            return Outcome(feedback={agent: "To search, name one of your rooms."})
        code = one_number(command.rest) if agent in self.building.codes else None
        self.attempts[agent].append((rooms[0], code))
        ends_us = self.now_us + LEVELS[str(self.level)].search_us
        self.busy(agent, ends_us - self.now_us)
        if ends_us < self.horizon_us:  # what would end later does not count
            self.at(ends_us, agent)
        return Outcome(info={"searches": sum(map(len, self.attempts.values()))})

    def happen(self, event: str) -> Outcome:
        """A search has come to its end; the event is the scout's name."""
        building = self.building
        wing, room = building.wings[event], self.attempts[event][-1][0]
        if self.attempts[event][-1] != (wing.place, building.codes.get(event)):
            locked = ", or the code is wrong" if event in building.codes else ""
            return Outcome(feedback={event: f"The {wing.thing} is not in the {room}{locked}."})
        self.found.add(event)
        note = f" On it stands: {building.notes[event]}" if event in building.notes else ""
        return Outcome(
            rewards=1.0 / len(building.wings),
            terminated=len(self.found) == len(building.wings),
            feedback={event: f"You have found the {wing.thing}.{note}"},
            info={"found": len(self.found) / len(building.wings)},
        )

    def hidden(self) -> str:
        """Where everything is, and all codes."""
        building = self.building
        places = [f"The {wing.thing} is in the {wing.place}." for wing in building.wings.values()]
        return "\n".join([*places, *building.notes.values()])

    def instance_key(self) -> str:
        """What is where: whoever searches for it, and whoever knows."""
        return " | ".join(sorted(f"{wing.thing} {wing.place}" for wing in self.building.wings.values()))

    def reference_action(self, agent: str) -> str:
        """Tells all it knows, waits until what it has heard leaves one room, and searches that.

        Where all the others wait, too, and it has not been told enough, it guesses among what is left.
        """
        messages, building = messages_since_reset(self, agent), self.building
        knows = building.known_to(agent, has_found=agent in self.found)
        untold = [text for text in knows if text.lower() not in said(messages)]
        if untold or agent in self.found:
            return " ".join(untold) or "wait"
        is_coded = building.is_coded(agent, heard(messages))
        guess = building.codes.get(agent) if is_coded else CODES[0]
        tried = [room for room, tried in self.attempts[agent] if tried == guess]
        left = [room for room in building.left_open(agent, heard(messages)) if room not in tried]
        is_certain = is_coded and len(left) == 1
        return _search(left[0], guess) if is_certain or (left and has_waited_in_vain(messages)) else "wait"

    def silent_action(self, agent: str) -> str:
        """Searches its rooms one after the other. Proven: what it is told does not depend on where its thing is.

        So every room, with every code, is as likely as any other that it has not tried.
        """
        rooms, number = self.building.wings[agent].rooms, len(self.attempts[agent])
        if agent in self.found:
            return "wait"
        code = CODES[number // len(rooms) % len(CODES)] if agent in self.building.codes else None
        return _search(rooms[number % len(rooms)], code)

    def choices(self, agent: str) -> Sequence[str]:
        """It waits, tells all it knows, or searches one of its rooms, in the order in which it was told them.

        Raises: NotImplementedError at hard, where a door takes a code out of 900.
        """
        if LEVELS[str(self.level)].is_locked:
            raise NotImplementedError(
                f"at level {self.level!r} there are {len(CODES)} codes for every room to choose from"
            )
        tells = " ".join(self.building.known_to(agent, has_found=agent in self.found))
        return ["wait", tells, *(_search(room, None) for room in self.building.wings[agent].rooms)]

    def gradable(self, agent: str, action: str) -> bool | None:
        """Whether a line that begins with `search` names one room; all else is only read."""
        command = commanded(action, VERBS)
        return None if command is None else len(named_choices(command.rest, self.building.wings[agent].rooms)) == 1
