"""Whatever happens to the sandbox's processes, or to this one: no run is lost, and none gets another's answer."""

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from marft_envs.errors import SandboxWarning
from marft_envs.sandbox import pool, selftest
from marft_envs.sandbox import worker as workers
from marft_envs.sandbox.pool import MOST_TRIES, Sandbox
from marft_envs.sandbox.runs import Calls, Limits, Returned, Script
from tests.sandbox.watching import awaited, children, meanwhile

SLEEP = "import ctypes\nctypes.CDLL(None).usleep({us})\n"
"""`time.sleep` returns at once in the sandbox; this does not."""


def plus_three(number: int) -> Calls:
    return Calls("def f(n): return n + 3", "f", ((number,),))


def slow(number: int, seconds: float = 0.3) -> Calls:
    return Calls(SLEEP.format(us=int(seconds * 1e6)) + "def f(n): return n + 3", "f", ((number,),))


def gave(value: object) -> tuple[Returned, ...]:
    return (Returned(value),)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox()
    sandbox.run(plus_three(0))
    yield sandbox
    sandbox.close()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


# ---- servers that end


def test_run_whose_server_is_killed_is_done_again(sandbox: Sandbox):
    (pid,) = sandbox.pids()
    with meanwhile(lambda: os.kill(pid, signal.SIGKILL)):
        assert sandbox.run(slow(4)).outcomes == gave(7)
    assert sandbox.pids() != [pid]


def test_server_that_is_killed_between_runs_is_replaced(sandbox: Sandbox):
    (pid,) = sandbox.pids()
    os.kill(pid, signal.SIGKILL)
    assert awaited(lambda: not is_alive(pid))
    assert sandbox.run(plus_three(4)).outcomes == gave(7)


def test_all_runs_come_back_in_order_while_servers_are_killed():
    sandbox = Sandbox(2)
    sandbox.run_all([plus_three(0), plus_three(1)])
    killed = sandbox.pids()

    def kill() -> None:
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)

    with meanwhile(kill):
        runs = sandbox.run_all([slow(number, 0.02) for number in range(40)])
    assert not set(killed) & set(sandbox.pids())
    assert [run.outcomes for run in runs] == [gave(number + 3) for number in range(40)]
    sandbox.close()


def test_server_that_is_stopped_is_replaced(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workers, "GRACE_S", 0.3)
    (pid,) = sandbox.pids()
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    assert sandbox.run(plus_three(4), Limits(wall_s=0.5)).outcomes == gave(7)
    assert time.monotonic() - began < 10
    assert not is_alive(pid)


def test_server_that_is_stopped_under_a_program_is_replaced(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workers, "GRACE_S", 0.3)
    (pid,) = sandbox.pids()
    with meanwhile(lambda: os.kill(pid, signal.SIGSTOP)):
        assert sandbox.run(slow(4), Limits(wall_s=2.0)).outcomes == gave(7)
    assert not is_alive(pid)


def test_overdue_server_is_replaced_while_others_keep_answering(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workers, "GRACE_S", 0.1)
    sandbox = Sandbox(2)
    sandbox.run_all([plus_three(0), plus_three(1)])
    stopped = sandbox.pids()[0]
    os.kill(stopped, signal.SIGSTOP)
    was_alive: list[bool] = []
    with meanwhile(lambda: was_alive.append(is_alive(stopped)), 2.0):  # the other one alone takes 3 s
        runs = sandbox.run_all([slow(number, 0.05) for number in range(60)], Limits(wall_s=0.4))
    assert [run.outcomes for run in runs] == [gave(number + 3) for number in range(60)]
    assert was_alive == [False]
    sandbox.close()


def test_program_that_is_killed_from_outside_has_crashed(sandbox: Sandbox):
    (pid,) = sandbox.pids()
    with meanwhile(lambda: [os.kill(child, signal.SIGKILL) for child in children(pid)], 0.2):
        run = sandbox.run(slow(4, 5.0))
    assert (run.ending, run.signal) == ("crashed", signal.SIGKILL)
    assert sandbox.pids() == [pid]


