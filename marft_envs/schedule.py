"""Who may act, and when everything happens on the simulated clock.

A schedule knows agents, and neither text nor rewards. `RoundsSchedule` tells after every submission whose turn has
opened by that, and whether the round is to be committed; times in rounds decide nothing, so they are a function of what
was recorded: `round_slots`. `ClockSchedule` tells which time is the next at which something happens, as soon as nothing
can happen before it.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from functools import lru_cache
from heapq import heappop, heappush
from math import inf
from typing import NamedTuple, Self

from marft_envs.dependencies import Dependencies


class RoundsSchedule:
    """Rounds: everybody who takes part acts once, after all its parents, and the round is committed as a whole.

    Every step of a round is looked up: what follows from who has acted is worked out once per `Dependencies`.
    """

    __slots__ = ("_dependencies", "_progress", "_start", "is_due", "ready")

    def __init__(self) -> None:
        self._dependencies: Dependencies | None = None
        self.ready: Sequence[str] = ()
        self.is_due = False

    def begin(self, dependencies: Dependencies) -> None:
        """Opens a round, where the one before it has been committed."""
        if dependencies is not self._dependencies:
            self._dependencies = dependencies
            self._start = _nobody_has_acted(dependencies)
        self._progress = self._start
        self.ready = self._start.ready
        self.is_due = False

    def submit(self, agent: str) -> Sequence[str]:
        """Lets those who only waited for this agent act."""
        self._progress, opened = self._progress[agent]
        self.ready = ready = self._progress.ready
        self.is_due = not ready  # D_t is acyclic: while somebody has not submitted, somebody is ready
        return opened

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return copy(self)  # every attribute is a value


class _Progress(dict[str, tuple["_Progress", tuple[str, ...]]]):
    """How far a round is, as a value: who has acted, and so who is ready.

    Maps each ready agent to what is so once it has acted, too, and to those who are ready by that.
    """

    __slots__ = ("_dependencies", "_done", "_known", "ready")

    def __init__(
        self, dependencies: Dependencies, done: frozenset[str], known: dict[frozenset[str], "_Progress"]
    ) -> None:
        super().__init__()
        self._dependencies = dependencies
        self._done = done
        self.ready = dependencies.ready(done)
        self._known = known

    def __reduce__(self) -> tuple[object, ...]:
        # A pickle holds no more than what it follows from; where it is read, the round is walked again.
        return _progress, (self._dependencies, self._done)

    def __missing__(self, agent: str) -> tuple["_Progress", tuple[str, ...]]:
        done = self._done | {agent}
        progress = self._known.get(done)
        if progress is None:
            progress = _Progress(self._dependencies, done, self._known)
        step = (
            progress,
            tuple([child for child in self._dependencies.children(agent) if child in progress.ready]),
        )
        if len(self._known) < _MOST_KNOWN:
            self._known[done] = progress
            self[agent] = step
        return step


_MOST_KNOWN = 4096
"""Sets of agents that may have acted, per `Dependencies`: all there are among twelve who wait for nobody."""


@lru_cache(maxsize=512)
def _nobody_has_acted(dependencies: Dependencies) -> _Progress:
    return _Progress(dependencies, frozenset(), {})


def _progress(dependencies: Dependencies, done: frozenset[str]) -> _Progress:
    progress = _nobody_has_acted(dependencies)
    for agent in dependencies.order:
        if agent in done:
            progress, _ = progress[agent]
    return progress


class Slot(NamedTuple):
    """When a turn took place, in simulated microseconds since the episode began."""

    agent: str
    start_us: int
    finish_us: int


def round_slots(
    dependencies: Dependencies, opened_us: int, durations_us: Mapping[str, int], latencies_us: Mapping[str, int]
) -> list[Slot]:
    """The turns of a round that opened at this time, in canonical order.

    A turn starts as the words of the last of its parents reach it; one without parents, as the round opens.
    """
    finish_us: dict[str, int] = {}
    slots = []
    for agent in dependencies.order:
        parents_us = [finish_us[parent] + latencies_us[parent] for parent in dependencies.parents(agent)]
        start_us = max(parents_us, default=opened_us)
        finish_us[agent] = start_us + durations_us[agent]
        slots.append(Slot(agent, start_us, finish_us[agent]))
    return slots


class ClockSchedule:
    """Free running: every agent has a turn of its own, and an *instant* is a time at which something happens.

    What happens is that turns end, and that alarms go off. An instant is due once nothing can happen before it or
    at it any more: a turn that was not submitted ends `base_us` after its start at the earliest. That is the lookahead:
    until the earliest of these times, every open turn can be asked for at once, and the outcome is the same.
    """

    __slots__ = ("_alarms", "_ends_us", "_first_ends_us", "_num_alarms", "_place", "now_us", "ready")

    def __init__(self, agents: Sequence[str]) -> None:
        self._place = {agent: place for place, agent in enumerate(agents)}
        self.now_us = 0
        self.ready: tuple[str, ...] = ()
        """The agents whose turn is open and who have not submitted, by the start of their turns."""
        self._first_ends_us: dict[str, int] = {}  # of the ready: when their turns can end at the earliest
        self._ends_us: dict[str, int] = {}  # of those who have submitted
        self._alarms: list[tuple[int, int, object]] = []  # a heap: time, number, what
        self._num_alarms = 0

    def open(self, agent: str, base_us: int) -> None:
        """A turn opens now."""
        self._first_ends_us[agent] = self.now_us + base_us
        self.ready = (*self.ready, agent)

    def submit(self, agent: str, end_us: int) -> None:
        """A ready agent has acted; its turn ends then."""
        del self._first_ends_us[agent]
        self.ready = tuple(self._first_ends_us)
        self._ends_us[agent] = end_us

    def set_alarm(self, time_us: int, what: object) -> None:
        """Something else happens then. Of alarms for one time the one that was set first goes off first."""
        heappush(self._alarms, (time_us, self._num_alarms, what))
        self._num_alarms += 1

    @property
    def next_us(self) -> int | None:
        """The next time at which something happens, if it is due; None if it is not, or nothing ever will."""
        time_us = min(self._ends_us.values(), default=None)
        if self._alarms and (time_us is None or self._alarms[0][0] < time_us):
            time_us = self._alarms[0][0]
        if time_us is None or min(self._first_ends_us.values(), default=time_us + 1) <= time_us:
            return None
        return time_us

    @property
    def has_turns(self) -> bool:
        """Whether there are turns that have not ended."""
        return bool(self._first_ends_us or self._ends_us)

    @property
    def first_alarm_us(self) -> float:
        """When the first alarm goes off; infinite if there is none."""
        return self._alarms[0][0] if self._alarms else inf

    def advance(self, time_us: int) -> tuple[list[str], list[object]]:
        """Goes to the next instant. Returns whose turns end then, in the order of the agents, and what else happens."""
        self.now_us = time_us
        ended = [agent for agent, end_us in self._ends_us.items() if end_us == time_us]
        for agent in ended:
            del self._ends_us[agent]
        if len(ended) > 1:
            ended.sort(key=self._place.__getitem__)
        alarms = []
        while self._alarms and self._alarms[0][0] == time_us:
            alarms.append(heappop(self._alarms)[2])
        return ended, alarms

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        copied = copy(self)
        copied._first_ends_us = self._first_ends_us.copy()  # noqa: SLF001  # it is one of us
        copied._ends_us = self._ends_us.copy()  # noqa: SLF001  # it is one of us
        copied._alarms = self._alarms.copy()  # noqa: SLF001  # it is one of us
        return copied
