"""Who may act, who is next, and when everything happens on the simulated clock.

A schedule knows agents and times, and neither text nor rewards. `FlexMG` asks it after every submission which turns
have opened by that, and which turns are now to be committed, in which order.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from marft_envs.dependencies import Dependencies


class Slot(NamedTuple):
    """When a turn took place: simulated microseconds since the episode began."""

    agent: str
    start_us: int
    finish_us: int


class Schedule(Protocol):
    """What `FlexMG` needs to know of time.

    The seam for a free-running clock: there `begin` is called once, `due` gives single turns as soon as no open turn
    can finish before them, and a committed turn opens the agent's next one.
    """

    time_us: int
    """Simulated time of the latest commit."""

    def begin(self, dependencies: Dependencies) -> Sequence[str]:
        """Starts over with these agents; returns those whose turn opens at once, in canonical order."""

    @property
    def ready(self) -> tuple[str, ...]:
        """The agents whose turn is open and who have not submitted, in canonical order."""

    def next(self) -> str | None:
        """The first ready agent; None if there is none."""

    def submit(self, agent: str, duration_us: int) -> Sequence[str]:
        """A ready agent has acted; returns the agents whose turn opens by that, in canonical order."""

    def due(self) -> Sequence[Slot]:
        """The turns to be committed now, in commit order; each is returned once."""


class _Plan(NamedTuple):
    """What a round needs of its `Dependencies`, laid out once."""

    rank: dict[str, int]
    parents: dict[str, tuple[str, ...]]
    children: dict[str, tuple[str, ...]]
    waiting: dict[str, int]
    roots: tuple[str, ...]


@lru_cache(maxsize=4096)
def _plan(dependencies: Dependencies) -> _Plan:
    order = dependencies.order
    parents = {agent: dependencies.parents(agent) for agent in order}
    return _Plan(
        rank={agent: rank for rank, agent in enumerate(order)},
        parents=parents,
        children={agent: dependencies.children(agent) for agent in order},
        waiting={agent: len(parents[agent]) for agent in order},
        roots=dependencies.ready(()),
    )


class RoundsSchedule:
    """Rounds: everybody who takes part acts once, after all its parents; the round is committed as a whole.

    A turn starts when its last parent has finished, or when the round opens; a round opens when the last turn of the
    round before has finished. Commit order is the canonical order of D, whatever the order of submission.
    """

    __slots__ = ("_dependencies", "_plan", "_ready", "_slots", "_waiting", "time_us")

    def __init__(self) -> None:
        self.time_us = 0
        self._dependencies: Dependencies | None = None
        self._ready: list[str] = []
        self._slots: dict[str, Slot] = {}

    def begin(self, dependencies: Dependencies) -> tuple[str, ...]:
        if dependencies is not self._dependencies:
            self._dependencies = dependencies
            self._plan = _plan(dependencies)
        self._waiting = self._plan.waiting.copy()
        self._ready = list(self._plan.roots)
        self._slots = {}
        return self._plan.roots

    @property
    def ready(self) -> tuple[str, ...]:
        return tuple(self._ready)

    def next(self) -> str | None:
        return self._ready[0] if self._ready else None

    def submit(self, agent: str, duration_us: int) -> list[str]:
        plan = self._plan
        start_us = self.time_us
        for parent in plan.parents[agent]:
            start_us = max(start_us, self._slots[parent].finish_us)
        self._slots[agent] = Slot(agent, start_us, start_us + duration_us)
        self._ready.remove(agent)
        opened = []
        for child in plan.children[agent]:
            self._waiting[child] -= 1
            if not self._waiting[child]:
                opened.append(child)
        if opened:
            self._ready += opened
            self._ready.sort(key=plan.rank.__getitem__)
        return opened

    def due(self) -> list[Slot]:
        if self._ready or not self._slots:
            return []
        slots = [self._slots[agent] for agent in self._plan.rank]  # ranks are in canonical order
        self._slots = {}
        self.time_us = max(slot.finish_us for slot in slots)
        return slots
