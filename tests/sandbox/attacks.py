"""Programs that attack the sandbox: a table, which `arena.Arena` runs in several settings.

Each program is a function `attack` of facts about the outside (paths, ports, processes). It returns what it believes it
reached, in words; nothing, if it was stopped everywhere. Nobody relies on that alone: after each attack the arena looks
at the outside itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from marft_envs.sandbox.runs import Limits, Returned, Run

SMALL = Limits(cpu_s=5.0, wall_s=15.0, memory_bytes=64 * 2**20, output_bytes=2**16)
BRIEF = Limits(cpu_s=0.1, wall_s=10.0, memory_bytes=64 * 2**20, output_bytes=2**16)
IMPATIENT = Limits(cpu_s=5.0, wall_s=0.2, memory_bytes=64 * 2**20, output_bytes=2**16)

PRELUDE = '''
import _thread, ctypes, errno, gc, mmap, os, resource, select, signal, socket, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
got = []

def reached(what, attempt, *arguments):
    try:
        result = attempt(*arguments)
    except (OSError, RuntimeError, ValueError, MemoryError, ImportError, AttributeError, ZeroDivisionError):
        return None
    got.append(f"{what}: {str(result)[:80]}")
    return result

def raw(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *(
        ctypes.c_long(one) if isinstance(one, int) else one for one in arguments))
    return result, ctypes.get_errno()

def refused(what, number, *arguments):
    """The kernel did not even look at the arguments."""
    result, error = raw(number, *arguments)
    if result == 0 and number in (56, 57, 58, 435):  # a child that should not be: it stays, so that it can be counted
        libc.sleep(5)
        os._exit(0)
    if result != -1 or error not in (errno.EPERM, errno.ENOSYS):
        got.append(f"{what}: result {result}, errno {error}")
'''


@dataclass(frozen=True)
class Attack:
    """One program, and how its run may end."""

    name: str
    source: str
    limits: Limits = SMALL
    endings: tuple[str, ...] = ("finished",)
    check: Callable[[Run, dict[str, Any]], str] | None = None
    """What else must be true of the run; a word on what is not."""
    is_x86: bool = False
    """It names system calls by their number."""


def _memory_stayed_low(run: Run, facts: dict[str, Any]) -> str:
    most = SMALL.memory_bytes + facts["server_bytes"] + 2**20
    return "" if facts["peak_bytes"] <= most else f"{facts['peak_bytes']} bytes of address space, more than {most}"


def _output_stayed_small(run: Run, facts: dict[str, Any]) -> str:
    return "" if len(run.printed) <= SMALL.output_bytes else f"{len(run.printed)} characters were printed"


def _died_of(*signals: int) -> Callable[[Run, dict[str, Any]], str]:
    return lambda run, facts: "" if run.signal in signals else f"signal {run.signal}"


ATTACKS = [
    # ---- processes and threads
    Attack(
        "fork bomb",
        """
def attack(a):
    for _ in range(300):
        child = reached("fork", os.fork)
        if child == 0:
            while True:
                libc.sleep(5)
    return got
""",
    ),
    Attack(
        "forks by raw calls, with namespaces too",
        """
def attack(a):
    refused("fork", 57)
    refused("vfork", 58)
    for flags in (0, 17, 0x100, 0x10000, 0x10000000, 0x20000, 0x40000000, 0x3d0f00, 0x7c020000):
        refused(f"clone {flags:x}", 56, flags | 17, 0, 0, 0, 0)
    arguments = (ctypes.c_uint64 * 11)(0x10000000, 0, 0, 0, 17)
    refused("clone3", 435, ctypes.byref(arguments), 88)
    for flags in (0, 0x10000000, 0x20000, 0x40000000, 0x7e020080):
        refused(f"unshare {flags:x}", 272, flags)
    return got
""",
        is_x86=True,
    ),
    Attack(
        "thread bomb",
        """
def attack(a):
    for _ in range(100):
        reached("thread", _thread.start_new_thread, time.sleep, (1,))
        reached("Thread", threading.Thread(target=print).start)
    return got
""",
    ),
    Attack(
        "daemon by a double fork",
        """
