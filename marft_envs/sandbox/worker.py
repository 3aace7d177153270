"""This side of one fork server: starts it, hands it a job, reads what came of it, ends it."""

import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from marft_envs.errors import SandboxUnavailableError
from marft_envs.sandbox.jail import plain, programs, server
from marft_envs.sandbox.runs import Calls, Limits, NotPlain, Outcome, Raised, Returned, Run, Script

START_S = 60.0
"""A start takes a tenth of a second; a minute is no busy machine any more."""
GRACE_S = 10.0
"""How much longer than a run's wall seconds its server may take to tell of it, on a busy machine."""
_JAIL = Path(server.__file__).parent
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


class WorkerLostError(Exception):
    """The fork server has ended, or says nothing: what it was doing has to be done again."""


@dataclass(frozen=True, slots=True)
class _Files:
    """The files of one run, in memory: they are gone when nobody has them open."""

    job: int
    stdin: int
    stdout: int
    results: int

    @property
    def descriptors(self) -> list[int]:
        return [self.job, self.stdin, self.stdout, self.results]

    def close(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)


class Worker:
    """One fork server, which runs one program at a time. It ends with this object, and with this process."""

    def __init__(self) -> None:
        """Starts it. Raises: SandboxUnavailableError if it cannot lock programs up here."""
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._running: tuple[_Files, Limits, float] | None = None
        with theirs, tempfile.TemporaryFile() as complaints:
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-P", "-B", "-X", "utf8", "-c", _BOOT, str(_JAIL), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                pass_fds=[theirs.fileno()],
                env={**_ENVIRONMENT, **{name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}},
                cwd="/",
                start_new_session=True,  # Ctrl-C reaches all of a terminal's processes, and is not meant for this one
            )
            self.close = weakref.finalize(self, _end, self._process, self._socket, os.getpid())
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
        return self._running[2]

    def begin(self, job: Calls | Script, limits: Limits) -> None:
        """Has it run a program. Raises: WorkerLostError."""
        files = _files(job)
        header = server.JOB.pack(limits.cpu_s, limits.wall_s, limits.memory_bytes, limits.output_bytes)
        self._running = (files, limits, time.monotonic() + limits.wall_s + GRACE_S)
        try:
            socket.send_fds(self._socket, [header], files.descriptors)
        except OSError as error:
            self._forget()
            raise WorkerLostError("its socket is closed") from error

    def finish(self) -> Run:
        """What came of it; waits for it. Raises: WorkerLostError."""
        assert self._running is not None, "something runs"
        files, limits, deadline = self._running
        try:
            message = self._message(deadline)
            if len(message) != server.ENDED.size:
                raise WorkerLostError("its message is none")
            return _read(files, limits, message)
        finally:
            self._forget()

    def _forget(self) -> None:
        if self._running is not None:
            self._running[0].close()
            self._running = None

    def _message(self, deadline: float) -> bytes:
        ready, _, _ = select.select([self._socket], [], [], max(deadline - time.monotonic(), 0))
        if not ready:
            raise WorkerLostError("it said nothing in time")
        try:
            message = self._socket.recv(_MOST_MESSAGE_BYTES)
        except OSError as error:
            raise WorkerLostError("its socket is broken") from error
        if not message:
            raise WorkerLostError("it has ended")
        return message


def _end(process: "subprocess.Popen[bytes]", ours: socket.socket, owner: int) -> None:
    """Ends a server, and by that the program that it runs; in a process that was forked off only this end."""
    ours.close()
    if os.getpid() != owner:
        process.returncode = 0  # it is the parent's to wait for, and Popen would complain
        return
    process.kill()
    process.wait()


# ---- a job as files, and files as a run


def _files(job: Calls | Script) -> _Files:
    described: dict[str, object]
    if isinstance(job, Script):
        described, stdin = {"kind": "script", "source": job.source}, job.stdin
    else:
        described, stdin = {"kind": "calls", "source": job.source, "entry_point": job.entry_point}, ""
        described["arguments"] = list(job.arguments)
    contents = (plain.encode(described), stdin.encode("utf-8", errors="replace"), b"", b"")
    opened: list[int] = []
    try:
        opened.extend(map(_memory, contents))
    except OSError:
        for descriptor in opened:
            os.close(descriptor)
        raise
    return _Files(*opened)


def _memory(content: bytes) -> int:
    """A file in memory with this content, at its beginning."""
    descriptor = os.memfd_create("marft")
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    if content:
        os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _read(files: _Files, limits: Limits, message: bytes) -> Run:
    """The run as its files and its server tell it. Raises: WorkerLostError if no program was run."""
    if os.pread(files.job, 1, 0) != server.LOCKED:
        raise WorkerLostError("a program could not be put under its limits, and was not run")
    way, code, cpu_s, wall_s = server.ENDED.unpack(message)
    printed, results = (os.pread(file, limits.output_bytes, 0) for file in (files.stdout, files.results))
    outcomes, error, is_done = _outcomes(results)
    run = Run(
        "finished",
        outcomes,
        error,
        printed.decode("utf-8", errors="replace"),
        cpu_s=cpu_s,
        wall_s=wall_s,
    )
    if server.WAYS[way] == "time":
        return replace(run, ending="time")
    if max(len(printed), len(results)) >= limits.output_bytes:
        return replace(run, ending="output")
    if server.WAYS[way] == "signal":
        return replace(run, ending="crashed", signal=code)
    if code == programs.NO_MEMORY:
        return replace(run, ending="memory")
    return run if is_done and code == 0 else replace(run, ending="exited", exit_code=code)


def _outcomes(results: bytes) -> tuple[tuple[Outcome, ...], str, bool]:
    """What the program's process wrote: outcomes, an error, and whether it says that it came to its end.

    It is the program's own word: from the first line on that is not of our kind, nothing is read.
    """
    outcomes: list[Outcome] = []
    error = ""
    for line in results.split(b"\n"):
        try:
            said = plain.decode(line)
        except plain.NotPlainError:
            break
        match said:
            case ("value", value):
                outcomes.append(Returned(value))
            case ("raised", str(told)):
                outcomes.append(Raised(told))
            case ("not plain", str(name)):
                outcomes.append(NotPlain(name))
            case ("error", str(told)):
                error = told
            case programs.DONE:
                return tuple(outcomes), error, True
            case _:
                break
    return tuple(outcomes), error, False


def _without(what: str, number: int) -> str:
    """Why programs cannot be run here, and what to do."""
    reason = os.strerror(number)
    return f"{NOT_HERE}: the kernel refuses {what} ({reason}). {_ways_out(what)}"


NOT_HERE = "model-written programs cannot be locked up on this machine, so none is run"
"""How every refusal begins."""


def _ways_out(what: str) -> str:
    if "Landlock" in what:
        return (
            "Landlock needs Linux 5.13 or newer, with 'landlock' among the modules that its parameter lsm= names (see "
            "/sys/kernel/security/lsm); in a container, a seccomp profile that lets the landlock_* calls through, as "
            "Docker's own has done since version 23"
        )
    return "Use Linux 5.13 or newer on x86_64 or aarch64, a container or a virtual machine with it included"
