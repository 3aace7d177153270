"""The sandbox: several fork servers that run programs side by side, and are replaced when they end.

    from marft_envs.sandbox.pool import default_sandbox
    from marft_envs.sandbox.runs import Calls, Limits

    run = default_sandbox().run(Calls("def f(n): return n + 3", "f", ((4,), (5,))), Limits(cpu_s=1.0))
    assert [outcome.value for outcome in run.outcomes] == [7, 8]

Whatever a program does is a value, a `Run`. If a server ends under it, the program is run again, on a fresh one.
"""

import os
import select
import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Sequence
from functools import lru_cache

from marft_envs.errors import OptionError, SandboxUnavailableError, SandboxWarning
from marft_envs.sandbox.runs import Calls, Limits, Run, Script
from marft_envs.sandbox.selftest import require_walls
from marft_envs.sandbox.worker import NOT_HERE, Worker, WorkerLostError

MOST_TRIES = 3
"""A program whose server ended so many times is given up: by then it is probably the reason."""
DEFAULT_LIMITS = Limits()
_PAUSES_S = (0.1, 0.5, 2.0)
"""Before a worker is started again that could not be."""
_SANDBOXES: "weakref.WeakSet[Sandbox]" = weakref.WeakSet()


class Sandbox:
    """Runs programs, at most `num_workers` at once. Threads may share it; a forked process gets workers of its own."""

    def __init__(self, num_workers: int = 1) -> None:
        """Starts nothing yet. Raises: OptionError."""
        if type(num_workers) is not int or num_workers < 1:
            raise OptionError(f"num_workers is {num_workers!r}; use a number of processes, 1 or more")
        self.num_workers = num_workers
        self._lock = threading.Lock()
        self._workers: list[Worker] = []
        _SANDBOXES.add(self)

    def run(self, job: Calls | Script, limits: Limits = DEFAULT_LIMITS) -> Run:
        """Runs one program. Raises: SandboxUnavailableError."""
        return self.run_all([job], limits)[0]

    def run_all(self, jobs: Sequence[Calls | Script], limits: Limits = DEFAULT_LIMITS) -> list[Run]:
        """Runs programs, each in a process of its own; their runs are in the order of the jobs.

        Raises: SandboxUnavailableError where this platform cannot lock a program up.
        """
        if jobs:
            require_walls()
        with self._lock:
            return _run_all(self._workers, self.num_workers, jobs, limits)

    def pids(self) -> list[int]:
        """The fork servers that are there now."""
        return [worker.pid for worker in self._workers]

    def close(self) -> None:
        """Ends all processes; the next program starts new ones."""
        with self._lock:
            for worker in self._workers:
                worker.close()
            self._workers.clear()

    def disown(self) -> None:
        """Leaves all processes to somebody else, in a copy of this object that a fork made."""
        self._lock = threading.Lock()
        self._workers = []


def _run_all(workers: list[Worker], num_workers: int, jobs: Sequence[Calls | Script], limits: Limits) -> list[Run]:
    """The runs of all jobs; `workers` are those that there are, and afterwards those that are left."""
    runs: dict[int, Run] = {}
    waiting = deque(range(len(jobs)))
    tries = [0] * len(jobs)
    idle, busy = list(workers), dict[Worker, int]()

    def again(worker: Worker, index: int) -> None:
        worker.close()
        workers.remove(worker)
        tries[index] += 1
        if tries[index] < MOST_TRIES:
            waiting.append(index)
            return
        runs[index] = Run("lost")
        warnings.warn(
            f"a program was given up: {MOST_TRIES} servers ended while they ran it", SandboxWarning, stacklevel=4
        )

    try:
        while waiting or busy:
            while waiting and len(busy) < num_workers:
                index = waiting.popleft()
                worker = idle.pop() if idle else _started(workers)
                try:
                    worker.begin(jobs[index], limits)
                    busy[worker] = index
                except WorkerLostError:
                    again(worker, index)
            for worker in _heard_of(list(busy)):
                index = busy.pop(worker)
                try:
                    runs[index] = worker.finish()
                    idle.append(worker)
                except WorkerLostError:
                    again(worker, index)
    except BaseException:  # whoever interrupts does not want the rest, and no later job may read its answer
        for worker in busy:
            worker.close()
            workers.remove(worker)
        raise
    return [runs[index] for index in range(len(jobs))]


def _started(workers: list[Worker]) -> Worker:
    """A new worker, among the others. Raises: SandboxUnavailableError."""
    for pause_s in _PAUSES_S:
        try:
            workers.append(Worker())
            return workers[-1]
        except OSError:  # no process or memory to be had at this moment
            time.sleep(pause_s)
    try:
        workers.append(Worker())
    except OSError as error:
        raise SandboxUnavailableError(f"{NOT_HERE}: no process can be started ({error}); free some memory") from error
    return workers[-1]


def _heard_of(busy: list[Worker]) -> list[Worker]:
    """Those that have something to tell, or are overdue; waits for the first."""
    if not busy:
        return []
    deadline = min(worker.deadline for worker in busy)
    ready, _, _ = select.select(busy, [], [], max(deadline - time.monotonic(), 0))
    now = time.monotonic()
    return ready or [worker for worker in busy if worker.deadline <= now]


@lru_cache(maxsize=1)
def default_sandbox() -> Sandbox:
    """The one that environments use: at most two programs at once, on one processor only one."""
    return Sandbox(min(2, os.cpu_count() or 1))


def _forget_workers() -> None:
    """In a forked process: they are the parent's, and a lock may have been held by a thread that is not here."""
    for sandbox in _SANDBOXES:
        sandbox.disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_workers)