def attack(a):
    reached("setsid", os.setsid)
    reached("setpgid", os.setpgid, 0, 0)
    if reached("fork", os.fork) == 0:
        reached("setsid", os.setsid)
        if os.fork() == 0:
            libc.sleep(30)
        os._exit(0)
    if libc.daemon(0, 0) == 0:
        got.append("daemon")
    return got
""",
    ),
    Attack(
        "exec",
        """
def attack(a):
    for path in (a["python"], "/bin/sh", "/proc/self/exe"):
        reached(path, os.execv, path, [path, "-c", "echo > " + a["target"]])
    if libc.system(("touch " + a["target"]).encode()) == 0:
        got.append("system")
    reached("posix_spawn", os.posix_spawn, "/bin/sh", ["sh", "-c", "echo > " + a["target"]], {})
    return got
""",
    ),
    # ---- memory
    Attack(
        "memory in one block",
        """
def attack(a):
    reached("bytearray", lambda: len(bytearray(a["memory"] * 2)))
    reached("huge", lambda: len(bytearray(2**40)))
    return got
""",
        check=_memory_stayed_low,
    ),
    Attack(
        "memory in many small blocks",
        """
def attack(a):
    kept = []
    while True:
        kept.append(bytes(1000))
""",
        endings=("memory", "finished", "exited"),
        check=_memory_stayed_low,
    ),
    Attack(
        "memory mapped, shared and not",
        """
def attack(a):
    total = 0
    kept = []
    for flags in (mmap.MAP_PRIVATE, mmap.MAP_SHARED, mmap.MAP_PRIVATE | 0x4000, mmap.MAP_SHARED | 0x8000):
        while True:
            try:
                block = mmap.mmap(-1, 2**20, flags=flags | mmap.MAP_ANONYMOUS)
            except (OSError, ValueError, MemoryError):
                break
            block[0] = 1
            kept.append(block)
    libc.mremap.restype = libc.sbrk.restype = ctypes.c_void_p
    grown = libc.mremap(ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(kept[0]))), ctypes.c_size_t(2**20),
                        ctypes.c_size_t(2**30), 1)
    if grown not in (None, 2**64 - 1):
        got.append("mremap")
    if libc.sbrk(2**30) not in (None, 2**64 - 1):
        got.append("sbrk")
    if len(kept) * 2**20 > a["memory"] + 2**23:
        got.append(f"{len(kept)} MiB")
    return got
""",
        check=_memory_stayed_low,
    ),
    Attack(
        "memory by a big integer",
        "def attack(a):\n    reached('integer', lambda: 1 << 10**12)\n    return got",
        check=_memory_stayed_low,
    ),
    # ---- time
    Attack("CPU loop", "def attack(a):\n    while True: pass", BRIEF, ("time",)),
    Attack("CPU loop in C", "def attack(a): return sum(range(10**12))", BRIEF, ("time",)),
    Attack("CPU loop in arithmetic", "def attack(a): return 9**9**9", BRIEF, ("time",)),
    Attack("CPU loop in a regex", "import re\ndef attack(a): re.match('(a+)+$', 'a' * 64 + 'b')", BRIEF, ("time",)),
    Attack("CPU loop while it is compiled", "while True: pass\ndef attack(a): pass", BRIEF, ("time",)),
    Attack(
        "CPU loop that ignores signals",
        """
