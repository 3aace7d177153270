"""Nothing gets out of the sandbox, and nothing stays in it for the next program."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import marft_envs.sandbox
from marft_envs.sandbox.jail import kernel
from marft_envs.sandbox.pool import Sandbox
from marft_envs.sandbox.runs import Calls, Limits, Returned, Script
from tests.sandbox import arena, attacks

TABLE = {attack.name: attack for attack in attacks.ATTACKS}


@pytest.fixture(scope="module")
def arena_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[arena.Arena]:
    with arena.Arena(tmp_path_factory.mktemp("arena")) as here:
        yield here


@pytest.mark.parametrize("name", TABLE)
def test_attack_reaches_nothing(name: str, arena_here: arena.Arena):
    if TABLE[name] not in arena.chosen():
        pytest.skip("it makes system calls by their numbers on x86_64")
    assert arena_here.attacked_by(TABLE[name]) == ""


# ---- what a program leaves behind

SECRET = b"the only answer is 4711-0815"
SCAN = (
    attacks.PRELUDE
    + '''
NEXT = bytes((byte + 1) % 256 for byte in range(256))
PAGE = 4096

def readable(address, size):
    """The bytes there, as far as they can be read: writing them to a file fails where there are none."""
    written = libc.pwrite(0, ctypes.c_void_p(address), ctypes.c_size_t(size), ctypes.c_long(0))
    return os.pread(0, written, 0) if written > 0 else b""

def regions():
    """Addresses of mapped memory, found from what Python and the C library tell of themselves."""
    libc.sbrk.restype = ctypes.c_void_p
    seeds = {libc.sbrk(0) - 4096, ctypes.cast(ctypes.c_void_p.in_dll(libc, "environ"), ctypes.c_void_p).value or 0}
    seeds |= {ctypes.c_void_p.in_dll(libc, name).value for name in ("environ", "stdout", "program_invocation_name")}
    gc.unfreeze()
    todo = [*gc.get_objects(), *sys._current_frames().values()]
    seen = set(map(id, todo))
    while todo:
        one = todo.pop()
        if isinstance(one, bytearray) and one:
            seeds.add(ctypes.addressof(ctypes.c_char.from_buffer(one)))
        for other in gc.get_referents(one):
            if id(other) not in seen:
                seen.add(id(other))
                todo.append(other)
    pages = {address & ~(PAGE - 1) for address in seeds | seen if address}
    done = set()
    for page in pages:
        for at, direction in ((page, PAGE), (page - PAGE, -PAGE)):
            while at not in done and readable(at, 1):
                done.add(at)
                at += direction
    return done

def finds(next_of_secret):
    """Whether the secret is anywhere here; it is told as the bytes that follow those of the secret."""
    places = regions()
    seen = 0
    for page in places:
        data = readable(page, PAGE + 64)  # the secret may lie across two
        seen += PAGE
        if next_of_secret in data.translate(NEXT):
            return (True, seen)
    return (False, seen)
'''
)
NEXT_OF_SECRET = bytes((byte + 1) % 256 for byte in SECRET)
ROOMY = Limits(cpu_s=20.0, wall_s=60.0)


def test_scan_finds_a_secret_that_the_program_itself_was_given():
    with_argument = Calls(SCAN + "\ndef f(n, secret): return finds(n)", "f", ((NEXT_OF_SECRET, SECRET),))
    with_source = Calls(SCAN + f"\nkept = {SECRET!r}\ndef f(n): return finds(n)", "f", ((NEXT_OF_SECRET,),))
    sandbox = Sandbox()
    for job in (with_argument, with_source):
        (outcome,) = sandbox.run(job, ROOMY).outcomes
        assert isinstance(outcome, Returned) and outcome.value[0] is True, outcome  # type: ignore[index]
    sandbox.close()


def test_later_program_finds_nothing_of_an_earlier_one_in_its_memory():
    sandbox = Sandbox()
    text = SECRET.decode()
    for job in (
        Calls("def f(a): print(a); return a", "f", ((SECRET,), (text,))),
        Calls(f"def f(a): raise ValueError({text!r})", "f", ((1,),)),
        Script("print(input())", text),
    ):
        assert text in str(sandbox.run(job))
    (outcome,) = sandbox.run(Calls(SCAN + "\ndef f(n): return finds(n)", "f", ((NEXT_OF_SECRET,),)), ROOMY).outcomes
    assert isinstance(outcome, Returned), outcome
    is_found, num_bytes = outcome.value  # type: ignore[misc]
    assert not is_found
    assert num_bytes > 10 * 2**20  # most of what the server has
    sandbox.close()


def test_later_program_sees_nothing_that_an_earlier_one_changed():
    sandbox = Sandbox()
    change = """