def test_program_that_always_loses_its_server_is_lost_and_told_of(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    def finish(self: workers.Worker) -> object:
        os.kill(self.pid, signal.SIGKILL)
        tries.append(self.pid)
        return original(self)

    def read(self: workers.Worker, deadline: float) -> bytes:
        if self._running is not None:
            raise workers.WorkerLostError("gone")
        return message(self, deadline)

    tries: list[int] = []
    original, message = workers.Worker.finish, workers.Worker._message
    monkeypatch.setattr(workers.Worker, "finish", finish)
    monkeypatch.setattr(workers.Worker, "_message", read)
    with pytest.warns(SandboxWarning, match="given up"):
        run = sandbox.run(plus_three(4))
    assert run.ending == "lost" and run.outcomes == ()
    assert len(set(tries)) == MOST_TRIES
    monkeypatch.undo()
    assert sandbox.run(plus_three(4)).outcomes == gave(7)


def test_program_that_could_not_be_locked_up_is_not_run(sandbox: Sandbox, tmp_path: Path):
    """A child that ends before its mark stands for every limit that could not be set."""
    worker = workers.Worker()
    worker.begin(slow(4, 0.05), Limits())
    job_files = worker._running.files  # type: ignore[union-attr]
    assert awaited(lambda: os.pread(job_files.job, 1, 0) == b"!")
    os.pwrite(job_files.job, b"{", 0)
    with pytest.raises(workers.WorkerLostError, match="limits"):
        worker.finish()
    worker.close()


# ---- interrupts


class Interrupt(BaseException):
    pass


@pytest.mark.parametrize("place", ["heard_of", "begin", "begun", "finish"])
def test_interrupted_run_leaves_no_answer_for_the_next(place: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*_: object) -> object:
        raise Interrupt

    def begun(self: workers.Worker, job: Calls, limits: Limits) -> None:
        begin(self, job, limits)
        raise Interrupt

    begin = workers.Worker.begin
    if place == "heard_of":
        monkeypatch.setattr(pool, "_heard_of", interrupt)
    elif place == "begun":
        monkeypatch.setattr(workers.Worker, "begin", begun)
    elif place == "finish":
        monkeypatch.setattr(workers, "heard_of", interrupt)
    else:
        monkeypatch.setattr(workers.Worker, "begin", interrupt)
    before = descriptors()
    with pytest.raises(Interrupt):
        sandbox.run_all([plus_three(100), plus_three(200)])
    monkeypatch.undo()
    for number in range(5):
        assert sandbox.run(slow(number, 0.02)).outcomes == gave(number + 3)
    gc.collect()
    assert descriptors() <= before


def test_interrupt_at_any_moment_leaves_no_answer_for_the_next(sandbox: Sandbox):
    """As Ctrl-C comes: a signal, between any two lines."""

    def raise_it(*_: object) -> None:
        raise Interrupt

    before = signal.signal(signal.SIGALRM, raise_it)
    try:
        for turn in range(8):
            signal.setitimer(signal.ITIMER_REAL, 0.001 + 0.003 * turn)
            with contextlib.suppress(Interrupt):
                sandbox.run_all([slow(1000 + turn, 0.01)] * 4)
            signal.setitimer(signal.ITIMER_REAL, 0)
            assert sandbox.run(plus_three(turn)).outcomes == gave(turn + 3)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# ---- forks, threads, ends


def in_fork(act: Callable[[], bool]) -> bool:
    """What it finds in a forked process."""
    pid = os.fork()
    if pid == 0:
        code = 1
        with contextlib.suppress(BaseException):
            code = 0 if act() else 1
        os._exit(code)
    return os.waitpid(pid, 0)[1] == 0


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # from Python 3.12 on
def test_forked_process_has_workers_of_its_own(sandbox: Sandbox):
    (pid,) = sandbox.pids()

    def act() -> bool:
        is_right = sandbox.pids() == [] and sandbox.run(plus_three(4)).outcomes == gave(7)
        is_other = sandbox.pids() != [pid]
        sandbox.close()
        return is_right and is_other

    assert in_fork(act)
    assert is_alive(pid)
    assert sandbox.run(plus_three(5)).outcomes == gave(8)
    assert sandbox.pids() == [pid]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # from Python 3.12 on
def test_fork_while_a_thread_runs_programs_disturbs_neither(sandbox: Sandbox):
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(sandbox.run(slow(4, 0.5)).outcomes))
    thread.start()
    time.sleep(0.1)
    assert in_fork(lambda: sandbox.run(plus_three(1)).outcomes == gave(4))
    thread.join()
    assert results == [gave(7)]


