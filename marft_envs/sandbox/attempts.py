"""A program for the self-test, which runs it in the sandbox and imports it never: it tries to get out.

Each attempt is worth a line only if it succeeds, or if the kernel got to look at it: what is refused is refused for the
call itself (EPERM, ENOSYS), and not for its arguments.
"""

import _thread
import ctypes
import errno
import mmap
import os
import resource
import socket
from collections.abc import Callable
from functools import partial

_REFUSED = (errno.EPERM, errno.ENOSYS, errno.EACCES)


def escapes(
    calls: tuple[dict[str, int], dict[str, int]],
    secret: str,
    target: str,
    port: int,
    abstract: str,
    pids: list[int],
    variable: str,
) -> list[str]:
    """Which attempts succeeded, in words.

    Args:
        calls: System calls by name, and their numbers on this machine; then others, some of which might block.
        secret: Path of a file to read.
        target: Path of a file that does not exist, to write.
        port: Of a TCP server on this machine; UDP packets are sent there as well.
        abstract: Address of a Unix socket in the abstract namespace.
        pids: Processes to signal.
        variable: An environment variable of the parent.
    """
    return [
        *(_raw(calls[0]) or _raw(calls[1])),
        *_reached("reading a file", lambda: open(secret).read()),
        *_reached("reading a file by a relative path", lambda: open(os.path.relpath(secret, "/")).read()),
        *_reached("reading a folder", lambda: os.listdir("/")),
        *_reached("looking at a file", lambda: os.stat(secret)),
        *_reached("writing a file", lambda: open(target, "w").write("x")),
        *_reached("making a folder", lambda: os.mkdir(target)),
        *_reached("removing a file", lambda: os.remove(secret)),
        *_reached("reading its own memory", lambda: open("/proc/self/mem", "rb").read(1)),
        *_reached("a TCP connection", lambda: socket.create_connection(("127.0.0.1", port), 1)),
        *_reached("a UDP packet", lambda: _udp(port)),
        *_reached("an abstract socket", lambda: socket.socket(socket.AF_UNIX).connect(abstract)),
        *_reached("a process", _fork),
        *_reached("a thread", lambda: _thread.start_new_thread(print, ())),
        *_reached("higher limits", lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1))),
        *_reached("executable memory", lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)),
        *_reached("memory made executable", _make_executable),
        *_reached("a command of fcntl", _get_owner),
        *(line for pid in [*pids, os.getppid()] for line in _reached("a signal", partial(os.kill, pid, 0))),
        *_environment(variable),
        *(f"descriptor {number} is open" for number in range(4, 256) if _is_open(number)),
    ]


def _raw(calls: dict[str, int]) -> list[str]:
    """The calls themselves, with arguments that do no harm."""
    libc = ctypes.CDLL(None, use_errno=True)
    found = []
    for name, number in calls.items():
        ctypes.set_errno(0)
        result = libc.syscall(number, *(ctypes.c_long(-1) for _ in range(6)))
        if result == 0 and name in ("fork", "vfork", "clone"):
            os._exit(0)
        if result >= 0 or ctypes.get_errno() not in _REFUSED:
            found.append(f"the call {name} reaches the kernel (errno {ctypes.get_errno()})")
    return found


def _reached(what: str, attempt: Callable[[], object]) -> list[str]:
    try:
        attempt()
    except (OSError, RuntimeError, ValueError):
        return []
    return [f"{what} succeeds"]


def _udp(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", ("127.0.0.1", port))


def _make_executable() -> None:
    block = mmap.mmap(-1, mmap.PAGESIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(block))
    if ctypes.CDLL(None).mprotect(ctypes.c_void_p(address), ctypes.c_size_t(mmap.PAGESIZE), 5) != 0:
        raise PermissionError


def _get_owner() -> None:
    if ctypes.CDLL(None).fcntl(0, 9, 0) == -1:  # F_GETOWN; the module fcntl is not there
        raise PermissionError


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _environment(variable: str) -> list[str]:
    return [f"it sees the variable {name}" for name in (variable, *os.environ) if name in os.environ]


def _is_open(number: int) -> bool:
    try:
        os.get_inheritable(number)  # not fstat, which the C library may make by a call that is refused
    except OSError:
        return False
    return True
