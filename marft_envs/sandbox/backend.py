"""What locks programs up: on Linux the kernel, elsewhere WebAssembly.

Which of the two is decided by the system, or by a person, and never by what happens to fail: `linux` on Linux, `wasi`
everywhere else; `MARFT_ENVS_SANDBOX=wasi`, or `Sandbox(backend="wasi")`, takes WebAssembly on Linux, too.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar, get_args

from marft_envs.errors import OptionError, SandboxUnavailableError
from marft_envs.sandbox.refusal import NOT_HERE
from marft_envs.sandbox.runs import Calls, Limits, Run, Script

BackendName = Literal["linux", "wasi"]
VARIABLE = "MARFT_ENVS_SANDBOX"
PAUSES_S = (0.1, 0.5, 2.0)
"""Before a process is started again that could not be."""
T = TypeVar("T")


class WorkerLostError(Exception):
    """The process that runs programs has ended, or says nothing: what it was doing has to be done again."""


class Worker(Protocol):
    """One process that runs one program at a time."""

    @property
    def pid(self) -> int: ...

    @property
    def deadline(self) -> float: ...

    def begin(self, job: Calls | Script, limits: Limits) -> None: ...

    def finish(self) -> Run: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Backend:
    """One way to lock programs up."""

    runtime: Callable[[], str]
    """Which Python runs them: what they do may differ between minor versions. Raises: SandboxUnavailableError."""
    require_walls: Callable[[], None]
    """Returns if nothing gets out here. Raises: SandboxUnavailableError."""
    started: Callable[[], Worker]
    """A new worker. Raises: SandboxUnavailableError."""
    heard_of: Callable[..., Sequence[Worker]]
    """Those of its workers that have something to tell; waits for the first, until the deadline."""


def chosen(name: BackendName | None) -> BackendName:
    """The backend that was asked for, by argument or by environment variable; else the platform's own.

    Raises: OptionError.
    """
    wanted, said = (name, "backend") if name is not None else (os.environ.get(VARIABLE) or None, VARIABLE)
    for known in get_args(BackendName):
        if wanted == known:
            return known  # type: ignore[no-any-return]  # one of the names
    if wanted is not None:
        raise OptionError(f"{said} is {wanted!r}; use 'linux' or 'wasi', or leave it out")
    return "linux" if sys.platform.startswith("linux") else "wasi"


def backend_named(name: BackendName) -> Backend:
    """Its code is imported here and not before: some of it imports on its own system only."""
    if name == "wasi":
        from marft_envs.sandbox.wasi import component
        from marft_envs.sandbox.wasi import selftest as wasi_selftest
        from marft_envs.sandbox.wasi import worker as wasi_worker

        return Backend(component.runtime, wasi_selftest.require_walls, wasi_worker.started, wasi_worker.heard_of)
    from marft_envs.sandbox import selftest, worker

    return Backend(_this_python, selftest.require_walls, worker.started, worker.heard_of)


def _this_python() -> str:
    return f"python {sys.version_info.major}.{sys.version_info.minor}"


def patiently(start: Callable[[], T]) -> T:
    """What `start` returns; tries again where there is no process or memory to be had at this moment.

    Raises: SandboxUnavailableError.
    """
    for pause_s in PAUSES_S:
        try:
            return start()
        except OSError:
            time.sleep(pause_s)
    try:
        return start()
    except OSError as error:
        raise SandboxUnavailableError(
            f"{NOT_HERE}: no process can be started ({error}); free some memory, processes or open files"
        ) from error
