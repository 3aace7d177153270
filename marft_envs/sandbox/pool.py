"""The sandbox: several fork servers that run programs side by side, and are replaced when they end.

    from marft_envs.sandbox.pool import default_sandbox
    from marft_envs.sandbox.runs import Calls, Limits

    run = default_sandbox().run(Calls("def f(n): return n + 3", "f", ((4,), (5,))), Limits(cpu_s=1.0))
    assert [outcome.value for outcome in run.outcomes] == [7, 8]

Whatever a program does is a value, a `Run`. If a server ends under it, the program is run again, on a fresh one.
"""

import os
import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Sequence
from functools import lru_cache

from marft_envs.errors import OptionError, SandboxWarning
from marft_envs.sandbox.backend import Backend, BackendName, Worker, WorkerLostError, backend_named, chosen
from marft_envs.sandbox.runs import DEFAULT_LIMITS, Calls, Limits, Run, Script

MOST_TRIES = 3
"""A program whose server ended so many times is given up: by then it is probably the reason."""
_SANDBOXES: "weakref.WeakSet[Sandbox]" = weakref.WeakSet()


class Sandbox:
    """Runs programs, at most `num_workers` at once. Threads may share it; a forked process gets workers of its own."""

    def __init__(self, num_workers: int = 1, backend: BackendName | None = None) -> None:
        """Starts nothing yet. `backend`: as `marft_envs.sandbox.backend` chooses unless given. Raises: OptionError."""
        if type(num_workers) is not int or num_workers < 1:
            raise OptionError(f"num_workers is {num_workers!r}; use a number of processes, 1 or more")
        self.num_workers = num_workers
        self.backend: BackendName = chosen(backend)
        self._backend = backend_named(self.backend)
        self._lock = threading.Lock()
        self._workers: list[Worker] = []
        _SANDBOXES.add(self)

    def run(self, job: Calls | Script, limits: Limits = DEFAULT_LIMITS) -> Run:
        """Runs one program. Raises: SandboxUnavailableError, OptionError."""
        return self.run_all([job], limits)[0]

    def run_all(self, jobs: Sequence[Calls | Script], limits: Limits = DEFAULT_LIMITS) -> list[Run]:
        """Runs programs, each in a process of its own; their runs are in the order of the jobs.

        Raises: SandboxUnavailableError where this platform cannot lock a program up; OptionError for arguments that are
            no plain data.
        """
        if jobs:
            self._backend.require_walls()
        with self._lock:
            return _run_all(self._backend, self._workers, self.num_workers, jobs, limits)

    @property
    def runtime(self) -> str:
        """Which Python runs programs: "python 3.11", "python 3.14 on wasi". Raises: SandboxUnavailableError."""
        return self._backend.runtime()

    def pids(self) -> list[int]:
        """The processes that are there now and run programs."""
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
        for worker in self._workers:  # or the servers would not hear of it when that somebody ends
            worker.close()
        self._workers = []


def _run_all(
    backend: Backend, workers: list[Worker], num_workers: int, jobs: Sequence[Calls | Script], limits: Limits
) -> list[Run]:
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
                worker = idle.pop() if idle else _another(backend, workers)
                try:
                    worker.begin(jobs[index], limits)
                    busy[worker] = index
                except WorkerLostError:
                    again(worker, index)
            for worker in _heard_of(backend, list(busy)):
                index = busy.pop(worker)
                try:
                    runs[index] = worker.finish()
                    idle.append(worker)
                except WorkerLostError:
                    again(worker, index)
    except BaseException:  # whoever interrupts does not want the rest, and no later job may read its answer
        given_up = list(workers)  # an interrupt may come between any two lines, so that `idle` and `busy` tell nothing
        workers.clear()
        for worker in given_up:
            worker.close()
        raise
    return [runs[index] for index in range(len(jobs))]


def _another(backend: Backend, workers: list[Worker]) -> Worker:
    """A new worker, among the others. Raises: SandboxUnavailableError."""
    workers.append(backend.started())
    return workers[-1]


def _heard_of(backend: Backend, busy: list[Worker]) -> Sequence[Worker]:
    """Those that have something to tell, or are overdue; waits for the first."""
    if not busy:
        return []
    ready = backend.heard_of(busy, min(worker.deadline for worker in busy))
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
