"""This side of one process that runs programs on WebAssembly: starts it, hands it a job, reads what came of it.

A thread for each worker writes and reads its pipes, because a pipe can be waited for on some systems only; nothing
waits for a process that does not read.
"""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO, cast

from marft_envs.errors import SandboxUnavailableError
from marft_envs.sandbox.backend import WorkerLostError, patiently
from marft_envs.sandbox.jobs import Ended, encoded, run_from
from marft_envs.sandbox.refusal import NOT_HERE
from marft_envs.sandbox.runs import Calls, Limits, Run, Script
from marft_envs.sandbox.wasi import component, host

START_S = 60.0
"""A start takes a third of a second; a minute is no busy machine any more."""
GRACE_S = 10.0
"""How much longer than a run's wall seconds its process may take to tell of it, on a busy machine."""
IMPORTS = ["leave", "write"]
"""All that a program can reach: what is compiled is asked for it, and must import nothing else."""
_MOST_SHOWN_CHARS = 1_000
_MOST_WASM_BYTES = 2**32
_heard = threading.Condition()


@dataclass(frozen=True, slots=True)
class _Job:
    """What a process is busy with."""

    limits: Limits
    num_calls: int
    deadline: float


@dataclass(slots=True)
class _Mailbox:
    """What a worker and its thread hand to each other; it does not keep the worker alive."""

    frames: "queue.SimpleQueue[bytes | None]" = field(default_factory=queue.SimpleQueue)
    answer: bytes | None = None
    has_ended: bool = False

    def has_news(self) -> bool:
        return self.answer is not None or self.has_ended


class Worker:
    """One process, which runs one program at a time. It ends with this object, and with this process."""

    def __init__(self) -> None:
        """Starts it. Raises: SandboxUnavailableError if it never will here; OSError if it may another time."""
        self._running: _Job | None = None
        self._mail = _Mailbox()
        with tempfile.TemporaryFile() as complaints:
            process = _process(complaints)
            self._pid = process.pid
            self._end = weakref.finalize(self, _end, process, self._mail, os.getpid())
            threading.Thread(target=_post, args=(process, self._mail), daemon=True).start()
            self._greet(complaints)

    def _greet(self, complaints: IO[bytes]) -> None:
        """Waits until it is ready. Raises: SandboxUnavailableError with what it says, or what there is to see."""
        try:
            greeting = json.loads(self._answer(time.monotonic() + START_S))
        except WorkerLostError as error:
            self.close()
            complaints.seek(0)
            said = complaints.read().decode(errors="replace").strip()[-_MOST_SHOWN_CHARS:] or "nothing"
            raise SandboxUnavailableError(
                f"{NOT_HERE}: the sandbox's process did not start with {sys.executable} ({error}); it said: {said}"
            ) from error
        if "refused" in greeting:
            self.close()
            raise UnloadableError(str(greeting["refused"])[:_MOST_SHOWN_CHARS])
        if greeting["imports"] != IMPORTS:
            self.close()
            raise SandboxUnavailableError(
                f"{NOT_HERE}: the compiled interpreter reaches more than it should ({greeting['imports']}, not "
                f"{IMPORTS}); please report it with the versions of componentize-py and wasmtime"
            )

    @property
    def pid(self) -> int:
        """The process's."""
        return self._pid

    def has_news(self) -> bool:
        """Whether it has something to tell, or has ended."""
        return self._mail.has_news()

    @property
    def deadline(self) -> float:
        """By `time.monotonic`, when the process should have told how the present run ended."""
        assert self._running is not None, "something runs"
        return self._running.deadline

    def begin(self, job: Calls | Script, limits: Limits) -> None:
        """Has it run a program. Raises: WorkerLostError; OptionError for a job that cannot be handed over."""
        wanted, stdin = encoded(job)
        memory_bytes = min(limits.memory_bytes, _MOST_WASM_BYTES)
        header = host.JOB.pack(limits.cpu_s, limits.wall_s, memory_bytes, limits.output_bytes, len(wanted))
        if self._mail.has_ended:
            raise WorkerLostError("it has ended")
        num_calls = len(job.arguments) if isinstance(job, Calls) else 0
        self._running = _Job(limits, num_calls, time.monotonic() + limits.wall_s + GRACE_S)
        self._mail.frames.put(header + wanted + stdin)

    def finish(self) -> Run:
        """What came of it; waits for it. Raises: WorkerLostError."""
        assert self._running is not None, "something runs"
        job, size = self._running, host.ENDED.size
        try:
            answer = self._answer(job.deadline)
        finally:
            self._running = None
        way, code, cpu_s, wall_s, num_printed = host.ENDED.unpack_from(answer)
        printed, results = answer[size : size + num_printed], answer[size + num_printed :]
        ended = Ended(way, code, cpu_s, wall_s)
        return run_from(printed, results, ended, job.num_calls, job.limits.output_bytes)

    def close(self) -> None:
        """Ends it, and the program that it runs. A copy of this object that a fork made only forgets it."""
        self._running = None
        self._end()

    def _answer(self, deadline: float) -> bytes:
        if not heard_of([self], deadline):
            raise WorkerLostError("it said nothing in time")
        answer, self._mail.answer = self._mail.answer, None
        if answer is None:
            raise WorkerLostError("it has ended")
        return answer


