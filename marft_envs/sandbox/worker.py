"""This side of one fork server: starts it, hands it a job, reads what came of it, ends it."""

import json
import math
import os
import select
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from marft_envs.errors import SandboxUnavailableError
from marft_envs.sandbox.backend import WorkerLostError, patiently
from marft_envs.sandbox.jail import protocol
from marft_envs.sandbox.job_files import JobFiles, files_of, run_of
from marft_envs.sandbox.refusal import NOT_HERE, OR_WASI
from marft_envs.sandbox.runs import Calls, Limits, Run, Script

START_S = 60.0
"""A start takes a tenth of a second; a minute is no busy machine any more."""
GRACE_S = 10.0
"""How much longer than a run's wall seconds its server may take to tell of it, on a busy machine."""
_JAIL = Path(protocol.__file__).parent
_BOOT = """
import sys, types
jail = types.ModuleType("jail")
jail.__path__ = [sys.argv[1]]
sys.modules["jail"] = jail
from jail.server import main
main(int(sys.argv[2]))
"""
"""Loads the folder as a package by itself: as part of `marft_envs` it would bring the rest along."""
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "TZ": "UTC0"}
_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "PYTHONHOME")
"""Without them some interpreters do not start. Programs see no variables at all."""
_MOST_MESSAGE_BYTES = 4_096
_MOST_SHOWN_CHARS = 1_000


@dataclass(frozen=True, slots=True)
class _Job:
    """What a server is busy with."""

    files: JobFiles
    limits: Limits
    num_calls: int
    deadline: float


class Worker:
    """One fork server, which runs one program at a time. It ends with this object, and with this process."""

    def __init__(self) -> None:
        """Starts it. Raises: SandboxUnavailableError if it never will here; OSError if it may another time."""
        self._running: _Job | None = None
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, os.fdopen(os.memfd_create("marft"), "w+b") as complaints:
            try:
                self._process = _process(theirs.fileno(), complaints)
            except BaseException:
                self._socket.close()
                raise
            self._end = weakref.finalize(self, _end, self._process, self._socket, os.getpid())
            theirs.close()
            self._greet(complaints)

    def _greet(self, complaints: IO[bytes]) -> None:
        """Waits until it is ready. Raises: SandboxUnavailableError with what it says, or what there is to see."""
        try:
            greeting = self._message(time.monotonic() + START_S)
        except WorkerLostError as error:
            self.close()
            complaints.seek(0)
            said = complaints.read().decode(errors="replace").strip()[-_MOST_SHOWN_CHARS:] or "nothing"
            raise SandboxUnavailableError(
                f"the sandbox's server did not start with {sys.executable} ({error}); it said: {said}"
            ) from error
        self.greeting: dict[str, object] = json.loads(greeting)
        if "refused" in self.greeting:
            self.close()
            raise SandboxUnavailableError(_without(str(self.greeting["refused"]), int(str(self.greeting["errno"]))))

    @property
    def pid(self) -> int:
        """The fork server's."""
        return self._process.pid

    def fileno(self) -> int:
        """So that many can be waited for at once."""
        return self._socket.fileno()

    @property
    def deadline(self) -> float:
        """By `time.monotonic`, when the server should have told how the present run ended."""
        assert self._running is not None, "something runs"
        return self._running.deadline

    def begin(self, job: Calls | Script, limits: Limits) -> None:
        """Has it run a program. Raises: WorkerLostError; OptionError for a job that cannot be handed over."""
        header = protocol.JOB.pack(limits.cpu_s, limits.wall_s, limits.memory_bytes, limits.output_bytes)
        files = files_of(job)
        num_calls = len(job.arguments) if isinstance(job, Calls) else 0
        self._running = _Job(files, limits, num_calls, time.monotonic() + limits.wall_s + GRACE_S)
        try:
            socket.send_fds(self._socket, [header], files.descriptors)
        except OSError as error:
            self._forget()
            raise WorkerLostError("its socket is closed") from error

    def finish(self) -> Run:
        """What came of it; waits for it. Raises: WorkerLostError."""
        assert self._running is not None, "something runs"
        job = self._running
        try:
            message = self._message(job.deadline)
            if len(message) != protocol.ENDED.size:
                raise WorkerLostError("its message is none")
            run = run_of(job.files, job.num_calls, job.limits.output_bytes, message)
            if run is None:
                raise WorkerLostError("a program could not be put under its limits, and was not run")
            return run
        finally:
            self._forget()

    def close(self) -> None:
        """Ends it, and the program that it runs. A copy of this object that a fork made only forgets it."""
        self._forget()
        self._end()

    def _forget(self) -> None:
        running, self._running = self._running, None  # first, so that a fork or an interrupt here closes nothing twice
        if running is not None:
            running.files.close()

    def _message(self, deadline: float) -> bytes:
        if not heard_of([self], deadline):
            raise WorkerLostError("it said nothing in time")
        try:
            message = self._socket.recv(_MOST_MESSAGE_BYTES)
        except OSError as error:
            raise WorkerLostError("its socket is broken") from error
        if not message:
            raise WorkerLostError("it has ended")
        return message


def heard_of(workers: Sequence[Worker], deadline: float) -> list[Worker]:
    """Those whose servers have something to tell, or have ended; waits for the first, until the deadline."""
    poll = select.poll()  # select(2) takes no descriptors from 1024 on
    for worker in workers:
        poll.register(worker, select.POLLIN)
    left_ms = math.ceil(1_000 * max(deadline - time.monotonic(), 0))
    ready = {descriptor for descriptor, _ in poll.poll(left_ms)}
    return [worker for worker in workers if worker.fileno() in ready]


def started() -> Worker:
    """A new worker. Raises: SandboxUnavailableError."""
    return patiently(Worker)


def _process(descriptor: int, complaints: IO[bytes]) -> "subprocess.Popen[bytes]":
    """The server's. Raises: SandboxUnavailableError if there is no interpreter, OSError if it cannot be started now."""
    words = [sys.executable, "-S", "-P", "-B", "-X", "utf8", "-c", _BOOT, str(_JAIL), str(descriptor)]
    try:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=complaints,
            pass_fds=[descriptor],
            env={**_ENVIRONMENT, **{name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}},
            cwd="/",
            start_new_session=True,  # Ctrl-C reaches all of a terminal's processes, and is not meant for this one
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError, TypeError) as error:
        raise SandboxUnavailableError(
            f"{NOT_HERE}: sys.executable is {sys.executable!r}, and no Python can be started by that name ({error}); "
            "set it to the path of the interpreter, which this user must be able to execute"
        ) from error


def _end(process: "subprocess.Popen[bytes]", ours: socket.socket, owner: int) -> None:
    """Ends a server, and by that the program that it runs; in a process that was forked off only this end."""
    ours.close()
    if os.getpid() != owner:
        process.returncode = 0  # it is the parent's to wait for, and Popen would complain
        return
    process.kill()
    process.wait()


def _without(what: str, number: int) -> str:
    """Why programs cannot be run here, and what to do."""
    reason = os.strerror(number)
    return f"{NOT_HERE}: the kernel refuses {what} ({reason}). {_ways_out(what)}. {OR_WASI}"


def _ways_out(what: str) -> str:
    if "Landlock" in what:
        return (
            "Landlock needs Linux 5.13 or newer, with 'landlock' among the modules that its parameter lsm= names (see "
            "/sys/kernel/security/lsm); in a container, a seccomp profile that lets the landlock_* calls through, as "
            "Docker's own has done since version 23"
        )
    return "Use Linux 5.13 or newer on x86_64 or aarch64, a container or a virtual machine with it included"