def attack(a):
    for number in signal.valid_signals():
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    signal.signal(signal.SIGXCPU, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        try:
            while True: pass
        except BaseException:
            pass
""",
        BRIEF,
        ("time",),
    ),
    Attack(
        "really sleeping",
        """
def attack(a):
    for number in signal.valid_signals():
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    time.sleep(10**6)
    libc.sleep(1)
    while True:
        select.select([], [], [], 100)
        libc.usleep(10**8)
""",
        IMPATIENT,
        ("time",),
    ),
    Attack(
        "waiting for ever in a futex and in poll",
        """
def attack(a):
    word = ctypes.c_int(0)
    if a["is_x86"]:
        raw(202, ctypes.byref(word), 0, 0, 0, 0, 0)
    while True:
        libc.poll(None, 0, -1)
""",
        IMPATIENT,
        ("time",),
    ),
    # ---- files
    Attack(
        "reading files",
        """
def attack(a):
    for path in (a["secret"], os.path.relpath(a["secret"], "/"), "../" * 20 + a["secret"][1:],
                 "/proc/self/root" + a["secret"], "/proc/self/cwd" + a["secret"], "/proc/1/root" + a["secret"],
                 f"/proc/{a['parent']}/root" + a["secret"], f"/proc/{a['parent']}/fd/{a['secret_fd']}",
                 f"/proc/self/fd/{a['secret_fd']}", "/proc/self/fd/0", "/proc/self/mem", "/proc/self/maps",
                 "/etc/passwd", "/dev/zero", "/dev/mem", "/dev/kmsg", "/dev/fuse", "/dev/tty", "file://" + a["secret"]):
        reached(path, lambda: open(path, "rb").read(10))
        reached(path, os.open, path, os.O_RDONLY)
        reached(path, os.open, path, os.O_PATH)
        reached(path, os.stat, path)
        reached(path, os.readlink, path)
        reached(path, os.listxattr, path)
        if os.access(path, os.R_OK):
            got.append("access " + path)
    for path in ("/", "/proc", "/proc/self/fd", a["folder"], "."):
        reached(path, os.listdir, path)
        reached(path, lambda: list(os.scandir(path)))
        reached(path, os.chdir, path)
    reached("getcwd", os.getcwd)
    reached("import", __import__, "xml.dom.minidom")
    libc.fopen.restype = libc.opendir.restype = ctypes.c_void_p
    if libc.fopen(a["secret"].encode(), b"r") or libc.opendir(b"/"):
        got.append("libc")
    return got
""",
    ),
    Attack(
        "writing files",
        """
def attack(a):
    for folder in (a["folder"], ".", "/tmp", "/var/tmp", "/dev/shm", "/run", os.path.expanduser("~"), a["home"],
                   f"/proc/{a['parent']}/root{a['folder']}", "/proc/self/fd"):
        path = folder + "/" + a["target_name"]
        reached(path, lambda: open(path, "w").write("x"))
        reached(path, os.mkdir, path)
        reached(path, os.mkfifo, path)
        reached(path, os.mknod, path)
        reached(path, os.symlink, "/", path)
        reached(path, os.link, a["secret"], path)
        reached(path, os.rename, a["secret"], path)
        reached(folder, os.open, folder, 0o20200000 | os.O_RDWR)
        reached(path, lambda: socket.socket(socket.AF_UNIX).bind(path))
    reached("append", lambda: open(a["secret"], "a").write("x"))
    reached("truncate", os.truncate, a["secret"], 0)
    reached("remove", os.remove, a["secret"])
    reached("chmod", os.chmod, a["secret"], 0)
    reached("chown", os.chown, a["secret"], 0, 0)
    reached("utime", os.utime, a["secret"], (1, 1))
    reached("setxattr", os.setxattr, a["secret"], "user.x", b"x")
    reached("memfd", os.memfd_create, "x")
    reached("sqlite", lambda: __import__("sqlite3").connect(a["target"]).execute("create table t (a)"))
    reached("shm_open", lambda: __import__("_posixshmem").shm_open("/" + a["target_name"], os.O_CREAT | os.O_RDWR))
    libc.shm_open.restype = ctypes.c_int
    if libc.shm_open(("/" + a["target_name"]).encode(), os.O_CREAT | os.O_RDWR, 0o600) >= 0:
        got.append("libc.shm_open")
    return got
""",
    ),
    Attack(
        "filling the disk and the files in memory",
        """
def attack(a):
    for descriptor in range(4):
        reached("fallocate", os.posix_fallocate, descriptor, 0, 2**40)
        reached("ftruncate", os.ftruncate, descriptor, 2**40)
        reached("ftruncate", os.ftruncate, descriptor, 10)
        reached("pwrite", os.pwrite, descriptor, b"x" * 10, 2**40) if descriptor != 2 else None
        if descriptor != 2:
            os.lseek(descriptor, 2**39, 0)
            reached("sparse", os.write, descriptor, b"x" * 10)
            reached("writev", os.writev, descriptor, [b"x" * 10, b"y"])
            os.lseek(descriptor, 0, 0)
    return got
""",
    ),
    # ---- output
    Attack(
        "flood of standard output",
        "def attack(a):\n    while True: print('x' * 5000)",
        endings=("output",),
        check=_output_stayed_small,
    ),
    Attack(
        "flood of standard output that ignores errors",
        """
def attack(a):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for _ in range(1000):
        try:
            os.write(1, b"x" * 5000)
        except OSError:
            pass
""",
        endings=("output",),
        check=_output_stayed_small,
    ),
    Attack(
        "flood of standard error",
        "def attack(a):\n    while True: os.write(2, b'x' * 2**16)",
        BRIEF,
        ("time",),
    ),
    Attack(
        "flood of results",
        "def attack(a):\n    while True: os.write(3, b'x' * 5000)",
        endings=("output",),
        check=lambda run, facts: "" if run.outcomes == () else "outcomes",
    ),
    Attack(
        "sparse results and output",
        """
def attack(a):
    for descriptor in (1, 3):
        os.pwrite(descriptor, b"x", a["output"] - 1)
    return got
""",
        endings=("output",),
        check=_output_stayed_small,
    ),
    Attack("a huge value", "def attack(a): return 'x' * 10**6", endings=("output",)),
    # ---- the parent's environment and descriptors
    Attack(
        "the environment",
        """
def attack(a):
    got.extend(os.environ)
    libc.getenv.restype = ctypes.c_void_p
    for name in (a["variable"], "PATH", "HOME", "USER"):
        if libc.getenv(name.encode()):
            got.append("getenv " + name)
    for pid in ("self", a["parent"], a["server"], os.getppid()):
        reached("environ", lambda: open(f"/proc/{pid}/environ").read())
        reached("cmdline", lambda: open(f"/proc/{pid}/cmdline").read())
    here = ctypes.cast(ctypes.c_void_p.in_dll(libc, "environ"), ctypes.POINTER(ctypes.c_char_p))
    index = 0
    while here and here[index]:
        if a["variable"].encode() in here[index]:
            got.append("the block of variables")
        index += 1
    return got
""",
    ),
    Attack(
        "inherited descriptors",
        """
def attack(a):
    opened = []
    for descriptor in range(1024):
        try:
            os.get_inheritable(descriptor)
            opened.append(descriptor)
        except OSError:
            pass
    if a["secret_fd"] > 3:
        reached("the secret's", os.pread, a["secret_fd"], 10, 0)
    return got if opened == [0, 1, 2, 3] else [*got, f"open: {opened}"]
""",
    ),
    # ---- network
    Attack(
        "TCP, UDP, Unix sockets, pairs and pipes",
        """
def attack(a):
    reached("TCP", socket.create_connection, ("127.0.0.1", a["tcp"]), 1)
    reached("UDP", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", a["udp"])))
    reached("abstract", lambda: socket.socket(socket.AF_UNIX).connect(a["abstract"]))
    reached("Unix", lambda: socket.socket(socket.AF_UNIX).connect(a["unix"]))
    for family in range(46):
        for kind in (1, 2, 3, 5):
            reached(f"socket {family}", socket.socket, family, kind)
    reached("socketpair", socket.socketpair)
    reached("pipe", os.pipe)
    reached("eventfd", lambda: os.eventfd(0))
    for descriptor in range(4):
        reached("accept", lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, os.dup(descriptor)).send(b"x"))
    return got
""",
    ),
    Attack(
        "io_uring",
        """
def attack(a):
    parameters = ctypes.create_string_buffer(120)
    refused("io_uring_setup", 425, 8, parameters)
    for descriptor in range(16):
        refused("io_uring_enter", 426, descriptor, 1, 0, 0, 0, 0)
        refused("io_uring_register", 427, descriptor, 0, 0, 0)
    refused("io_setup", 206, 8, parameters)
    return got
""",
    ),
    # ---- other processes
    Attack(
        "signals to the parent, the server, a sibling, everybody",
        """
def attack(a):
    info = ctypes.create_string_buffer(128)
    info[0:4] = (15).to_bytes(4, "little"); info[8:12] = (-1).to_bytes(4, "little", signed=True)
    for pid in (*a["pids"], os.getppid(), -1, 0, -a["parent"], -a["server"]):
        for number in (0, 9, 15, 19):
            reached(f"kill {pid}", os.kill, pid, number)
            if a["is_x86"]:
                refused("kill", 62, pid, number)
                refused("tkill", 200, pid, number)
                refused("tgkill", 234, pid, pid, number)
                refused("rt_sigqueueinfo", 129, pid, number, info)
                refused("rt_tgsigqueueinfo", 297, pid, pid, number, info)
        reached("pidfd", os.pidfd_open, pid, 0)
        for descriptor in (0, 1, 2, 3):
            if hasattr(signal, "pidfd_send_signal"):
                reached("pidfd", signal.pidfd_send_signal, descriptor, 9)
            refused("process_madvise", 440, descriptor, 0, 0, 21, 0)
            refused("process_mrelease", 448, descriptor, 0)
    reached("killpg", os.killpg, os.getppid(), 9)
    reached("F_SETOWN", lambda: 1 / (libc.fcntl(0, 8, a["parent"]) + 1))
    reached("setpriority", os.setpriority, os.PRIO_PROCESS, a["parent"], 19)
    reached("sched", os.sched_setaffinity, a["parent"], [0])
    return got
""",
    ),
    Attack(
        "tracing and other processes' memory",
        """
def attack(a):
    buffer = ctypes.create_string_buffer(64)
    for pid in (*a["pids"], os.getppid()):
        for request in (16, 0x4206, 0, 2, 5):
            refused("ptrace", 101, request, pid, a["canary"], 0)
        local = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 8)
        remote = (ctypes.c_uint64 * 2)(a["canary"], 8)
        refused("process_vm_readv", 310, pid, local, 1, remote, 1, 0)
        refused("process_vm_writev", 311, pid, local, 1, remote, 1, 0)
        refused("kcmp", 312, pid, pid, 0, 0, 0)
        refused("migrate_pages", 256, pid, 8, buffer, buffer)
        refused("get_robust_list", 274, pid, buffer, buffer)
        for name in ("mem", "maps", "environ", "stat", "fd/0", "oom_score_adj"):
            reached(name, lambda: open(f"/proc/{pid}/{name}", "rb").read(1))
    for descriptor in range(4):
        refused("pidfd_getfd", 438, descriptor, 0, 0)
    return got
