"""The settings in which the sandbox must hold: this process puts itself into one, for good."""

import ctypes
import errno
import os
import stat
import struct
import sys
from collections.abc import Callable
from pathlib import Path

from marft_envs.sandbox import selftest
from marft_envs.sandbox.jail import kernel, seccomp

NOBODY = 65534
SETTINGS = (
    "another user",
    "in Docker",
    "another user in Docker",
    "root without capabilities",
    "root of a user namespace",
)
OLD_DOCKER = "in an old Docker"
_libc = ctypes.CDLL(None, use_errno=True)

# What Docker's default profile withholds from a container without further capabilities; x86_64.
_WITHHELD = {
    "acct": 163, "add_key": 248, "bpf": 321, "chroot": 161, "clock_adjtime": 305, "clock_settime": 227,
    "delete_module": 176, "fanotify_init": 300, "finit_module": 313, "fsconfig": 431, "fsmount": 432, "fsopen": 430,
    "fspick": 433, "get_kernel_syms": 177, "get_mempolicy": 239, "init_module": 175, "io_uring_setup": 425,
    "io_uring_enter": 426, "io_uring_register": 427, "ioperm": 173, "iopl": 172, "kcmp": 312, "kexec_file_load": 320,
    "kexec_load": 246, "keyctl": 250, "lookup_dcookie": 212, "mbind": 237, "mount": 165, "mount_setattr": 442,
    "move_mount": 429, "move_pages": 279, "nfsservctl": 180, "open_by_handle_at": 304, "open_tree": 428,
    "perf_event_open": 298, "pivot_root": 155, "query_module": 178, "quotactl": 179, "quotactl_fd": 443, "reboot": 169,
    "request_key": 249, "set_mempolicy": 238, "setdomainname": 171, "sethostname": 170, "setns": 308,
    "settimeofday": 164, "swapoff": 168, "swapon": 167, "sysfs": 139, "syslog": 103,
    "_sysctl": 156, "umount2": 166, "unshare": 272, "uselib": 134, "userfaultfd": 323, "ustat": 136, "vhangup": 153,
}  # fmt: skip
_LANDLOCK = {"landlock_create_ruleset": 444, "landlock_add_rule": 445, "landlock_restrict_self": 446}
_CLONE, _CLONE3, _PERSONALITY = 56, 435, 135
_NAMESPACES = 0x7E02_0000
_PERSONALITIES = (0x0, 0x0008, 0x20000, 0x20008, 0xFFFF_FFFF)


def enter(setting: str, folder: Path) -> str:
    """Puts this process into it; why that cannot be done, or nothing. May make things in the folder."""
    if os.uname().machine != "x86_64" and "Docker" in setting:
        return "the filter that plays Docker's is written for x86_64"
    if os.getuid() != 0 and setting in ("another user", "another user in Docker", "root without capabilities"):
        return "only root can become somebody else"
    entered: dict[str, Callable[[], str]] = {
        "another user": lambda: _as_nobody(folder),
        "in Docker": lambda: _filtered({}),
        "another user in Docker": lambda: _as_nobody(folder) or _filtered({}),
        "root without capabilities": _without_capabilities,
        "root of a user namespace": _in_a_user_namespace,
        OLD_DOCKER: lambda: _filtered(_LANDLOCK),
    }
    return entered[setting]()


def may_change_user() -> bool:
    """Whether this process, which is root, has CAP_SETUID."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> 7 & 1)
    return False


def may_become_nobody() -> bool:
    """Whether there is such a user here, and this process may become it."""
    mapped = Path("/proc/self/uid_map").read_text(encoding="ascii").split()
    return may_change_user() and int(mapped[0]) <= NOBODY < int(mapped[0]) + int(mapped[2])


def _filtered(more: dict[str, int]) -> str:
    load, jump, any_bit, give = 0x20, 0x15, 0x45, 0x06
    allow, refuse = 0x7FFF_0000, 0x0005_0000
    step = lambda code, value, yes=0, no=0: struct.pack("<HBBI", code, yes, no, value)  # noqa: E731
    steps = [step(load, 0)]
    for number in {**_WITHHELD, **more}.values():
        steps += [step(jump, number, 0, 1), step(give, refuse | errno.EPERM)]
    steps += [step(jump, _CLONE3, 0, 1), step(give, refuse | errno.ENOSYS)]
    steps += [step(jump, _CLONE, 0, 3), step(load, 16), step(any_bit, _NAMESPACES, 0, 1)]
    steps += [step(give, refuse | errno.EPERM), step(load, 0)]
    steps += [step(jump, _PERSONALITY, 0, 2 + len(_PERSONALITIES)), step(load, 16)]
    for index, value in enumerate(_PERSONALITIES):
        steps.append(step(jump, value, len(_PERSONALITIES) - index, 0))
    steps += [step(give, refuse | errno.EPERM), step(give, allow)]
    kernel.prctl("no new privileges", kernel.PR_SET_NO_NEW_PRIVS, 1)
    seccomp.install(b"".join(steps), kernel.machine().seccomp)
    assert _libc.syscall(272, 0x1000_0000) == -1, "unshare is withheld"
    return ""


def _as_nobody(folder: Path) -> str:
    """Becomes nobody; makes the interpreter reachable for it first, where that takes no more than mounts."""
    if reason := _reachable(folder / "interpreter"):
        return reason
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    if not os.access(sys.executable, os.X_OK):
        return f"nobody but root can execute {sys.executable}"
    if not os.access(selftest.__file__, os.R_OK):
        return f"nobody but root can read {selftest.__file__}"
    return ""


def _reachable(held: Path) -> str:
    """Where a folder above the interpreter is closed to others, mounts an open one over it, for this process only."""
    home = Path(sys.base_prefix).resolve()
    closed = [folder for folder in (home, *home.parents) if not folder.stat().st_mode & stat.S_IXOTH]
    if not closed:
        return ""
    outermost = closed[-1]
    held.mkdir()
    private, bind = 0x4_0000 | 0x4000, 0x1000 | 0x4000
    try:
        _checked(_libc.unshare(0x2_0000))
        _checked(_libc.mount(b"none", b"/", None, private, None))
        _checked(_libc.mount(str(home).encode(), str(held).encode(), None, bind, None))
        _checked(_libc.mount(b"none", str(outermost).encode(), b"tmpfs", 0, b"mode=755"))
        home.mkdir(parents=True)
        _checked(_libc.mount(str(held).encode(), str(home).encode(), None, bind, None))
    except OSError as error:
        return f"nobody but root can reach {home}, and nothing can be mounted ({error})"
    return ""


def _checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _in_a_user_namespace() -> str:
    """Becomes what root is in a container without privileges: nobody else is there for it to become."""
    uid, gid = os.getuid(), os.getgid()
    try:
        _checked(_libc.unshare(0x1000_0000))
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1", encoding="ascii")
    except OSError as error:
        return f"this user can make no user namespace ({error})"
    assert os.getuid() == 0 and may_change_user()
    return ""


def _without_capabilities() -> str:
    """Stays root, and can do nothing that only root can."""
    for number in range(64):
        _libc.prctl(24, ctypes.c_ulong(number), 0, 0, 0)  # PR_CAPBSET_DROP
    header, data = (ctypes.c_uint32 * 2)(0x2008_0522, 0), (ctypes.c_uint32 * 6)()
    if _libc.capset(header, data) != 0 or may_change_user():
        return "the capabilities stay"
    return ""
