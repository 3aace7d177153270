"""The fork server: a small process that has everything loaded, and forks one child for every program.

It is handed file descriptors and never looks into them: what a program is called with and what comes of it go past it,
so no later child finds anything of an earlier one in its copy of this memory. It gives up, in this order, all rights of
root, all files and the network, before it takes its first job.

One message, in both directions, is one datagram of `marft_envs.sandbox.worker`'s socket.
"""

import contextlib
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from pathlib import Path

from . import determinism, kernel, preload, programs, seccomp
from .protocol import ENDED, JOB, LOCKED, MOST_OPEN, NUM_DESCRIPTORS

STACK_BYTES = 2**26
"""Of a program, whatever the machine gives to others: a recursion is as deep as it can be on any machine. Linux leaves
room for twice as much above a process's memory."""
_NOBODY = 65534
_CONTROL = 3
_JOB = programs.RESULTS + 1
_MOST_DESCRIPTORS = 2**16
_PYTHON_OWN_SIGNALS = {signal.SIGKILL, signal.SIGSTOP, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ}
"""Not to be set, or set by Python when it starts."""

_monotonic, _clock_gettime = time.monotonic, time.clock_gettime  # before they are frozen


def main(descriptor: int) -> None:
    """Gets ready, says so or why not, and serves until the other side of this socket is gone."""
    if descriptor != _CONTROL:
        os.dup2(descriptor, _CONTROL)
        os.close(descriptor)
    control = socket.socket(fileno=_CONTROL)
    _reset_signals()
    try:
        jail = _prepare()
    except kernel.KernelError as error:
        control.send(json.dumps({"refused": error.what, "errno": error.errno}).encode())
        os._exit(1)
    control.send(json.dumps({"landlock": jail.landlock, "uid": os.getuid()}).encode())
    while True:
        header, descriptors, _, _ = socket.recv_fds(control, JOB.size, NUM_DESCRIPTORS)
        if not header:
            os._exit(0)
        control.send(_served(jail, control, header, descriptors))


def _reset_signals() -> None:
    """Takes back what a parent set: one that ignores SIGCHLD would leave no child here to be waited for."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - _PYTHON_OWN_SIGNALS:
        with contextlib.suppress(OSError):  # the C library keeps some for itself
            signal.signal(number, signal.SIG_DFL)


class _Jail:
    """What every child is put under."""

    def __init__(self) -> None:
        machine = kernel.machine()
        self.landlock = kernel.landlock_version()
        self.seccomp = machine.seccomp
        self.filter = seccomp.filter_for(machine)
        self.server = os.getpid()
        self.address_space = 0

    def close_on(self, memory_bytes: int, output_bytes: int, cpu_s: float) -> None:
        """Puts this process, a fresh child, under every limit there is. Raises: KernelError, OSError."""
        kernel.prctl("an end with its server", kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self.server:  # it ended before
            os._exit(1)
        kernel.prctl("a process that nobody traces", kernel.PR_SET_DUMPABLE, 0)
        whole_s = int(cpu_s) + 2  # the server stops it sooner; this is for a server that was stopped itself
        for limit, value in (
            (resource.RLIMIT_AS, self.address_space + memory_bytes),
            (resource.RLIMIT_STACK, STACK_BYTES),
            (resource.RLIMIT_CPU, whole_s),
            (resource.RLIMIT_FSIZE, output_bytes),
            (resource.RLIMIT_NOFILE, MOST_OPEN),
            (resource.RLIMIT_NPROC, 0),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_MEMLOCK, 0),
            (resource.RLIMIT_MSGQUEUE, 0),
        ):
            hard = resource.getrlimit(limit)[1]
            lower = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(limit, (lower, lower))
        kernel.deny_files_and_network(self.landlock)
        seccomp.install(self.filter, self.seccomp)


def _prepare() -> _Jail:
    """Loads everything, then gives up every right that this process has. Raises: KernelError."""
    jail = _Jail()
    determinism.freeze()
    preload.load()
    os.environ.clear()
    sys.argv[:] = sys.orig_argv[:] = ["program"]
    sys.path[:] = []
    sys.stdin.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # opened by the interpreter
    sys.stdout.reconfigure(encoding="utf-8", line_buffering=False)  # type: ignore[union-attr]
    os.dup2(0, 2)  # /dev/null: until here, what went wrong was for the other side to read
    preload.warm_up()
    jail.address_space = _address_space()
    _drop_root()
    kernel.drop_capabilities()
    kernel.prctl("no new privileges", kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.deny_files_and_network(jail.landlock)
    gc.collect()
    gc.freeze()  # what is here now is never collected, so children need no copy of its pages
    return jail


def _drop_root() -> None:
    """Becomes nobody, if this process is root and may change that.

    Where it may not, in some containers, it is root without capabilities, and Landlock and seccomp take from it what
    they take from anybody.
    """
    if os.getuid() != 0:
        return
    for give_up, arguments in (
        (os.setgroups, ([],)),
        (os.setresgid, (_NOBODY,) * 3),
        (os.setresuid, (_NOBODY,) * 3),
    ):
        with contextlib.suppress(OSError):  # one may be refused without the others
            give_up(*arguments)


def _address_space() -> int:
    """Bytes of address space that this process has."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    return int(pages) * resource.getpagesize()