""",
        is_x86=True,
    ),
    # ---- the kernel
    Attack(
        "every system call that is not listed",
        """
def attack(a):
    for number in [*range(601), *range(1000, 1100), 2**30 - 1]:
        if number not in a["allowed"] and number not in (335, 336):
            refused(f"call {number}", number, -1, -1, -1, -1, -1, -1)
            refused(f"call {number}", number, 0, 0, 0, 0, 0, 0)
    return got
""",
        is_x86=True,
    ),
    Attack(
        "listed calls with arguments that are not",
        """
def attack(a):
    for command in [*range(4, 1030), *range(1031, 1100), -1, 2**31]:
        refused(f"fcntl {command}", 72, 0, command, 0)
    for high in (0, 2**32, 2**63 - 2**32):
        refused("mmap", 9, 0, 4096, high + 7, 0x22, -1, 0)
        refused("mmap", 9, 0, 4096, high + 4, 0x21, -1, 0)
        refused("mprotect", 10, ctypes.addressof(ctypes.c_char.from_buffer(mmap.mmap(-1, 4096))), 4096, high + 5)
    for descriptor in (0, 1, 2, 3):
        refused("mmap", 9, 0, 4096, 5, 1, descriptor, 0)
    return got
""",
        is_x86=True,
    ),
    *(
        # The kernel passes these two by every filter; from anywhere but its own trampolines they end the process.
        Attack(
            f"the {name} call",
            f"def attack(a):\n    refused('it', {number}, 0, 0, 0, 0, 0, 0)\n    return got",
            endings=("crashed", "finished"),
            check=lambda run, facts: (
                "" if run.signal == 4 or "errno 6" in str(run.outcomes) or run.outcomes == (Returned([]),) else f"{run}"
            ),
            is_x86=True,
        )
        for name, number in (("uretprobe", 335), ("uprobe", 336))
    ),
    *(
        Attack(
            f"the x32 call {number}",
            f"def attack(a):\n    raw(0x40000000 + {number}, 0, 0, 0, 0, 0, 0)\n    return ['it came back']",
            endings=("crashed",),
            check=_died_of(31),
            is_x86=True,
        )
        for number in (0, 41, 57, 512, 520, 2**30 - 1)
    ),
    Attack(
        "executable memory",
        """
