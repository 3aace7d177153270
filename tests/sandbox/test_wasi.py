"""The sandbox on WebAssembly: programs do there what they do on Linux, and reach nothing."""

import gc
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from marft_envs.errors import SandboxUnavailableError, SandboxWarning
from marft_envs.grading.programs import CallTest, StdioTest
from marft_envs.grading.verdicts import judge_all
from marft_envs.sandbox.backend import WorkerLostError
from marft_envs.sandbox.pool import MOST_TRIES, Sandbox, default_sandbox
from marft_envs.sandbox.runs import Calls, Limits, NotPlain, Raised, Returned, Run, Script
from marft_envs.sandbox.wasi import component, host, selftest
from marft_envs.sandbox.wasi import worker as workers
from tests.envs.reward_hacks import HACKS, SCRIPT_HACKS
from tests.envs.test_reward_hacks import CALLS, HONEST, HONEST_SCRIPT, RULES, SCRIPTS
from tests.sandbox.watching import awaited, meanwhile

pytestmark = pytest.mark.skipif(
    bool(component.missing()), reason=f"the extra 'wasi' is not installed: {', '.join(component.missing())}"
)
IS_LINUX = sys.platform.startswith("linux")
ROOMY = Limits(cpu_s=20.0, wall_s=60.0, memory_bytes=64 * 2**20, output_bytes=2**16)
SPIN = "def f(n):\n    while n == 4: pass\n    return n + 3"


@pytest.fixture(scope="module")
def wasi() -> Iterator[Sandbox]:
    sandbox = Sandbox(backend="wasi")
    yield sandbox
    sandbox.close()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """One that a test may spoil."""
    sandbox = Sandbox(backend="wasi")
    sandbox.run(plus_three(0))
    yield sandbox
    sandbox.close()


def plus_three(number: int) -> Calls:
    return Calls("def f(n): return n + 3", "f", ((number,),))


def slow(number: int) -> Calls:
    """Takes a second on a fast machine, so that what is done after some tenths of one is done while it runs."""
    return Calls("def f(n):\n    for _ in range(40_000_000): pass\n    return n + 3", "f", ((number,),))


def gave(value: object) -> tuple[Returned, ...]:
    return (Returned(value),)


# ---- programs do what they do on Linux

