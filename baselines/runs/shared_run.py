"""One run of several processes: the first keeps its books, and what it decides holds for all.

A single process is the first of one: then this is `Run` and nothing else.
"""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from baselines.ranks import Ranks
from baselines.runs.interrupts import StopSignals
from baselines.runs.progress import Metrics
from baselines.runs.run import Run
from baselines.runs.summary import Summary

T = TypeVar("T")


class SharedRun:
    """What a training loop asks of a run. All processes ask the same, in the same order.

    Files are written and the progress is shown by the first; typed errors that it meets there are raised in all.
    """

    def __init__(self, ranks: Ranks, run: Run | None, *, folder: Path, num_done: int) -> None:
        """`run`: of the first process; None in the others."""
        self.ranks = ranks
        self.folder = folder
        self.num_done = num_done
        """Iterations done and recorded."""
        self._run = run
        self._cpu_started = time.process_time()

    @classmethod
    def opened(cls, ranks: Ranks, open_run: Callable[[], Run], *, folder: Path, num_done: int) -> Self:
        """`open_run` is called by the first process.

        Raises: whatever it raises.
        """
        own: list[Run] = []
        ranks.first(lambda: own.append(open_run()))
        return cls(ranks, own[0] if own else None, folder=folder, num_done=num_done)

    def iterations(self, num_iterations: int, *, time_limit_s: float | None = None) -> Generator[int, None, None]:
        """As `Run.iterations`: all processes end after the same one, whichever of them was asked to stop."""
        leading = None if self._run is None else self._run.iterations(num_iterations, time_limit_s=time_limit_s)
        signals = StopSignals(lambda: None)
        if leading is None:
            signals.install()
        try:
            while (iteration := self._next(leading, signals)) is not None:
                yield iteration
        finally:
            signals.restore()
            if leading is not None:
                leading.close()

    def _next(self, leading: Generator[int, None, None] | None, signals: StopSignals) -> int | None:
        """The next iteration, None after the last."""
        asked = [request for request in self.ranks.gather(signals.request) if request is not None]
        if self._run is not None and asked:
            self._run.asked_elsewhere = asked[0]

        def following() -> int | None:
            assert leading is not None
            return next(leading, None)

        return self.ranks.first(following)

    def status(self, text: str) -> None:
        """As `Run.status`; what the first process is doing."""
        if self._run is not None:
            self._run.status(text)

    def log(self, iteration: int, metrics: Metrics) -> None:
        """As `Run.log`."""
        self._add_up_times()
        self._led(lambda run: run.log(iteration, metrics))
        self.num_done = iteration + 1

    def record_evaluation(self, iteration: int, name: str, result: Mapping[str, object]) -> None:
        """As `Run.record_evaluation`."""
        self._add_up_times()
        self._led(lambda run: run.record_evaluation(iteration, name, result))

    def has_evaluation(self, iteration: int, name: str) -> bool:
        """As `Run.has_evaluation`."""
        return self._led(lambda run: run.has_evaluation(iteration, name))

    def checkpoint(
        self, name: str, save: Callable[[Path], None], state: Mapping[str, object], *, keep: int = 0
    ) -> Path:
        """As `Run.checkpoint`."""
        return self._led(lambda run: run.checkpoint(name, save, state, keep=keep))

    def stops_for(self, reason: str) -> None:
        """Say why the loop ends before its last iteration."""
        if self._run is not None:
            self._run.stop_reason = reason

    def finish(self, next_steps: Sequence[str] = ()) -> Summary:
        """As `Run.finish`."""
        return self._led(lambda run: run.finish(next_steps))

    def __enter__(self) -> Self:
        if self._run is not None:
            self._run.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._run is not None:
            self._run.__exit__(kind, error, trace)

    def _led(self, work: Callable[[Run], T]) -> T:
        """What comes of the first process's work with the books."""

        def led() -> T:
            assert self._run is not None
            return work(self._run)

        return self.ranks.first(led)

    def _add_up_times(self) -> None:
        _, *others = self.ranks.gather(time.process_time() - self._cpu_started)
        if self._run is not None:
            self._run.cpu_elsewhere_s = sum(others)