def attack(a):
    for flags in (0x22, 0x21, 0x62, 0x122):
        for prot in (4, 5, 6, 7):
            reached("mmap", lambda: mmap.mmap(-1, 4096, flags=flags, prot=prot))
    for descriptor in (0, 1, 3):
        os.pwrite(descriptor, b"\\xcd\\x80" * 2048, 0)
        reached("a file", lambda: mmap.mmap(descriptor, 4096, flags=1, prot=5))
        os.pwrite(descriptor, bytes(4096), 0)
    block = mmap.mmap(-1, 8192)
    address = ctypes.addressof(ctypes.c_char.from_buffer(block))
    for prot in (4, 5, 6, 7, 0x01000004, 0x02000004):
        if libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(4096), prot) == 0:
            got.append("mprotect")
    refused("pkey_mprotect", 329, address, 4096, 7, -1)
    refused("remap_file_pages", 216, address, 4096, 7, 0, 0)
    refused("shmat", 30, 0, 0, 0x8000)
    refused("personality", 135, 0x0400000)
    refused("modify_ldt", 154, 1, address, 16)
    refused("arch_prctl", 158, 0x1002, address)
    refused("iopl", 172, 3)
    refused("set_thread_area", 205, address)
    # Code that is there already can be moved, but not be written to.
    text = ctypes.cast(libc.getpid, ctypes.c_void_p).value & ~4095
    reached("mem", lambda: os.pwrite(os.open("/proc/self/mem", os.O_RDWR), b"\\xcd\\x80", text))
    if libc.mprotect(ctypes.c_void_p(text), ctypes.c_size_t(4096), 7) == 0:
        got.append("its own code is writable")
    return got