VALUES = (None, True, -5, 2**100, 0.1, float("inf"), 1 - 2j, "ä\ud800", b"\xff", [1], (1,), {1: {2}}, frozenset({3}))
CALLED = {
    "values go in and come out": Calls("def f(a): return a", "f", tuple((value,) for value in VALUES)),
    "a traceback": Calls("def f(n):\n    return 1 / n\n", "f", ((1,), (0,), (2,))),
    "an endless recursion": Calls("def f(n): return f(n + 1)", "f", ((0,),)),
    "no plain data": Calls("def f(n): return (i for i in range(n))", "f", ((1,),)),
    "a method": Calls("class A:\n  def __init__(s): s.n = 1\n  def g(s, m): s.n += m; return s.n", "A.g", ((1,), (1,))),
    "a name that is missing": Calls("def g(): pass", "f", ((1,),)),
    "a mistake in the syntax": Calls("x = 1\nf = (", "f", ((1,),)),
    "another mistake in the syntax": Calls("def f(n)\n    return n", "f", ((1,),)),
    "a mistake in the indentation": Calls("def f(n):\nreturn n", "f", ((1,),)),
    "a mistake in a text": Calls("f = 'abc", "f", ((1,),)),
    "no program": Calls("Sure! Here is the code: \0", "f", ((1,),)),
    "an error on the way": Calls("print('so far')\nraise KeyError('k')\ndef f(): pass", "f", ((),)),
    "prints and state": Calls("n = 0\ndef f():\n  global n\n  n += 1\n  print(n)\n  return n", "f", ((), ())),
    "too much memory": Calls("def f(n): return len(bytearray(n))", "f", ((2**30,), (10,))),
    "exit in a function": Calls("import sys\ndef f(n): sys.exit(n)", "f", ((3,),)),
    "an end in the middle": Calls(
        "import os\ndef f(n):\n  if n == 2: os._exit(5)\n  return n", "f", ((1,), (2,), (3,))
    ),
    "forged results": Calls("import os\nos.write(3, b'[1]\\n')\ndef f(): return 1", "f", ((),)),
    "an endless loop behind a result": Calls(SPIN, "f", ((1,), (4,), (2,))),
    "a flood of results": Calls("def f(n): return 'x' * n", "f", ((10,), (10**6,))),
    "sorted, parsed, counted": Calls(
        "import re, json, heapq, bisect, collections, itertools, math, decimal, fractions, functools\n"
        "@functools.lru_cache(None)\ndef g(n): return n if n < 2 else g(n - 1) + g(n - 2)\n"
        "def f(s): return (re.findall('[a-z]+', s), json.loads('[1.5, {}]'), heapq.nsmallest(2, [3, 1, 2]), g(300),\n"
        "  collections.Counter(s).most_common(1), math.comb(50, 25), str(decimal.Decimal(1) / 3), math.pi,\n"
        "  str(fractions.Fraction(1, 3)), bisect.bisect([1, 2], 1), [*itertools.permutations('ab')])",
        "f",
        (("ab cd ab",),),
    ),
    "a clock and chance that stand still": Calls(
        "import time, random, os, uuid, secrets, datetime\n"
        "def f(): return (time.time(), time.monotonic(), random.random(), os.urandom(4), str(uuid.uuid4()),\n"
        "  secrets.token_hex(4), str(datetime.datetime.now()), time.sleep(5), time.time(), time.ctime(),\n"
        "  tuple(time.localtime(5)), time.strftime('%c'), time.mktime((2000, 1, 1, 0, 0, 0, 0, 0, 0)))",
        "f",
        ((), ()),
    ),
    "large numbers as text": Calls("def f(n): return str(10**n)[:9]", "f", ((4000,), (5000,))),
    "large numbers as text, further": Calls(
        "import sys\nsys.set_int_max_str_digits(0)\ndef f(n): return len(str(3**n))", "f", ((50_000,),)
    ),
    "modules that are not there": Calls("def f(name): __import__(name)", "f", (("numpy",), ("asyncio",), ("no.such",))),
    "files that are not there": Calls(
        "import os\ndef f(): return (os.path.exists('/'), os.path.isdir('.'), os.path.isfile('/etc/passwd'))",
        "f",
        ((),),
    ),
    "a file": Calls("def f(): open('/etc/passwd')", "f", ((),)),
    "a socket": Calls("import socket\ndef f(): socket.socket()", "f", ((),)),
    "a thread": Calls("import threading\ndef f(): threading.Thread(target=print).start()", "f", ((),)),
    "an exit that is taken away": Calls("import os\nos._exit = lambda code: None\ndef f(n): return n", "f", ((1,),)),
}
SCRIPTS_RUN = {
    "input and print": "n = int(input('n? '))\nprint(n * 2)\nprint(input())",
    "all of the input": "import sys\nprint(sys.stdin.read().split(), end='')",
    "lines of the input": "import sys\nfor line in sys.stdin: print(line.strip())",
    "bytes of the input": "import sys\nsys.stdout.buffer.write(sys.stdin.buffer.readline())",
    "the input by its number": "import os\nprint(open(0, closefd=False).read())\nprint(os.read(0, 5))",
    "too little input": "input(); input(); input(); input(); print(1)",
    "output by its number": "import os\nprint('a', flush=True)\nos.write(1, b'b')\nopen(1, 'w').write('c')",
    "bytes that are no text": "import sys\nsys.stdout.buffer.write(b'\\xff')",
    "errors go nowhere": "import sys\nprint('e', file=sys.stderr)\nsys.stderr.flush()",
    "an exit": "import sys\nprint('p')\nsys.exit(3)",
    "an exit with words": "import sys\nsys.exit('words')",
    "an exit that is none": "raise SystemExit",
    "quit": "print(1)\nquit()",
    "an error": "print('p')\n[][1]",
    "an end at once": "import os\nprint('lost')\nos._exit(4)",
    "an endless loop": "print('p', flush=True)\nwhile True: pass",
    "an endless loop in C": "print('p', flush=True)\nsum(iter(int, 1))",
    "an endless loop that catches all": "while True:\n  try:\n    while True: pass\n  except BaseException: pass",
    "a flood": "while True: print('x' * 1000)",
    "a flood past Python": "import os\nwhile True: os.write(1, b'x' * 1000)",
    "no memory left": "x = []\nwhile True: x.append(bytearray(10**6))",
    "an environment": "import os, sys\nprint(dict(os.environ), sys.argv, sys.path)",
    "main": "if __name__ == '__main__': print('main')",
    "a crash": "import os\nos.abort()",
}


