"""Which system calls a program may make: an allow-list, as the small program that seccomp has the kernel run.

Everything that is not listed fails with EPERM, which Python shows as PermissionError, so that a program is told; a call
by another convention (32 bits, x32) ends the process. There is no way in the list to open, make or look at a file, to
make a process, a thread, a socket or a pipe, to signal or to trace anybody, to change a limit, or to make memory
executable.
"""

import ctypes
import errno
import struct

from . import kernel

_SECCOMP_SET_MODE_FILTER = 1
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
_REFUSE = _ERRNO | errno.EPERM
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
"""Where these stand in `struct seccomp_data`."""
_PROT_EXEC = 4
_FCNTL_COMMANDS = (0, 1, 2, 3, 1030)
"""F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC."""
_OFTEN = ("read", "write", "lseek", "munmap", "brk", "futex", "rt_sigaction", "madvise", "mremap", "clock_gettime")
"""These stand first, for the list is read from its beginning at every call."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def filter_for(machine: kernel.Machine) -> bytes:
    """The filter as the kernel reads it: instructions of 8 bytes."""
    steps = [
        _step(_LOAD, _ARCH),
        _step(_JUMP_EQUAL, machine.audit_arch, 1, 0),
        _step(_RETURN, _KILL_PROCESS),
        _step(_LOAD, _NUMBER),
    ]
    if machine.first_foreign:
        steps += [_step(_JUMP_AT_LEAST, machine.first_foreign, 0, 1), _step(_RETURN, _KILL_PROCESS)]
    conditional = {
        "mmap": _unless_bit(2, _PROT_EXEC),
        "mprotect": _unless_bit(2, _PROT_EXEC),
        "fcntl": _only(1, _FCNTL_COMMANDS),
    }
    names = sorted(machine.calls, key=lambda name: (name not in _OFTEN, machine.calls[name]))
    for name in names:
        then = conditional.get(name, [_step(_RETURN, _ALLOW)])
        steps += [_step(_JUMP_EQUAL, machine.calls[name], 0, len(then)), *then]
    return b"".join([*steps, _step(_RETURN, _REFUSE)])


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _unless_bit(argument: int, bit: int) -> list[bytes]:
    """Allowed unless this bit of the argument is set: its lower half is enough, where the kernel's flags are."""
    return [
        _step(_LOAD, _ARGUMENTS + 8 * argument),
        _step(_JUMP_ANY_BIT, bit, 0, 1),
        _step(_RETURN, _REFUSE),
        _step(_RETURN, _ALLOW),
    ]


def _only(argument: int, values: tuple[int, ...]) -> list[bytes]:
    """Allowed if the argument is one of these."""
    steps = [_step(_LOAD, _ARGUMENTS + 8 * argument)]
    for value in values:
        steps += [_step(_JUMP_EQUAL, value, 0, 1), _step(_RETURN, _ALLOW)]
    return [*steps, _step(_RETURN, _REFUSE)]


def install(instructions: bytes, number: int) -> None:
    """Puts this process under the filter, for good.

    Args:
        instructions: What `filter_for` made.
        number: Of seccomp(2) on this machine.

    Raises: KernelError.
    """
    program = _Program(len(instructions) // 8, instructions)
    kernel.syscall(
        "a seccomp filter",
        number,
        ctypes.c_uint(_SECCOMP_SET_MODE_FILTER),
        ctypes.c_uint(0),
        ctypes.byref(program),
    )
