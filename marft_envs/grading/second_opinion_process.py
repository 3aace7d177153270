"""A Python script in a process of its own that is talked to line by line, where nothing waits for ever.

Pipes are read and written without buffers and without blocking, so a deadline holds whatever the other side does: it
may write half a line, or read nothing. Nobody has to remember to end the process: it is killed when its object is
collected, or at exit; not, though, by a copy of the object in a process that was forked off.
"""

import os
import selectors
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import IO

_MAX_LINE_BYTES = 1_000
"""Of what the process writes; more without an end of line is no line."""


class LineProcess:
    """One process; its standard error is dropped, and it sees no environment variables."""

    def __init__(self, script: Path) -> None:
        """Starts it."""
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={},
        )
        self.end = weakref.finalize(self, _end, self._process, os.getpid())
        """Kills it and waits for that; once is enough, and twice does no harm."""
        self._stdin, self._stdout = _pipe(self._process.stdin), _pipe(self._process.stdout)
        self._read = bytearray()

    @property
    def is_running(self) -> bool:
        """False as soon as it has ended, by whatever cause."""
        return self._process.poll() is None

    def write_line(self, line: str, deadline: float) -> None:
        """Hands the process a line, or what of it was possible until `deadline`, which is `time.monotonic`'s."""
        rest = f"{line}\n".encode()
        while rest and _is_ready(self._stdin, selectors.EVENT_WRITE, deadline):
            try:
                rest = rest[os.write(self._stdin, rest) :]
            except BlockingIOError:  # room for a little, and not for so much
                time.sleep(0.001)
            except BrokenPipeError:  # it has ended, and reading will tell
                return

    def read_line(self, deadline: float) -> str | None:
        """The process' next line; None if it says none until `deadline`, or has ended."""
        while b"\n" not in self._read:
            if len(self._read) > _MAX_LINE_BYTES or not _is_ready(self._stdout, selectors.EVENT_READ, deadline):
                return None
            more = os.read(self._stdout, _MAX_LINE_BYTES)
            if not more:
                return None
            self._read += more
        line, _, self._read = self._read.partition(b"\n")
        return line.decode(errors="replace")


def _pipe(pipe: IO[bytes] | None) -> int:
    assert pipe is not None, "asked for"
    os.set_blocking(pipe.fileno(), False)
    return pipe.fileno()


def _is_ready(pipe: int, event: int, deadline: float) -> bool:
    """Waits until the pipe can be read or written."""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, event)
        return bool(selector.select(max(deadline - time.monotonic(), 0)))


def _end(process: "subprocess.Popen[bytes]", owner: int) -> None:
    is_ours = os.getpid() == owner
    if is_ours:
        process.kill()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None, "asked for"
        pipe.close()
    # After a fork it is the parent's to wait for. With a return code Popen neither does nor complains.
    process.returncode = process.wait() if is_ours else 0