def plainly(run: Run) -> Run:
    """Without what may differ: times, signals, which WebAssembly has not, and the numbers of errors."""
    without = [
        Raised(re.sub(r"\[Errno \d+\]", "", outcome.traceback)) if isinstance(outcome, Raised) else outcome
        for outcome in run.outcomes
    ]
    error = re.sub(r"\[Errno \d+\]", "", run.error)
    return replace(run, cpu_s=0.0, wall_s=0.0, signal=0, outcomes=tuple(without), error=error)


SAME_EVERYWHERE = Limits(cpu_s=0.5, wall_s=30.0, memory_bytes=64 * 2**20, output_bytes=2**16)


@pytest.mark.skipif(not IS_LINUX, reason="there is no other sandbox to compare with")
@pytest.mark.parametrize("name", [*CALLED, *SCRIPTS_RUN])
def test_run_is_the_same_as_on_linux(name: str, wasi: Sandbox):
    job = CALLED[name] if name in CALLED else Script(SCRIPTS_RUN[name], "21\nzweite Zeile ä\nend")
    here, there = wasi.run(job, SAME_EVERYWHERE), default_sandbox().run(job, SAME_EVERYWHERE)
    assert plainly(here) == plainly(there)


def test_values_tracebacks_and_prints_are_told(wasi: Sandbox):
    source = "def f(n):\n    print(n)\n    return 1 / n if n else iter('')"
    run = wasi.run(Calls(source, "f", ((2,), (0,), ("a",))))
    assert (run.ending, run.printed) == ("finished", "2\n0\na\n")
    told = Raised(
        "line 3, in f: return 1 / n if n else iter('')\nTypeError: unsupported operand type(s) for /: 'int' and 'str'"
    )
    assert run.outcomes == (Returned(0.5), NotPlain("str_ascii_iterator"), told)


def test_recursion_to_the_usual_depth_works_even_through_functions_of_c(wasi: Sandbox):
    source = "import functools\n@functools.lru_cache(None)\ndef f(n): return 0 if n == 0 else 1 + f(n - 1)"
    assert wasi.run(Calls(source, "f", ((900,),))).outcomes == gave(900)


@pytest.mark.parametrize("depth", [5_000, 100_000])
def test_recursion_through_functions_of_c_that_is_too_deep_is_an_error_of_the_program(depth: int, wasi: Sandbox):
    source = f"import functools, sys\nsys.setrecursionlimit({2 * depth})\n@functools.lru_cache(None)\n"
    run = wasi.run(Calls(source + "def f(n): return 0 if n == 0 else 1 + f(n - 1)", "f", ((1_400,), (depth,))), ROOMY)
    assert run.outcomes[0] == Returned(1_400)
    assert isinstance(run.outcomes[1], Raised) and "RecursionError" in run.outcomes[1].traceback


def test_stack_that_is_used_up_is_a_crash(wasi: Sandbox):
    run = wasi.run(Script("x = []\nfor _ in range(10**6): x = [x]\ndel x"), ROOMY)
    assert (run.ending, run.signal) == ("crashed", 0)


# ---- limits


def test_cpu_time_is_that_of_the_program(wasi: Sandbox):
    run = wasi.run(Script("while True: pass"), Limits(cpu_s=0.3, wall_s=60.0))
    assert run.ending == "time"
    assert 0.3 <= run.cpu_s < 1.0
    assert wasi.run(Script("")).cpu_s < 0.1


def test_wall_time_ends_a_program_that_has_cpu_time_left(wasi: Sandbox):
    run = wasi.run(Script("while True: pass"), Limits(cpu_s=60.0, wall_s=0.2))
    assert run.ending == "time" and run.cpu_s < 1.0


def test_what_came_back_before_an_endless_loop_is_kept(wasi: Sandbox):
    run = wasi.run(Calls(SPIN, "f", ((1,), (2,), (4,))), Limits(cpu_s=0.3))
    assert run.ending == "time" and run.outcomes == (Returned(4), Returned(5))


