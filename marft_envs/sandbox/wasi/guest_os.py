"""What a program on WebAssembly finds in place of an operating system: its own four descriptors, and refusals.

It makes programs behave as they do on Linux, where what is forbidden raises PermissionError. It is no wall: whoever
gets around it reaches a stub, which ends the program.
"""

import _socket
import builtins
import errno
import io
import os
import posix
import select
import sys
from collections.abc import Callable
from types import BuiltinFunctionType, ModuleType
from typing import Any

_STDIN, _STDOUT, _STDERR, _RESULTS = range(4)
_MOST_AT_ONCE = 2**20
_COMPUTING = ("_path_normpath", "_path_splitroot_ex", "abort", "fspath", "strerror")
_COMPUTING_OF_SOCKETS = ("htonl", "htons", "inet_aton", "inet_ntoa", "inet_ntop", "inet_pton", "ntohl", "ntohs")
"""Functions that ask nothing of a system, or end the program."""

_write_out: Callable[[int, str], int]
leave: Callable[[int], None]
_stdin = io.BytesIO()


def install(write: Callable[[int, str], int], ends: Callable[[int], None]) -> None:
    """Takes the place of the system, when everything is imported. `write` and `ends` are the host's."""
    global _write_out, leave
    _write_out, leave = write, ends
    for module in (posix, _socket, select):
        _refuse_all(module)
    ours = {"read": _read, "write": _write, "_exit": _exit, "fstat": _fstat, "isatty": lambda _: False}
    for name, function in {**ours, "close": _check, "cpu_count": lambda: 1}.items():
        setattr(posix, name, function)
    for name in dir(posix):
        if name in os.__dict__ and not name.startswith("__") and name not in ("environ", "getpid", "urandom", "times"):
            setattr(os, name, getattr(posix, name))
    builtins.open = io.open = _open
    builtins.input = _input
    sys.addaudithook(_audit)
    sys.stdin, sys.stdout, sys.stderr = _open(_STDIN), _open(_STDOUT, "w"), _open(_STDERR, "w")
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]  # the same


def feed(data: bytes) -> None:
    """Sets what is read from standard input."""
    global _stdin  # noqa: PLW0603  # there is one system
    _stdin = io.BytesIO(data)


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    """The interpreter itself opens files, too: a program's, to quote the line of a SyntaxError."""
    if event == "open":
        raise _refusal(arguments[0])


class NoSocket:
    """In the place of `_socket.socket`."""

    __slots__ = ()

    def __init__(self, *_: object, **__: object) -> None:
        raise _refusal()


def _refuse_all(module: ModuleType) -> None:
    for name, found in [*vars(module).items()]:
        if type(found) is BuiltinFunctionType and name not in _COMPUTING + _COMPUTING_OF_SOCKETS:
            setattr(module, name, _refused)


def _refused(*_: object, **__: object) -> Any:
    raise _refusal()


def _refusal(*about: object) -> PermissionError:
    return PermissionError(errno.EPERM, os.strerror(errno.EPERM), *about)


def _check(descriptor: int) -> None:
    if descriptor not in range(_RESULTS + 1):
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def _read(descriptor: int, size: int, /) -> bytes:
    if descriptor != _STDIN:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return _stdin.read(max(size, 0))


def _write(descriptor: int, data: Any, /) -> int:
    if descriptor not in (_STDOUT, _STDERR, _RESULTS):
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    piece = bytes(memoryview(data).cast("B")[:_MOST_AT_ONCE])
    if descriptor == _STDERR or not piece:
        return len(piece)
    taken = _write_out(descriptor, piece.decode("latin-1"))
    if not taken:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return taken


def _exit(status: int) -> None:
    leave(status & 0xFF)


def _fstat(descriptor: int, /) -> os.stat_result:
    _check(descriptor)
    size = len(_stdin.getbuffer()) if descriptor == _STDIN else 0
    return os.stat_result((0o100600, 0, 0, 1, 0, 0, size, 0, 0, 0))


class _Descriptor(io.RawIOBase):
    """One of the four, as a file."""

    def __init__(self, number: int, mode: str) -> None:
        self._number = number
        self.mode = mode
        self.name = ("<stdin>", "<stdout>", "<stderr>", number)[number]

    def fileno(self) -> int:
        return self._number

    def readable(self) -> bool:
        return self._number == _STDIN

    def writable(self) -> bool:
        return self._number != _STDIN

    def readinto(self, buffer: Any, /) -> int:
        return _stdin.readinto(buffer)

    def write(self, data: Any, /) -> int:
        return _write(self._number, data)


def _open(  # the signature of `open`
    file: object,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,  # noqa: ARG001
    opener: object = None,  # noqa: ARG001
) -> Any:
    if not isinstance(file, int) or file not in range(_RESULTS + 1):
        raise _refusal(file)
    raw = _Descriptor(file, mode)
    if "b" in mode and buffering == 0:
        return raw
    buffered = io.BufferedReader(raw) if raw.readable() else io.BufferedWriter(raw)
    if "b" in mode:
        return buffered
    return io.TextIOWrapper(buffered, encoding or "utf-8", errors, newline, line_buffering=buffering == 1)


def _input(prompt: object = "", /) -> str:
    """As `input`, which would ask whether somebody sits there."""
    print(prompt, end="", flush=True)  # noqa: T201  # it is what `input` does
    line = sys.stdin.readline()
    if not line:
        raise EOFError("EOF when reading a line")
    return line.removesuffix("\n")