def _served(jail: _Jail, control: socket.socket, header: bytes, descriptors: list[int]) -> bytes:
    """Forks the child that does the job, waits for its end, and tells it."""
    cpu_s, wall_s, memory_bytes, output_bytes = JOB.unpack(header)
    pid = os.fork()
    if pid == 0:
        _become_program(jail, descriptors, memory_bytes, output_bytes, cpu_s)
    for descriptor in descriptors:
        os.close(descriptor)
    began = _monotonic()
    is_late = _wait(pid, control, cpu_s, began + wall_s)
    _, status, usage = os.wait4(pid, 0)
    way, code = (1, os.WTERMSIG(status)) if os.WIFSIGNALED(status) else (0, os.WEXITSTATUS(status))
    used = usage.ru_utime + usage.ru_stime
    if is_late or (way == 1 and code in (signal.SIGXCPU, signal.SIGKILL) and used >= cpu_s):
        way = 2
    return ENDED.pack(way, code, used, _monotonic() - began)


def _wait(pid: int, control: socket.socket, cpu_s: float, deadline: float) -> bool:
    """Waits for a child's end, or brings it about: True if it used up its time.

    It cannot use CPU seconds faster than the clock goes, so it is looked at again when it could have used them up.
    """
    ended = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(control, select.POLLHUP)
    clock = ~pid << 3 | 2  # CPUCLOCK_SCHED of that process, as clock_getcpuclockid(3) makes it
    is_late = False
    while True:
        try:
            left_s = min(cpu_s - _clock_gettime(clock), deadline - _monotonic())
        except OSError:  # it has ended, and has no clock any more
            left_s = 1.0
        if left_s <= 0 and not is_late:
            is_late = True
            signal.pidfd_send_signal(ended, signal.SIGKILL)
        events = dict(poll.poll(max(1, int(left_s * 1000) + 1)))
        if control.fileno() in events:  # whoever wanted to know is gone
            signal.pidfd_send_signal(ended, signal.SIGKILL)
            os._exit(0)
        if ended in events:
            os.close(ended)
            return is_late


def _become_program(jail: _Jail, descriptors: list[int], memory_bytes: int, output_bytes: int, cpu_s: float) -> None:
    """In the child: takes its place, locks the door, runs. Never returns."""
    try:
        job, stdin, stdout, results = descriptors
        wanted = os.pread(job, os.fstat(job).st_size, 0)
        os.dup2(stdin, 0)
        os.dup2(stdout, 1)
        os.dup2(results, programs.RESULTS)
        os.dup2(job, _JOB)
        os.closerange(_JOB + 1, _MOST_DESCRIPTORS)
        jail.close_on(memory_bytes, output_bytes, cpu_s)
        os.pwrite(_JOB, LOCKED, 0)
        os.close(_JOB)
    except BaseException:  # noqa: BLE001  # half a jail is none
        os._exit(1)
    programs.run(wanted)