def test_threads_share_a_sandbox():
    sandbox = Sandbox(2)
    results: dict[int, list[object]] = {}

    def work(start: int) -> None:
        results[start] = [run.outcomes for run in sandbox.run_all([plus_three(start + n) for n in range(10)])]

    threads = [threading.Thread(target=work, args=(100 * n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {100 * n: [gave(100 * n + k + 3) for k in range(10)] for n in range(5)}
    assert len(sandbox.pids()) == 2
    sandbox.close()


ORPHANED = """
import os, sys, threading
from marft_envs.sandbox.pool import Sandbox
from marft_envs.sandbox.runs import Limits, Script
sandbox = Sandbox()
sandbox.run(Script(""))
wait = Script("import ctypes\\nwhile True: ctypes.CDLL(None).sleep(1)")
thread = threading.Thread(target=sandbox.run, args=(wait, Limits(wall_s=60.0)))
thread.start()
print(sandbox.pids()[0], flush=True)
sys.stdin.readline()
if {forks}:
    if os.fork() == 0:  # it holds a copy of every descriptor, for as long as it lives
        import time
        time.sleep(30)
        os._exit(0)
print("ready", flush=True)
thread.join()
"""


@pytest.mark.parametrize("forks", [False, True])
def test_server_and_program_end_when_this_process_is_killed(forks: bool):
    parent = subprocess.Popen(
        [sys.executable, "-c", ORPHANED.format(forks=forks)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    with parent, contextlib.ExitStack() as at_end:
        assert parent.stdin is not None and parent.stdout is not None
        server = int(parent.stdout.readline())
        at_end.callback(os.killpg, parent.pid, signal.SIGKILL) if forks else None
        assert awaited(lambda: children(server))
        (program,) = children(server)
        parent.stdin.write(b"\n")
        parent.stdin.flush()
        assert parent.stdout.readline() == b"ready\n"
        os.kill(parent.pid, signal.SIGKILL)
        assert awaited(lambda: not is_alive(server) and not is_alive(program), 2.0)


def test_program_ends_when_its_server_is_killed(sandbox: Sandbox):
    worker = workers.Worker()
    worker.begin(slow(4, 30.0), Limits(wall_s=60.0))
    assert awaited(lambda: children(worker.pid))
    (program,) = children(worker.pid)
    os.kill(worker.pid, signal.SIGKILL)
    assert awaited(lambda: not is_alive(program), 2.0)
    with pytest.raises(workers.WorkerLostError):
        worker.finish()
    worker.close()


def test_closed_sandbox_has_no_processes_and_starts_again(sandbox: Sandbox):
    (pid,) = sandbox.pids()
    sandbox.close()
    assert sandbox.pids() == [] and not is_alive(pid)
    assert sandbox.run(plus_three(4)).outcomes == gave(7)


def test_forgotten_sandbox_ends_its_processes():
    sandbox = Sandbox(2)
    sandbox.run_all([plus_three(1), plus_three(2)])
    pids = sandbox.pids()
    del sandbox
    gc.collect()
    assert [pid for pid in pids if is_alive(pid)] == []


def test_descriptors_are_not_leaked(sandbox: Sandbox):
    before = descriptors()
    for number in range(50):
        sandbox.run(plus_three(number))
        sandbox.run(Script("import os; os._exit(1)"))
        sandbox.run(Script("raise ValueError"))
        sandbox.run(Script("import os; os.abort()"))
    assert descriptors() == before
    for _ in range(5):
        os.kill(sandbox.pids()[0], signal.SIGKILL)
        sandbox.run(plus_three(1))
    gc.collect()
    assert descriptors() == before


# ---- what this process may have set


def test_descriptors_beyond_1024_are_no_trouble():
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1200:
        pytest.skip(f"this process may open {hard} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
    null = os.open("/dev/null", os.O_RDONLY)
    taken = [os.dup(null) for _ in range(1030)]
    try:
        sandbox = Sandbox(2)
        runs = sandbox.run_all([plus_three(1), plus_three(2)])
        assert [run.outcomes for run in runs] == [gave(4), gave(5)]
        sandbox.close()
    finally:
        for descriptor in (null, *taken):
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_parent_that_ignores_ended_children_and_blocks_signals_is_no_trouble():
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGXCPU, signal.SIGTERM})
    try:
        sandbox = Sandbox()
        assert sandbox.run(plus_three(4)).outcomes == gave(7)
        assert sandbox.run(Script("while True: pass"), Limits(cpu_s=0.1)).ending == "time"
        sandbox.close()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGCHLD, before)


def test_self_test_is_done_once_in_a_process(sandbox: Sandbox):
    hits = selftest.require_walls.cache_info().hits
    sandbox.run(plus_three(1))
    assert selftest.require_walls.cache_info().hits == hits + 1