@pytest.mark.parametrize("memory_mib", [8, 200])
def test_memory_is_what_is_allowed_beyond_the_interpreter(memory_mib: int, wasi: Sandbox):
    limits = replace(ROOMY, memory_bytes=memory_mib * 2**20)
    source = "def f(size): return len(bytearray(size))"
    fits, most = (memory_mib - 4) * 2**20, (memory_mib + 4) * 2**20
    run = wasi.run(Calls(source, "f", ((fits,), (most,))), limits)
    assert run.outcomes[0] == Returned(fits)
    assert isinstance(run.outcomes[1], Raised) and "MemoryError" in run.outcomes[1].traceback


def test_flood_past_every_function_of_ours_is_cut_off_too(wasi: Sandbox):
    source = "import wit_world\nwhile True: wit_world.write({}, 'x' * 10**5)"
    for descriptor in (1, 3):
        run = wasi.run(Script(source.format(descriptor)), SAME_EVERYWHERE)
        assert run.ending in ("output", "time") and len(run.printed) <= SAME_EVERYWHERE.output_bytes
    assert wasi.run(Script(source.format(7)), SAME_EVERYWHERE).printed == ""


def test_text_that_carries_no_bytes_costs_nothing(wasi: Sandbox):
    assert wasi.run(Script("import wit_world\nwit_world.write(1, 'a\\u1234')")).printed == "a?"


# ---- attacks