""",
        is_x86=True,
    ),
    Attack(
        "code written over its own",
        """
def attack(a):
    text = ctypes.cast(libc.getpid, ctypes.c_void_p).value
    libc.mprotect(ctypes.c_void_p(text & ~4095), ctypes.c_size_t(8192), 3)
    ctypes.memmove(text, b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3", 8)
    return [f"a call of 32 bits gave {libc.getpid()}"]
""",
        endings=("crashed",),
        check=_died_of(11, 31),
        is_x86=True,
    ),
    Attack(
        "namespaces, mounts, roots",
        """
def attack(a):
    for flags in (0x10000000, 0x10020000, 0x40000000, 0x20000000):
        refused("unshare", 272, flags)
        refused("setns", 308, 0, flags)
    refused("mount", 165, b"none", b"/tmp", b"tmpfs", 0, 0)
    refused("umount2", 166, b"/", 2)
    refused("pivot_root", 155, b"/", b"/")
    refused("chroot", 161, b"/")
    refused("open_tree", 428, -100, b"/", 1)
    refused("move_mount", 429, 0, b"", 0, b"", 4)
    refused("fsopen", 430, b"tmpfs", 0)
    refused("mount_setattr", 442, 0, b"/", 0, 0, 0)
    return got
""",
        is_x86=True,
    ),
    Attack(
        "keys, bpf, perf, userfaultfd, secret memory, modules",
        """
def attack(a):
    buffer = ctypes.create_string_buffer(256)
    refused("add_key", 248, b"user", b"x", b"y", 1, -3)
    refused("request_key", 249, b"user", b"x", 0, -3)
    for operation in (0, 1, 6, 11):
        refused("keyctl", 250, operation, -3, 0, 0, 0)
    for command in range(10):
        refused("bpf", 321, command, buffer, 120)
    refused("perf_event_open", 298, buffer, 0, -1, -1, 0)
    refused("userfaultfd", 323, 0)
    refused("memfd_secret", 447, 0)
    refused("memfd_create", 319, b"x", 0)
    refused("init_module", 175, buffer, 1, b"")
    refused("kexec_load", 246, 0, 0, 0, 0)
    refused("reboot", 169, 0xfee1dead, 0x28121969, 0, 0)
    refused("syslog", 103, 3, buffer, 200)
    refused("landlock", 444, 0, 0, 1)
    return got
""",
        is_x86=True,
    ),
    # ---- its own rights
    Attack(
        "raising limits",
        """
def attack(a):
    for limit in range(16):
        for value in ((-1, -1), (2**40, 2**40), (0, 0)):
            reached("setrlimit", resource.setrlimit, limit, value)
            reached("prlimit", resource.prlimit, 0, limit, value)
            for pid in a["pids"]:
                reached("prlimit", resource.prlimit, pid, limit, value)
    reached("nice", os.nice, -1)
    return got
""",
    ),
    Attack(
        "becoming somebody else",
        """
def attack(a):
    for name in ("setuid", "setgid", "seteuid", "setegid"):
        for number in (0, 1000, 65534):
            reached(name, getattr(os, name), number)
    reached("setresuid", os.setresuid, 0, 0, 0)
    reached("setgroups", os.setgroups, [0])
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)(*[2**32 - 1] * 6)
    if libc.capset(header, data) == 0:
        got.append("capset")
    return got if os.getuid() != 0 or a["may_be_root"] else [*got, "it is root"]
