"""Meeting: everybody sees only its own calendar, and one has to book the one time that suits all.

| | |
|---|---|
| id | `collab/meeting-v0` |
| agents | `member_0`, `member_1`, `booker_0`; or any team of three to seven of whom the last alone `answers` |
| D | the members together, then the booker, who reads all of them |
| observation | the agent's own free times; later only what it is asked for |
| action | booker: its last line has one time, such as `14`, `Tue 14` or `Tue 14:30`; members: any text |
| reward | at the end, to the whole team: 0, or 1 for the time that suits all |
| horizon | 1 round, an option; the right time terminates, the horizon truncates |
| recall | team |
| levels | easy, standard, hard |
| split | train and test |
| source | calendars drawn at random |
| silent | easy 0.250, standard 0.100, hard 0.050: the booker guesses one of its own times |
| info | `met`: 1 if the time was right, else 0; `possible`: 1 if it suited the booker at least |
| versions | v0: the first |

Why a team: calendars are drawn so that to an agent who sees the booker's alone, all times in it are equally likely. Of
hours, which are drawn without putting back, any could have been dealt as the one that is everybody's. Of intervals, day
and place are drawn apart from where they begin. So a silent booker is right with probability 1 / 4, 1 / 10 or
1 / (5 * 4), times the rounds that it may try in. Hearing all but one is not enough either: with hours, times are left
that suit everybody but that one, 1 at the easy level and 3 at the standard level.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np

from marft_envs.collab.worlds.calendars import Hours, Zones, stated_time
from marft_envs.dependencies import Dependencies
from marft_envs.errors import TeamFileError
from marft_envs.flex_mg import BaseOptions, FlexMG
from marft_envs.hooks import SILENCE
from marft_envs.records import Outcome

LEAST, MOST = 3, 7
"""Agents: hours have to be found that suit all but one, for each of them."""
WEEK = ("Mon", "Tue", "Wed", "Thu", "Fri")
TELL = "Tell the booker when you are free."
WRONG = "judge: That time does not suit everybody. Try again."


@dataclass(frozen=True)
class Level:
    """One row of the table of levels."""

    summary: str
    calendars: Hours | Zones
    request: str
    """To the booker. Examples are of a day that no meeting is on."""


LEVELS = {
    "easy": Level(
        "hours of one day, four free ones each",
        Hours(("",), range(6, 24), traps=1, own=1),
        "Which hour suits all of you? Reply with only the number.",
    ),
    "standard": Level(
        "hours of five days, ten free ones each",
        Hours(WEEK, range(9, 18), traps=3, own=3),
        "Which hour suits all of you? Reply with only the day and the hour, such as Sun 3.",
    ),
    "hard": Level(
        "two hours within free intervals of five days, told by clocks of several time zones",
        Zones(WEEK, range(16, 34), slack=3),
        "When can you all meet for two hours? Reply with only the day and time at which it begins, in UTC, such as "
        "Sun 3:30.",
    ),
}


class Meeting(FlexMG):
    """A team has `horizon` rounds to find the time at which everybody is free."""

    metadata = {"name": "meeting_v0"}  # noqa: RUF012  # PettingZoo declares it so
    default_team = "meeting"
    levels = tuple(LEVELS)
    reward_range = (0.0, 1.0)
    source = "collab_meeting"

    def __init__(self, *, horizon: int = 1, **base: Unpack[BaseOptions]) -> None:
        """Raises: OptionError, TeamFileError."""
        super().__init__(horizon=horizon, **base)
        *members, booker = self.possible_agents
        if not LEAST <= len(self.profiles) <= MOST or [self.profiles[booker]] != [
            profile for profile in self.profiles.values() if profile.answers
        ]:
            raise TeamFileError(
                f"the team is {', '.join(self.profiles)}; a meeting is for {LEAST} to {MOST} agents, of whom only the "
                "last 'answers: true'"
            )
        self.reading = Dependencies(self.possible_agents, [(member, booker) for member in members])

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws everybody's calendar."""
        self.setting = LEVELS[str(self.level)]
        self.calendars = self.setting.calendars.draw(rng, len(self.possible_agents))

    def dependencies_for(self, round: int) -> Dependencies:
        """The members together, and the booker behind them."""
        return self.reading

    def told(self, agent: str) -> str:
        """An agent's calendar, in words."""
        return self.calendars.told[self.possible_agents.index(agent)]

    def view(self, agent: str) -> str:
        """Its own calendar, and what it is asked for; later only that."""
        request = self.setting.request if self.profiles[agent].answers else TELL
        return f"{self.told(agent)}\n{request}" if self.round == 0 else request

    def act(self, agent: str, action: str) -> Outcome | None:
        """Judges the booker's time; what the members write is only read."""
        if not self.profiles[agent].answers:
            return None
        time = stated_time(action)
        met = time == stated_time(self.calendars.meeting)
        return Outcome(
            rewards=float(met),
            terminated=met,
            feedback=None if met else WRONG,
            info={"met": int(met), "possible": int(time in map(stated_time, self.calendars.possible))},
        )

    def hidden(self) -> str:
        """The time that suits all."""
        return self.calendars.meeting

    def instance_key(self) -> str:
        """All calendars, sorted: it is the same puzzle whoever has which."""
        return " | ".join(sorted(self.calendars.told))

    def reference_action(self, agent: str) -> str:
        """A member tells its calendar, the booker answers."""
        if self.profiles[agent].answers:
            return self.calendars.meeting
        return self.told(agent).replace("You are", "I am").replace("Your", "My").replace("you are", "I am")

    def silent_action(self, agent: str) -> str:
        """One after the other of the booker's own times. Proven: none is likelier than another, as the module says."""
        possible = self.calendars.possible
        return possible[self.round % len(possible)] if self.profiles[agent].answers else ""

    def choices(self, agent: str) -> Sequence[str]:
        """A member tells its calendar or says nothing; the booker names one of its own times, in their order."""
        if self.profiles[agent].answers:
            return self.calendars.possible
        return (self.reference_action(agent), SILENCE)

    def gradable(self, agent: str, action: str) -> bool | None:
        """Whether the booker states one time; what the members write is only read."""
        return stated_time(action) is not None if self.profiles[agent].answers else None

    def answer(self) -> str | None:
        """The time that was booked last."""
        return stated_time(self.last_words(self.possible_agents[-1]) or "")