ATTACKS = {
    "a file, below every function of ours": "import _io\nprint(_io.FileIO({secret!r}).read())",
    "a file, by an import": "import sys\nsys.path.append({folder!r})\nimport secret\nprint(secret)",
    "a file, by importlib": (
        "import importlib.machinery as m\nprint(m.SourceFileLoader('a', {secret!r}).get_data({secret!r}))"
    ),
    "a database": "import _sqlite3\n_sqlite3.connect({target!r}).execute('create table t (n)')\nprint('made')",
    "a database in memory that is attached": (
        "import _sqlite3\nc = _sqlite3.connect(':memory:')\nc.execute('attach {target} as t')\nprint('made')"
    ),
    "a faulthandler's file": "import faulthandler\nfaulthandler.dump_traceback(2)\nprint('written')",
    "the host's standard output": "import _io\n_io.FileIO(1, 'w').write(b'x')\nprint('written')",
    "a descriptor of the host": "import _io\nprint(_io.FileIO({descriptor}, closefd=False).read())",
    "a pipe of the host": "import _io\nfor n in range(3, 30): print(_io.FileIO(n, 'w', closefd=False).write(b'x'))",
    "the real clock": "import _datetime\nprint(_datetime.datetime.now())",
    "real chance": "import _random\nprint(_random.Random().random())",
    "waiting": "import _thread\nlock = _thread.allocate_lock()\nlock.acquire()\nlock.acquire(True, 9)\nprint('waited')",
    "the frames of the guest": (
        "import sys\nframe = sys._getframe()\nwhile frame.f_back: frame = frame.f_back\n"
        "print(frame.f_globals['open']({secret!r}).read())"
    ),
    "the functions before they were replaced": (
        "import gc\ngc.unfreeze()\nfor one in gc.get_objects():\n"
        "  if type(one) is dict and 'open' in one and type(one['open']).__name__ == 'builtin_function_or_method':\n"
        "    print(one['open']({secret!r}))"
    ),
    "a module of the machine": "import importlib\nprint(importlib.reload(importlib.import_module('_socket')).socket())",
    "a library": ("import _imp, types\nprint(_imp.create_dynamic(types.SimpleNamespace(name='a', origin={secret!r})))"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_reaches_nothing(name: str, wasi: Sandbox, tmp_path: Path):
    secret, target = tmp_path / "secret.py", tmp_path / "target"
    secret.write_text("secret = 4711", encoding="utf-8")
    facts = {"secret": str(secret), "folder": str(tmp_path), "target": str(target)}
    with secret.open("rb") as opened:
        source = ATTACKS[name].format(**facts, descriptor=opened.fileno())
        run = wasi.run(Script(source), SAME_EVERYWHERE)
    assert run.printed == "" and (run.ending == "crashed" or run.error), run
    assert "NameError" not in run.error and "SyntaxError" not in run.error
    assert [path.name for path in tmp_path.iterdir()] == ["secret.py"]


def test_later_program_sees_nothing_that_an_earlier_one_changed(wasi: Sandbox):
    source = "import json, random, time\ndef f(): return (len('ab'), json.dumps([1]), random.random(), time.time())"
    look = Calls(source, "f", ((),))
    before = wasi.run(look).outcomes
    change = (
        "import builtins, json, random, time\nbuiltins.len = None\njson.dumps = None\nrandom.seed(7)\ntime.sleep(9)"
    )
    wasi.run(Script(change))
    assert wasi.run(look).outcomes == before
    assert isinstance(before[0], Returned)


def test_component_imports_two_functions_and_nothing_else(wasi: Sandbox):
    process = workers.started()
    assert workers.IMPORTS == ["leave", "write"]
    process.close()


def test_component_that_imports_more_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workers, "IMPORTS", ["leave"])
    with pytest.raises(SandboxUnavailableError, match="reaches more than it should"):
        workers.Worker()


def test_process_has_no_variable_of_ours(monkeypatch: pytest.MonkeyPatch):
    if not IS_LINUX:
        pytest.skip("it is looked at through /proc")
    monkeypatch.setenv("MARFT_SECRET", "the secret in the environment")
    process = workers.started()
    variables = Path(f"/proc/{process.pid}/environ").read_bytes()
    process.close()
    assert b"MARFT_SECRET" not in variables


def test_process_around_a_program_opens_nothing_any_more():
    if not IS_LINUX:
        pytest.skip("it is looked at through /proc")
    process = workers.started()
    limits = Path(f"/proc/{process.pid}/limits").read_text(encoding="ascii").splitlines()
    process.close()
    values = {line[:26].strip(): line[26:].split()[:2] for line in limits}
    for name in ("Max open files", "Max file size", "Max processes", "Max core file size"):
        assert values[name] == ["0", "0"]


# ---- reward hacks


def test_reward_hacks_earn_nothing(wasi: Sandbox):
    limits = Limits(cpu_s=0.3, wall_s=20.0)
    for programs, honest, entry_point, tests in (
        (HACKS, HONEST, "f", CALLS),
        (SCRIPT_HACKS, HONEST_SCRIPT, "", SCRIPTS),
    ):
        tests_here: list[CallTest] | list[StdioTest] = tests
        sources = [honest, *programs.values(), honest]
        verdicts = judge_all(sources, entry_point, tests_here, RULES, sandbox=wasi, limits=limits)
        assert verdicts[0].passed and verdicts[-1].passed
        earned = {name: verdict for name, verdict in zip(programs, verdicts[1:-1], strict=True) if verdict.share}
        assert earned == {}
        assert not any(verdict.lost for verdict in verdicts)


# ---- whatever happens to processes


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)  # what Windows knows as well


def test_run_whose_process_is_killed_is_done_again(sandbox: Sandbox):
    (pid,) = sandbox.pids()
    with meanwhile(lambda: kill(pid)):
        assert sandbox.run(slow(4), ROOMY).outcomes == gave(7)
    assert sandbox.pids() != [pid]


def test_process_that_is_killed_between_runs_is_replaced(sandbox: Sandbox):
    (pid,) = sandbox.pids()
    kill(pid)
    time.sleep(0.3)
    assert sandbox.run(plus_three(4)).outcomes == gave(7)
    assert sandbox.pids() != [pid]


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes cannot be stopped here")
def test_process_that_is_stopped_is_replaced(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workers, "GRACE_S", 0.3)
    (pid,) = sandbox.pids()
    os.kill(pid, signal.SIGSTOP)
    big = "x" * 10**6  # more than a pipe holds
    limits = Limits(wall_s=3.0)
    began = time.monotonic()
    assert sandbox.run(Calls("def f(a): return len(a)", "f", ((big,),)), limits).outcomes == gave(10**6)
    assert time.monotonic() - began < 30
    assert not is_alive(pid)


