"""Who may act, and when everything happens on the simulated clock.

A schedule knows agents, and neither text nor rewards. After every submission it tells whose turn has opened
by that, and whether a commit is due. Times in rounds decide nothing, so they are a function of what was
recorded: `round_slots`.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from functools import lru_cache
from typing import NamedTuple, Protocol, Self

from marft_envs.dependencies import Dependencies


class Schedule(Protocol):
    """What the base class needs to know of order.

    The seam for a free-running clock: there a commit is due as soon as no open turn can finish before the
    first one submitted, and it opens that agent's next turn.
    """

    ready: Sequence[str]
    """The agents whose turn is open and who have not submitted, in canonical order."""
    is_due: bool
    """Whether what was submitted is to be committed now."""

    def begin(self, dependencies: Dependencies) -> None:
        """Starts a round of these agents; `ready` are those who wait for nobody."""

    def submit(self, agent: str) -> Sequence[str]:
        """A ready agent has acted. Returns the agents whose turn opens by that, in canonical order."""


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


def round_slots(dependencies: Dependencies, opened_us: int, durations_us: Mapping[str, int]) -> list[Slot]:
    """The turns of a round that opened at this time, in canonical order.

    A turn starts as the last of its parents finishes; one without parents, as the round opens.
    """
    finish_us: dict[str, int] = {}
    slots = []
    for agent in dependencies.order:
        parents_us = [finish_us[parent] for parent in dependencies.parents(agent)]
        start_us = max(parents_us, default=opened_us)
        finish_us[agent] = start_us + durations_us[agent]
        slots.append(Slot(agent, start_us, finish_us[agent]))
    return slots
