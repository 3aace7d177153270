"""Tries to break out of the sandbox before any program is trusted to it, once in every process that uses it.

The attempts are real, by raw system calls, and what matters is looked at from outside: the file that must not be
there, the connection that must not arrive. A platform on which one of them succeeds is refused, with a word on which.
"""

import os
import socket
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

from marft_envs.errors import SandboxUnavailableError
from marft_envs.sandbox.backend import WorkerLostError
from marft_envs.sandbox.findings import (
    HOARD,
    arrived,
    changed,
    ended_otherwise,
    flooded,
    hoarded,
    ran,
    refuse_if_any,
    succeeded,
    too_much,
)
from marft_envs.sandbox.refusal import NOT_HERE, OR_WASI
from marft_envs.sandbox.runs import Calls, Limits, Run, Script
from marft_envs.sandbox.worker import Worker, started

_LIMITS = Limits(cpu_s=10.0, wall_s=60.0, memory_bytes=128 * 2**20, output_bytes=2**16)
"""For attempts that are over at once, on the busiest machine."""
_LITTLE = Limits(cpu_s=0.02, wall_s=5.0)
_SHORT = Limits(cpu_s=10.0, wall_s=0.02)
_MUCH_SLOWER = 20.0
_TOO_MUCH_CPU_S = 1.0
"""More than the little, even if it is made longer for a slow machine."""
_FLOOD = """
import os
def flood(size):
    written = 0
    try:
        while written < size:
            written += os.write(1, b"x" * 1000)
    except OSError:
        pass
    return written
"""
_ATTEMPTS = Path(__file__).with_name("attempts.py")
_MOST_NUMBERS = 512
"""The kernel's tables have fewer calls."""
_PAST_ALL_FILTERS = (335, 336)
"""uretprobe and uprobe on x86_64: the kernel passes them by seccomp, and does nothing where they are not its own."""
# Numbers: see `jail.kernel`. These are calls that get at files, processes, the network, limits, or much of the kernel:
# they are tried whatever the sandbox's list says, and then all others that are not in it.
# fmt: off
_CALLS = {
    "x86_64": {
        "open": 2, "stat": 4, "ioctl": 16, "access": 21, "pipe": 22, "shmget": 29, "socket": 41, "connect": 42,
        "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62, "semget": 64, "msgget": 68,
        "ftruncate": 77, "rename": 82, "mkdir": 83, "unlink": 87, "readlink": 89, "chmod": 90, "ptrace": 101,
        "setuid": 105, "rt_sigqueueinfo": 129, "mknod": 133, "personality": 135, "setpriority": 141, "prctl": 157,
        "setrlimit": 160, "chroot": 161, "mount": 165, "tkill": 200, "sched_setaffinity": 203, "tgkill": 234,
        "add_key": 248, "keyctl": 250, "openat": 257, "newfstatat": 262, "unshare": 272, "eventfd2": 290,
        "pipe2": 293, "perf_event_open": 298, "prlimit64": 302, "setns": 308, "process_vm_readv": 310,
        "process_vm_writev": 311, "seccomp": 317, "getrandom": 318, "memfd_create": 319, "bpf": 321, "execveat": 322,
        "userfaultfd": 323, "statx": 332,
    },
    "aarch64": {
        "ioctl": 29, "mkdirat": 34, "unlinkat": 35, "mount": 40, "ftruncate": 46, "chroot": 51, "openat": 56,
        "pipe2": 59, "readlinkat": 78, "newfstatat": 79, "personality": 92, "unshare": 97, "ptrace": 117,
        "sched_setaffinity": 122, "kill": 129, "tkill": 130, "tgkill": 131, "rt_sigqueueinfo": 138, "setuid": 146,
        "setrlimit": 164, "prctl": 167, "shmget": 194, "socket": 198, "socketpair": 199, "connect": 203,
        "add_key": 217, "keyctl": 219, "clone": 220, "execve": 221, "perf_event_open": 241, "prlimit64": 261,
        "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271, "seccomp": 277, "getrandom": 278,
        "memfd_create": 279, "bpf": 280, "execveat": 281, "userfaultfd": 282, "statx": 291,
    },
}
# fmt: on
_CALLS_EVERYWHERE = {
    "pidfd_send_signal": 424,
    "io_uring_setup": 425,
    "pidfd_open": 434,
    "clone3": 435,
    "openat2": 437,
    "pidfd_getfd": 438,
    "landlock_create_ruleset": 444,
}  # fmt: skip