import builtins, sys, json, random, os, time, signal
def f():
    builtins.len = lambda _: 99
    sys.modules["math"] = None
    json.dumps = None
    random.seed(7)
    os.environ["LEFT"] = "behind"
    sys.setrecursionlimit(50)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(1000)
    sys.stdin = sys.stdout = None
    sys.stdout = None
"""
    look = """
import builtins, sys, json, random, os, time, signal, math
def f():
    return (len("ab"), json.dumps([1]), random.random(), dict(os.environ), sys.getrecursionlimit(),
            signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, time.time(), math.pi, sys.stdin is None)
"""
    before = sandbox.run(Calls(look, "f", ((),))).outcomes
    sandbox.run(Calls(change, "f", ((),)))
    assert sandbox.run(Calls(look, "f", ((),))).outcomes == before
    assert isinstance(before[0], Returned)
    sandbox.close()


# ---- what a program starts from


def server_file(sandbox: Sandbox, name: str) -> str:
    sandbox.run(Script(""))
    try:
        return Path(f"/proc/{sandbox.pids()[0]}/{name}").read_text(encoding="utf-8", errors="replace")
    except PermissionError:
        pytest.skip("only root may look into the server")


def test_server_has_no_memory_that_is_both_writable_and_executable_or_shared():
    sandbox = Sandbox()
    rights = [line.split()[1] for line in server_file(sandbox, "maps").splitlines()]
    assert rights
    assert [one for one in rights if "w" in one and ("x" in one or "s" in one)] == []
    sandbox.close()


def test_server_has_no_capabilities_and_no_environment():
    sandbox = Sandbox()
    status = dict(line.split(":\t", 1) for line in server_file(sandbox, "status").splitlines() if ":\t" in line)
    assert {status[name].strip("0") for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {""}
    assert status["NoNewPrivs"] == "1"
    names = {entry.partition("=")[0] for entry in server_file(sandbox, "environ").split("\0") if entry}
    assert names <= {"PYTHONHASHSEED", "TZ", "LD_LIBRARY_PATH", "PYTHONHOME"}
    sandbox.close()


def test_program_sees_no_path_of_this_machine_in_the_interpreters_arguments():
    assert Sandbox().run(Script("import sys; print(sys.argv, sys.orig_argv, sys.path)")).printed == (
        "['program'] ['program'] []\n"
    )


# fmt: off
# What may stand there: nothing that takes a path, makes a descriptor of something new, or names another process.
HARMLESS = {
    "brk", "clock_getres", "clock_gettime", "clock_nanosleep", "close", "dup", "dup2", "dup3", "exit", "exit_group",
    "fcntl", "fstat", "futex", "getegid", "geteuid", "getgid", "getpid", "getppid", "getrusage", "gettid",
    "gettimeofday", "getuid", "lseek", "madvise", "mmap", "mprotect", "mremap", "munmap", "nanosleep", "poll",
    "ppoll", "pread64", "pselect6", "pwrite64", "read", "readv", "restart_syscall", "rt_sigaction",
    "rt_sigprocmask", "rt_sigreturn", "sched_yield", "select", "sigaltstack", "time", "times", "write", "writev",
}
# fmt: on


@pytest.mark.parametrize("machine", kernel.MACHINES)
def test_allow_list_holds_nothing_but_harmless_calls(machine: str):
    assert set(kernel.MACHINES[machine].calls) <= HARMLESS


def test_allow_list_is_as_long_as_its_documentation_says():
    said = " ".join(str(marft_envs.sandbox.__doc__).split())
    assert f"the list names {len(kernel.MACHINES['x86_64'].calls)} calls" in said
