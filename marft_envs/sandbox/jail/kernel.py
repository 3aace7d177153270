"""The kernel's own interface, through ctypes: Landlock, seccomp and prctl have no place in Python's library.

Sources: the kernel's `include/uapi/linux/{landlock,seccomp,filter,audit,prctl}.h`, its
`arch/x86/entry/syscalls/syscall_64.tbl` and `include/uapi/asm-generic/unistd.h`.
"""

import ctypes
import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass

_libc = ctypes.CDLL(None, use_errno=True)

_POINTER_BYTES = 8
"""An interpreter of 32 bits makes its calls by another table."""
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x2008_0522


class KernelError(OSError):
    """The kernel refused a call that a sandbox needs; `what` says which, in words."""

    def __init__(self, what: str, number: int) -> None:
        super().__init__(number, f"{what}: {os.strerror(number)}")
        self.what = what


@dataclass(frozen=True)
class Machine:
    """What differs from one kind of processor to another."""

    audit_arch: int
    """How seccomp names it."""
    calls: Mapping[str, int]
    """The numbers of the system calls that a program may make."""
    first_foreign: int
    """Numbers from here on belong to another calling convention (x32); 0 where there is none."""
    seccomp: int
    """The number of seccomp(2) itself."""


# fmt: off
_CALLS_X86_64 = {
    "read": 0, "write": 1, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "mmap": 9, "mprotect": 10, "munmap": 11,
    "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "pread64": 17, "pwrite64": 18,
    "readv": 19, "writev": 20, "select": 23, "sched_yield": 24, "mremap": 25, "madvise": 28, "dup": 32, "dup2": 33,
    "nanosleep": 35, "getpid": 39, "exit": 60, "fcntl": 72, "gettimeofday": 96, "getrusage": 98, "times": 100,
    "getuid": 102, "getgid": 104, "geteuid": 107, "getegid": 108, "getppid": 110, "sigaltstack": 131, "gettid": 186,
    "time": 201, "futex": 202, "restart_syscall": 219, "clock_gettime": 228, "clock_getres": 229,
    "clock_nanosleep": 230, "exit_group": 231, "pselect6": 270, "ppoll": 271, "dup3": 292,
}
_CALLS_AARCH64 = {
    "read": 63, "write": 64, "close": 57, "fstat": 80, "lseek": 62, "mmap": 222, "mprotect": 226, "munmap": 215,
    "brk": 214, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139, "pread64": 67, "pwrite64": 68,
    "readv": 65, "writev": 66, "sched_yield": 124, "mremap": 216, "madvise": 233, "dup": 23, "nanosleep": 101,
    "getpid": 172, "exit": 93, "fcntl": 25, "gettimeofday": 169, "getrusage": 165, "times": 153, "getuid": 174,
    "getgid": 176, "geteuid": 175, "getegid": 177, "getppid": 173, "sigaltstack": 132, "gettid": 178, "futex": 98,
    "restart_syscall": 128, "clock_gettime": 113, "clock_getres": 114, "clock_nanosleep": 115, "exit_group": 94,
    "pselect6": 72, "ppoll": 73, "dup3": 24,
}
# fmt: on

MACHINES: Mapping[str, Machine] = {
    "x86_64": Machine(audit_arch=0xC000003E, calls=_CALLS_X86_64, first_foreign=0x4000_0000, seccomp=317),
    # Written from the kernel's table, and never run: the self-test decides on every machine.
    "aarch64": Machine(audit_arch=0xC00000B7, calls=_CALLS_AARCH64, first_foreign=0, seccomp=277),
}

_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446  # the same on every machine, as all calls since 5.1


def machine() -> Machine:
    """The tables of this machine. Raises: KernelError if there are none."""
    found = MACHINES.get(os.uname().machine)
    if found is None or ctypes.sizeof(ctypes.c_void_p) != _POINTER_BYTES:
        raise KernelError(f"no table of system calls for {os.uname().machine}", errno.ENOSYS)
    return found


def syscall(what: str, number: int, *arguments: object) -> int:
    """A system call by its number. Raises: KernelError."""
    ctypes.set_errno(0)
    result: int = _libc.syscall(number, *arguments)
    if result < 0:
        raise KernelError(what, ctypes.get_errno())
    return result


def prctl(what: str, option: int, value: int) -> None:
    """Sets an attribute of this process. Raises: KernelError."""
    zero = ctypes.c_ulong(0)
    if _libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero) != 0:
        raise KernelError(what, ctypes.get_errno())


def drop_capabilities() -> None:
    """From now on this process may do nothing that is root's alone, whoever it is. Raises: KernelError."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    if _libc.capset(header, (ctypes.c_uint32 * 6)()) != 0:
        raise KernelError("to drop capabilities", ctypes.get_errno())


class _RulesetAttr(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""How many of the rights to files, counted from the lowest bit, exist from which version of Landlock on."""
_NET_VERSION, _NET_RIGHTS = 4, 0b11
_SCOPE_VERSION, _SCOPES = 6, 0b11
"""Abstract sockets and signals: none beyond the domain itself and those nested in it."""


def landlock_version() -> int:
    """The version of Landlock here, from 1. Raises: KernelError if there is none."""
    return syscall("Landlock", _LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))


def deny_files_and_network(version: int) -> None:
    """From now on this process and its children open, make, remove and execute no file, and use no TCP port.

    What is open stays open. Raises: KernelError.
    """
    rights = max(count for since, count in _FILE_RIGHTS.items() if since <= version)
    attributes = _RulesetAttr(
        handled_access_fs=2**rights - 1,
        handled_access_net=_NET_RIGHTS if version >= _NET_VERSION else 0,
        scoped=_SCOPES if version >= _SCOPE_VERSION else 0,
    )
    size = 8 * (1 + (version >= _NET_VERSION) + (version >= _SCOPE_VERSION))
    ruleset = syscall(
        "a Landlock ruleset",
        _LANDLOCK_CREATE_RULESET,
        ctypes.byref(attributes),
        ctypes.c_size_t(size),
        ctypes.c_uint32(0),
    )
    syscall("Landlock on this process", _LANDLOCK_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    os.close(ruleset)