@lru_cache(maxsize=1)
def require_walls() -> None:
    """Returns if nothing gets out of the sandbox here. Raises: SandboxUnavailableError."""
    if not sys.platform.startswith("linux"):
        raise SandboxUnavailableError(
            f"{NOT_HERE}: it is {sys.platform}, and what locks them up (Landlock, seccomp) is Linux's. Use Linux 5.13 "
            "or newer, in a container or a virtual machine (Docker Desktop's, or WSL 2 with a kernel from 6.1 on). "
            f"{OR_WASI}"
        )
    worker = started()
    refuse_if_any(
        worker,
        lambda: [*_rights(worker), *_escapes(worker), *_unlimited(worker)],
        f"the output of `uname -a`. {OR_WASI}",
    )


def _late(worker: Worker, source: str, limits: Limits) -> Run:
    """Runs what never ends; again, with more time, on a machine so busy that it had none left to begin."""
    try:
        return ran(worker, Script(source), limits)
    except WorkerLostError:
        return ran(worker, Script(source), limits.slower(_MUCH_SLOWER))


def _rights(worker: Worker) -> list[str]:
    """Which rights the server still has, in words: what the kernel says of it, not what it says itself."""
    try:
        status = Path(f"/proc/{worker.pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:  # a /proc that hides other users' processes; the server ends if it cannot give up its rights
        return []
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    sets = [name for name in ("CapInh", "CapPrm", "CapEff", "CapAmb") if int(fields.get(name, "0"), 16)]
    found = [f"the server has capabilities ({', '.join(sets)})"] if sets else []
    return found if fields.get("NoNewPrivs", "1") == "1" else [*found, "the server may get new privileges"]


def _calls() -> tuple[dict[str, int], dict[str, int]]:
    """The calls that must never be allowed, and all others that are not."""
    from marft_envs.sandbox.jail import kernel  # imports on Linux only

    named = {**_CALLS[os.uname().machine], **_CALLS_EVERYWHERE}
    known = {*named.values(), *kernel.machine().calls.values(), *_PAST_ALL_FILTERS}
    return named, {f"number {number}": number for number in range(_MOST_NUMBERS) if number not in known}


def _escapes(worker: Worker) -> list[str]:
    """What got out, in words."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as server, socket.socket(socket.AF_UNIX) as unix:
        secret, target = Path(folder, "secret"), Path(folder, "target")
        secret.write_text("secret", encoding="utf-8")
        secret.chmod(0o644)
        Path(folder).chmod(0o755)  # nothing but the sandbox's walls keeps another user from it
        server.bind(("127.0.0.1", 0))
        server.listen()
        unix.bind(b"\0marft-" + os.urandom(8).hex().encode())
        unix.listen()
        variable = next(iter(os.environ), "PATH")
        arguments = (_calls(), str(secret), str(target), server.getsockname()[1], unix.getsockname(), [os.getpid()])
        source = _ATTEMPTS.read_text(encoding="utf-8")
        run = ran(worker, Calls(source, "escapes", ((*arguments, variable),)), _LIMITS)
        return [*succeeded(run), *changed(secret, target), *arrived(server, unix)]


def _unlimited(worker: Worker) -> list[str]:
    """Which limit does not hold, in words."""
    spins = _late(worker, "while True: pass", _LITTLE)
    waits = _late(worker, "import ctypes\nwhile True: ctypes.CDLL(None).sleep(1000)", _SHORT)
    floods = ran(worker, Calls(_FLOOD, "flood", ((4 * _LIMITS.output_bytes,),)), _LIMITS)
    hoards = ran(worker, Calls(HOARD, "f", ((2 * _LIMITS.memory_bytes,),)), _LIMITS)
    crashes = ran(worker, Script("import ctypes\nctypes.string_at(0)"), _LIMITS)
    return [
        *ended_otherwise(CPU_seconds=(spins, "time"), wall_seconds=(waits, "time"), a_crash=(crashes, "crashed")),
        *too_much(spins, _LITTLE.cpu_s, _TOO_MUCH_CPU_S),
        *flooded(floods, _LIMITS.output_bytes),
        *hoarded(hoards),
    ]