def test_program_that_always_loses_its_process_is_lost_and_told_of(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    def finish(self: workers.Worker) -> Run:
        kill(self.pid)
        tries.append(self.pid)
        raise WorkerLostError("gone")

    tries: list[int] = []
    monkeypatch.setattr(workers.Worker, "finish", finish)
    with pytest.warns(SandboxWarning, match="given up"):
        run = sandbox.run(plus_three(4))
    assert run.ending == "lost" and len(set(tries)) == MOST_TRIES
    monkeypatch.undo()
    assert sandbox.run(plus_three(4)).outcomes == gave(7)


def test_all_runs_come_back_in_order_while_processes_are_killed():
    sandbox = Sandbox(2, backend="wasi")
    sandbox.run_all([plus_three(0), plus_three(1)])
    killed = sandbox.pids()
    with meanwhile(lambda: [kill(pid) for pid in killed], 0.3):
        runs = sandbox.run_all([slow(number) for number in range(8)], ROOMY)
    assert [run.outcomes for run in runs] == [gave(number + 3) for number in range(8)]
    assert not set(killed) & set(sandbox.pids())
    sandbox.close()


def test_threads_share_a_sandbox(sandbox: Sandbox):
    found: dict[int, object] = {}

    def ask(number: int) -> None:
        for _ in range(5):
            found[number] = sandbox.run(plus_three(number)).outcomes

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: gave(number + 3) for number in range(4)}


def test_close_ends_the_processes_and_the_next_run_starts_others(sandbox: Sandbox):
    (pid,) = sandbox.pids()
    sandbox.close()
    assert sandbox.pids() == [] and not is_alive(pid)
    assert sandbox.run(plus_three(4)).outcomes == gave(7)


def test_sandbox_that_nobody_has_any_more_leaves_no_process_thread_or_descriptor():
    gc.collect()
    threads = threading.active_count()
    descriptors = len([*Path("/proc/self/fd").iterdir()]) if IS_LINUX else 0
    sandbox = Sandbox(2, backend="wasi")
    sandbox.run_all([plus_three(1), plus_three(2)])
    pids = sandbox.pids()
    assert len(pids) == 2
    del sandbox
    gc.collect()
    assert awaited(lambda: not any(is_alive(pid) for pid in pids))
    assert awaited(lambda: threading.active_count() <= threads)
    if IS_LINUX:
        assert awaited(lambda: len([*Path("/proc/self/fd").iterdir()]) <= descriptors)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_process_has_workers_of_its_own(sandbox: Sandbox):
    pids = sandbox.pids()
    child = os.fork()
    if child == 0:
        ok = sandbox.run(plus_three(4)).outcomes == gave(7) and not set(pids) & set(sandbox.pids())
        sandbox.close()
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert sandbox.run(plus_three(5)).outcomes == gave(8)
    assert sandbox.pids() == pids


@pytest.mark.skipif(not IS_LINUX, reason="processes are looked for in /proc")
def test_process_ends_with_the_one_that_started_it_even_under_a_program():
    source = (
        "import sys\nfrom marft_envs.sandbox.runs import *\nfrom marft_envs.sandbox.wasi.worker import started\n"
        "worker = started()\nworker.begin(Script('while True: pass'), Limits(cpu_s=600.0, wall_s=600.0))\n"
        "print(worker.pid, flush=True)\nsys.stdin.read()"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", source],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert started.stdout is not None and started.stdin is not None
    pid = int(started.stdout.readline())
    assert is_alive(pid)
    started.kill()
    started.wait()
    started.stdin.close()
    started.stdout.close()
    assert awaited(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2])


# ---- what is the same in every run


def test_hashes_and_memory_are_the_same_in_every_run_and_process(sandbox: Sandbox):
    job = Calls("def f(): return ([*{'a', 'b', 'c', 'd', 'e'}], hash('a'), id(object()))", "f", ((),))
    before = sandbox.run(job).outcomes
    sandbox.close()
    assert [sandbox.run(job).outcomes for _ in range(2)] == [before] * 2
    assert isinstance(before[0], Returned)


def test_runtime_names_the_python_that_runs_programs(wasi: Sandbox):
    printed = wasi.run(Script("import sys; print(*sys.version_info[:2], sep='.', end='')")).printed
    assert wasi.runtime == f"python {printed} on wasi"
    assert wasi.runtime.startswith("python 3.1")