""",
    ),
    Attack(
        "prctl",
        """
def attack(a):
    if a["is_x86"]:
        for option in [*range(80), 0x59616d61]:
            refused(f"prctl {option}", 157, option, 1, 0, 0, 0)
        refused("seccomp", 317, 1, 0, 0)
    for option, value in ((1, 0), (4, 1), (22, 1), (38, 0), (24, 0), (0x59616d61, -1)):
        if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) == 0:
            got.append(f"prctl {option}")
    return got
""",
    ),
    # ---- ending badly
    Attack("a segmentation fault", "def attack(a): ctypes.string_at(1)", endings=("crashed",), check=_died_of(11)),
    Attack("abort", "def attack(a): os.abort()", endings=("crashed",)),
    Attack(
        "endless recursion in Python",
        "def attack(a):\n    sys.setrecursionlimit(10**9)\n    return attack(a)",
        BRIEF,
        endings=("crashed", "memory", "finished", "time", "exited"),
    ),
    Attack(
        "endless recursion in C",
        """
def attack(a):
    sys.setrecursionlimit(10**9)
    nest = []
    for _ in range(10**6):
        nest = [nest]
    return repr(nest)
""",
        endings=("crashed", "memory", "finished", "exited"),
    ),
    Attack("exit code 91", "def attack(a): os._exit(91)", endings=("memory",)),
    Attack(
        "exit code 0, and nothing said",
        "def attack(a): os._exit(0)",
        endings=("exited",),
        check=lambda run, facts: "" if run.outcomes == () else "outcomes",
    ),
    Attack("exit code 1", "def attack(a): os._exit(1)", endings=("exited",)),
    Attack(
        "closing what it has",
        "def attack(a):\n    for one in range(64):\n        try: os.close(one)\n        except OSError: pass",
        endings=("exited",),
    ),
    # ---- forging results
    Attack(
        "forged marks on all descriptors",
        """
def attack(a):
    for descriptor in range(16):
        for mark in (b"!", b"\\0" * 18, b'{"t":["done"]}\\n'):
            try:
                os.write(descriptor, mark)
                os.pwrite(descriptor, mark, 0)
            except OSError:
                pass
    return got
""",
        endings=("finished", "exited"),
        check=lambda run, facts: "" if run.ending == "exited" and run.outcomes == () else f"{run}",
    ),
    Attack(
        "an end without an outcome",
        'def attack(a):\n    os.write(3, b\'{"t":["done"]}\\n\')\n    os._exit(0)',
        endings=("exited",),
        check=lambda run, facts: "" if run.outcomes == () else "outcomes",
    ),
    Attack(
        "more outcomes than calls",
        """
def attack(a):
    os.write(3, b'{"t":["value",1]}\\n{"t":["value",2]}\\n{"t":["value",3]}\\n{"t":["done"]}\\n')
    os._exit(0)
""",
        endings=("exited",),
        check=lambda run, facts: "" if len(run.outcomes) <= 1 else f"{len(run.outcomes)} outcomes of one call",
    ),
    Attack(
        "results that no decoder survives",
        """
def attack(a):
    for line in (b"[" * 10000, b"9" * 10000, b'{"f":"0x1p99999"}', b'{"t":["value",{"f":"0x1p99999"}]}', b"\\xff\\0",
                 b'{"d":[[[],1]]}', b'{"s":[[]]}', b"NaN", b'{"c":[1]}', b'{"b":"x"}', b"{}", b'{"t":["raised",1]}'):
        os.pwrite(3, line + b"\\n", 0)
    os._exit(0)
""",
        endings=("exited",),
    ),
]