class UnloadableError(SandboxUnavailableError):
    """The compiled component does not load here: it is damaged, or was compiled for another processor."""


def heard_of(workers: Sequence[Worker], deadline: float) -> list[Worker]:
    """Those that have something to tell, or have ended; waits for the first, until the deadline."""
    with _heard:
        _heard.wait_for(lambda: any(worker.has_news() for worker in workers), max(deadline - time.monotonic(), 0))
        return [worker for worker in workers if worker.has_news()]


def started() -> Worker:
    """A new worker; if what is compiled does not load, it is made again. Raises: SandboxUnavailableError."""
    try:
        return patiently(Worker)
    except UnloadableError:
        component.forget()
        return patiently(Worker)


def _process(complaints: IO[bytes]) -> "subprocess.Popen[bytes]":
    """The process. Raises: SandboxUnavailableError, OSError if it cannot be started now."""
    words = [host.__file__, "run", component.packages_folder(), str(component.compiled())]
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", "-X", "utf8", *words],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env=component.kept_variables(),
            cwd=Path(sys.executable).anchor,
            start_new_session=True,  # Ctrl-C reaches all of a terminal's processes, and is not meant for this one
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same on Windows
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError, TypeError) as error:
        raise SandboxUnavailableError(
            f"{NOT_HERE}: sys.executable is {sys.executable!r}, and no Python can be started by that name ({error}); "
            "set it to the path of the interpreter, which this user must be able to execute"
        ) from error


def _post(process: "subprocess.Popen[bytes]", mail: _Mailbox) -> None:
    """A worker's thread: its process greets first, and then answers every frame."""
    commands, answers = cast(BinaryIO, process.stdin), cast(BinaryIO, process.stdout)
    try:
        while (answer := host.received(answers)) is not None:
            with _heard:
                mail.answer = answer
                _heard.notify_all()
            frame = mail.frames.get()
            if frame is None:
                break
            host.send(commands, frame)
    except (OSError, ValueError):  # it has ended, or was closed
        pass
    with _heard:
        mail.has_ended = True
        _heard.notify_all()


def _end(process: "subprocess.Popen[bytes]", mail: _Mailbox, owner: int) -> None:
    """Ends a process, and by that the program that it runs; in a process that was forked off only this end."""
    if os.getpid() == owner:
        process.kill()
        process.wait()
        mail.frames.put(None)
    else:
        process.returncode = 0  # it is the parent's to wait for, and Popen would complain
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()


def _forget_waiting() -> None:
    """In a forked process: a thread that is not here may have held it."""
    global _heard  # noqa: PLW0603  # one for all workers, so that many can be waited for at once
    _heard = threading.Condition()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_waiting)