# ---- the cache


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of its own, in which the compiled component lies already."""
    made = component.compiled().parent
    monkeypatch.setenv("MARFT_CACHE", str(tmp_path))
    copy = tmp_path / "wasi" / made.name
    copy.mkdir(parents=True)
    for file in made.iterdir():
        (copy / file.name).symlink_to(file)
    component.compiled.cache_clear()
    yield copy
    component.compiled.cache_clear()


def pretend_to_make(monkeypatch: pytest.MonkeyPatch, made: Path) -> list[Path]:
    """Making is slow: what is made is what was made before; the folders in which that was done."""
    files = {file.name: file.read_bytes() for file in made.iterdir()}
    workshops: list[Path] = []

    def make_in(workshop: Path) -> None:
        workshops.append(workshop)
        (workshop / "made").mkdir()
        for name, data in files.items():
            (workshop / "made" / name).write_bytes(data)

    monkeypatch.setattr(component, "_make_in", make_in)
    return workshops


def test_what_is_in_the_cache_is_not_made_again(cache: Path, monkeypatch: pytest.MonkeyPatch):
    workshops = pretend_to_make(monkeypatch, cache)
    assert component.compiled() == cache / "program.cwasm"
    assert workshops == []


@pytest.mark.parametrize("damage", ["cut off", "another byte", "gone", "no manifest", "an empty manifest"])
def test_damaged_cache_is_made_again_and_said_so(
    damage: str, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    workshops = pretend_to_make(monkeypatch, cache)
    file, manifest = cache / "program.cwasm", cache / "manifest.json"
    data = file.read_bytes()
    broken = manifest if "manifest" in damage else file
    broken.unlink()
    if damage == "cut off":
        file.write_bytes(data[:-1000])
    elif damage == "another byte":
        file.write_bytes(data[:-1000] + bytes([data[-1000] ^ 1]) + data[-999:])
    elif damage == "an empty manifest":
        manifest.write_text("{}", encoding="utf-8")
    assert component.compiled().read_bytes() == data
    assert len(workshops) == 1 and not workshops[0].exists()
    assert "compiling the sandbox's interpreter, once for this machine" in caplog.text
    process = workers.Worker()
    process.close()


def test_file_that_was_not_compiled_for_this_version_is_made_again(cache: Path, monkeypatch: pytest.MonkeyPatch):
    workshops = pretend_to_make(monkeypatch, cache)
    (cache / "program.cwasm").unlink()
    (cache / "program.cwasm").write_bytes(b"another engine's")
    monkeypatch.setattr(component, "_is_whole", lambda folder: (folder / "program.cwasm").exists())
    process = workers.started()
    process.begin(plus_three(4), ROOMY)
    assert process.finish().outcomes == gave(7)
    process.close()
    assert len(workshops) == 1


def test_two_that_make_it_at_once_both_have_it(cache: Path, monkeypatch: pytest.MonkeyPatch):
    made = {file.name: file.read_bytes() for file in cache.iterdir()}
    pretend_to_make(monkeypatch, cache)
    original = component._put

    def put_after_another(workshop: Path, folder: Path) -> None:
        original(workshop, folder)
        workshop.mkdir()
        for name, data in made.items():
            (workshop / name).write_bytes(data)
        monkeypatch.setattr(component.shutil, "rmtree", lambda *_, **__: None)  # the other came in between
        original(workshop, folder)

    monkeypatch.setattr(component, "_put", put_after_another)
    for file in cache.iterdir():
        file.unlink()
    assert component.compiled().read_bytes() == made["program.cwasm"]


def test_what_a_killed_maker_left_is_swept_up(cache: Path, monkeypatch: pytest.MonkeyPatch):
    pretend_to_make(monkeypatch, cache)
    old, new = cache.parent / ".making-old", cache.parent / ".making-new"
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (0, 0))
    (cache / "manifest.json").unlink()
    component.compiled()
    assert not old.exists() and new.exists()


def test_cache_keeps_the_newest_only(cache: Path, monkeypatch: pytest.MonkeyPatch):
    pretend_to_make(monkeypatch, cache)
    (cache / "manifest.json").unlink()
    for age in range(1, 8):
        (cache.parent / f"{age}").mkdir()
        os.utime(cache.parent / f"{age}", (10**9 - age, 10**9 - age))
    component.compiled()
    assert {folder.name for folder in cache.parent.iterdir()} == {cache.name, "1", "2"}


def test_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a file").write_text("", encoding="utf-8")
    monkeypatch.setenv("MARFT_CACHE", str(tmp_path / "a file"))
    component.compiled.cache_clear()
    with pytest.raises(SandboxUnavailableError, match=r"cannot be kept in .*MARFT_CACHE=/a/folder"):
        component.compiled()


def test_maker_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MARFT_CACHE", str(tmp_path))
    monkeypatch.setattr(component, "_COMPONENTIZE", "raise SystemExit('no such world')")
    component.compiled.cache_clear()
    with pytest.raises(SandboxUnavailableError, match=r"componentize-py \d.* no such world"):
        component.compiled()
    assert [*(tmp_path / "wasi").iterdir()] == []


def test_key_changes_with_versions_and_sources(monkeypatch: pytest.MonkeyPatch):
    keys = {component._key.__wrapped__()}
    sources = component._sources()
    monkeypatch.setattr(component, "_sources", lambda: {**sources, "sandbox/wasi/guest.py": b""})
    keys.add(component._key.__wrapped__())
    monkeypatch.setattr(component.metadata, "version", lambda _: "99.0")
    keys.add(component._key.__wrapped__())
    monkeypatch.setattr(component.platform, "machine", lambda: "another")
    keys.add(component._key.__wrapped__())
    assert len(keys) == 4


# ---- the self-test


def refusal() -> str:
    with pytest.raises(SandboxUnavailableError) as caught:
        selftest.require_walls.__wrapped__()
    return str(caught.value)


def test_walls_as_they_are_hold():
    selftest.require_walls.__wrapped__()


class Leaky:
    """Stands in for a worker: has one kind of run ready where a program's text contains a word."""

    def __init__(self, word: str, run: Run) -> None:
        self.worker, self.word, self.run = workers.started(), word, run
        self.is_mine = False

    def begin(self, job: Calls | Script, limits: Limits) -> None:
        self.is_mine = self.word in job.source
        if not self.is_mine:
            self.worker.begin(job, limits)

    def finish(self) -> Run:
        return self.run if self.is_mine else self.worker.finish()

    def close(self) -> None:
        self.worker.close()


