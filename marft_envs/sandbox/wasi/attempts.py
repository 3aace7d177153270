"""A program for the self-test, which runs it in the sandbox and imports it never: it tries to get out."""

import _thread
import os
import socket
import threading
from collections.abc import Callable


def escapes(secret: str, target: str, port: int, variable: str) -> list[str]:
    """Which attempts succeeded, in words.

    Args:
        secret: Path of a file to read.
        target: Path of a file that does not exist, to write.
        port: Of a TCP server on this machine.
        variable: An environment variable of the parent.
    """
    return [
        *_reached("reading a file", lambda: open(secret).read()),
        *_reached("reading a file by a descriptor", lambda: os.read(os.open(secret, os.O_RDONLY), 1)),
        *_reached("reading a folder", lambda: os.listdir("/")),
        *_reached("looking at a file", lambda: os.stat(secret)),
        *_reached("writing a file", lambda: open(target, "w").write("x")),
        *_reached("making a folder", lambda: os.mkdir(target)),
        *_reached("removing a file", lambda: os.remove(secret)),
        *_reached("a TCP connection", lambda: socket.create_connection(("127.0.0.1", port), 1)),
        *_reached("a name", lambda: socket.getaddrinfo("localhost", port)),
        *_reached("a process", lambda: os.fork()),  # noqa: PLW0108  # there may be none by that name
        *_reached("another process", lambda: os.system("exit")),  # noqa: S605, S607  # it is to fail
        *_reached("a thread", lambda: _thread.start_new_thread(print, ())),
        *_reached("another thread", lambda: threading.Thread(target=print).start()),
        *(f"it sees the variable {name}" for name in (variable, *os.environ) if name in os.environ),
        *(f"descriptor {number} is open" for number in range(4, 256) if _is_open(number)),
    ]


def _reached(what: str, attempt: Callable[[], object]) -> list[str]:
    try:
        attempt()
    except (OSError, RuntimeError, ValueError, AttributeError):
        return []
    return [f"{what} succeeds"]


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
