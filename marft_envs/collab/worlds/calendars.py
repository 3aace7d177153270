"""Calendars in which one time suits everybody: lists of free hours, or free intervals on clocks of several time zones.

Both are drawn so that the agent whose calendar comes last, and who sees no other, finds every time in it that a meeting
could take equally likely: no guess of its is better than another.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from marft_envs.grading.answers import last_line

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY = re.compile(r"\b(mon|tue|wed|thu|fri|sat|sun)(?:s|rs?|[a-z]{0,4}day)?\b", re.IGNORECASE)
_TIME = re.compile(r"(?<![\w:.,])([0-9]{1,2})(?::([0-9]{2}))?(?![\w:]|[.,][0-9])")


@dataclass(frozen=True)
class Calendars:
    """What everybody knows, and the time that all of it leaves."""

    told: tuple[str, ...]
    """For each agent its free times, in words."""
    meeting: str
    """The time that suits all, as it is booked: `14`, `Tue 14` or `Tue 14:30`."""
    possible: tuple[str, ...]
    """All times in the last calendar that a meeting could take, in the same form."""


@dataclass(frozen=True)
class Hours:
    """Free hours, of which one is everybody's; for every agent there are `traps` that suit all others but not it."""

    days: tuple[str, ...]
    """One without a name where there is only one."""
    hours: range
    traps: int
    own: int
    """Hours that suit nobody else, for each."""

    def num_slots(self, num_agents: int) -> int:
        """How many different hours stand in any of the calendars."""
        return 1 + num_agents * (self.traps + self.own)

    def num_free(self, num_agents: int) -> int:
        """Of which in each."""
        return 1 + (num_agents - 1) * self.traps + self.own

    def draw(self, rng: np.random.Generator, num_agents: int) -> Calendars:
        """Deals slots that are drawn without putting back, so that what is one's own tells nothing of its slots."""
        slots = [(day, hour) for day in range(len(self.days)) for hour in self.hours]
        drawn = rng.choice(len(slots), size=self.num_slots(num_agents), replace=False).tolist()
        meeting, *rest = [slots[place] for place in drawn]
        free = [[meeting] for _ in range(num_agents)]
        for place, slot in enumerate(rest):
            agent, kind = place % num_agents, place // num_agents
            for other in range(num_agents):
                if (other == agent) == (kind >= self.traps):
                    free[other].append(slot)
        told = tuple(self._listed(sorted(each)) for each in free)
        return Calendars(told, self._named(meeting), tuple(self._named(slot) for slot in sorted(free[-1])))

    def _named(self, slot: tuple[int, int]) -> str:
        return f"{self.days[slot[0]]} {slot[1]}".strip()

    def _listed(self, slots: Sequence[tuple[int, int]]) -> str:
        by_day = {day: [hour for number, hour in slots if self.days[number] == day] for day in self.days}
        listed = [f"{day} {', '.join(map(str, hours))}".strip() for day, hours in by_day.items() if hours]
        return f"You are free at {'; '.join(listed)}."


@dataclass(frozen=True)
class Zones:
    """An interval a day for everybody, each on its own clock; on one day all of them share just enough for a meeting.

    In half hours. The last agent's interval begins anywhere in `starts`, and each place in it is equally likely to be
    that of the meeting; of the others two, drawn at random, end with the meeting and begin with it.
    """

    days: tuple[str, ...]
    starts: range
    slack: int
    """By how much an interval is longer than a meeting."""
    meeting: int = 4
    offsets: range = range(-8, 10)
    """Of clocks from UTC, in hours."""

    def num_free(self, num_agents: int) -> int:
        """Places of a meeting in the last agent's intervals, however many others there are."""
        return len(self.days) * (self.slack + 1)

    def draw(self, rng: np.random.Generator, num_agents: int) -> Calendars:
        """On the other days the others' intervals are drawn about the last agent's until no meeting fits."""
        meeting_day = int(rng.integers(len(self.days)))
        place = int(rng.integers(self.slack + 1))
        begins = np.empty((len(self.days), num_agents), dtype=int)
        for day, last in enumerate(rng.choice(np.array(self.starts), size=len(self.days)).tolist()):
            begins[day] = 48 * day + last
            if day == meeting_day:
                early = [0, self.slack, *rng.integers(self.slack + 1, size=num_agents - 3)]
                begins[day, :-1] += place - rng.permutation(early)
                continue
            while np.ptp(begins[day]) <= self.slack:
                begins[day, :-1] = 48 * day + last + rng.integers(-self.meeting, self.meeting + 1, size=num_agents - 1)
        shifts = 2 * rng.choice(np.array(self.offsets), size=num_agents, replace=False)
        told = tuple(self._listed(begins[:, agent].tolist(), int(shifts[agent])) for agent in range(num_agents))
        own = begins[:, -1].tolist()
        possible = tuple(self._clock(begin + later) for begin in own for later in range(self.slack + 1))
        return Calendars(told, self._clock(own[meeting_day] + place), possible)

    def _clock(self, half_hours: int) -> str:
        day, rest = divmod(half_hours, 48)
        return f"{DAYS[day % len(DAYS)]} {rest // 2}:{rest % 2 * 30:02}"

    def _listed(self, begins: Sequence[int], shift: int) -> str:
        ends = [begin + self.slack + self.meeting for begin in begins]
        listed = [f"{self._clock(a + shift)} to {self._clock(b + shift)}" for a, b in zip(begins, ends, strict=True)]
        return f"Your clock shows UTC{shift // 2:+}. By it you are free from {', from '.join(listed)}."


def stated_time(reply: str) -> str | None:
    """The one time on the last line that is not blank, as `14:00` or `Tue 14:00`; None for none or several.

    An hour, with its minutes or without, and a day, short or in full, before or behind it; other words are not read.
    """
    line = last_line(reply)
    times, days = _TIME.findall(line), _DAY.findall(line)
    if len(times) != 1 or len(days) > 1:
        return None
    hour, minutes = times[0]
    return " ".join([*(day.title() for day in days), f"{int(hour)}:{minutes or '00'}"])