@pytest.mark.parametrize(
    ("word", "run", "told"),
    [
        ("def escapes", Run("finished", (Returned(["reading a file succeeds"]),)), "reading a file succeeds"),
        ("def escapes", Run("crashed"), "did not come to their end"),
        ("_io.FileIO('", Run("finished"), "a file succeeds"),
        ("_sqlite3", Run("finished"), "a database succeeds"),
        ("_datetime", Run("finished"), "the system's clock succeeds"),
        ("while True: pass", Run("finished"), "CPU seconds did not end a program"),
        ("while True: pass", Run("time", cpu_s=9.0), "9.0 CPU seconds were to be had"),
        ("written", Run("finished", (Returned(2**18),)), "output has no limit"),
        ("bytearray", Run("finished", (Returned(1),)), "memory did not run out"),
        ("abort", Run("finished"), "a crash did not end"),
        ("uuid4", Run("finished"), "clock and chance differ"),
    ],
)
def test_hole_is_told(word: str, run: Run, told: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(selftest, "started", lambda: Leaky(word, run))
    assert told in refusal()


def test_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(component, "missing", lambda: ["wasmtime"])
    assert "wasmtime is missing; pip install 'marft-envs[wasi]'" in refusal()
    component.compiled.cache_clear()
    with pytest.raises(SandboxUnavailableError, match="is missing"):
        assert component.runtime()


def test_process_that_does_not_start_is_quoted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(host, "__file__", "/nowhere/host.py")
    assert "nowhere" in refusal()


def test_frames_are_read_whole_or_not_at_all(tmp_path: Path):
    file = tmp_path / "frames"
    with file.open("wb", buffering=0) as pipe:
        host.send(pipe, b"abc")
        pipe.write(host.FRAME.pack(10) + b"cut")
    with file.open("rb") as pipe:
        assert host.received(pipe) == b"abc"
        assert host.received(pipe) is None
