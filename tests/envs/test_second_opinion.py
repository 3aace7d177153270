"""The second opinion: math-verify in a process that can be killed.

What can go wrong with a process is tested with scripts that do it, so these tests need no math-verify.
"""

import gc
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent

import pytest

from marft_envs.errors import OptionError, SecondOpinionError
from marft_envs.grading import second_opinion
from marft_envs.grading.second_opinion import WORKER, SecondOpinion

ROOT = Path(__file__).parents[2]
ECHO = """
import json, os, sys, time

def say(text):
    sys.stdout.write(text)
    sys.stdout.flush()

def answer(number, given, wanted):
    say(f"{json.dumps([number, given == wanted])}\\n")

say("ready\\n")
"""
"""A worker's first lines; the loop over questions follows."""
LOOP = """
for line in sys.stdin:
    answer(*json.loads(line))
"""

Scripted = Callable[..., SecondOpinion]


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Scripted]:
    """Makes second opinions whose worker goes on as written, after ECHO."""
    asked: list[SecondOpinion] = []

    def make(script: str = LOOP, timeout_s: float = 10.0, start: str = ECHO) -> SecondOpinion:
        worker = tmp_path / f"worker_{len(asked)}.py"
        worker.write_text(start + dedent(script), encoding="utf-8")
        asked.append(SecondOpinion(timeout_s, worker))
        return asked[-1]

    yield make
    for opinion in asked:
        opinion.close()


def pid_of(opinion: SecondOpinion) -> int:
    return opinion._worker._process._process.pid


def is_alive(pid: int) -> bool:
    """Whether the process is there, and more than a zombie that nobody has waited for."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self").exists():
        return stat.exists() and stat.read_text().rpartition(") ")[2][0] != "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return met


# --- math-verify itself ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def opinion() -> Iterator[SecondOpinion]:
    pytest.importorskip("math_verify")
    with SecondOpinion(timeout_s=20.0) as asked:
        yield asked


@pytest.mark.parametrize(
    ("given", "wanted", "verdict"),
    [("0.5", "\\frac{1}{2}", True), ("43", "42", False), ("(1, 2)", "(2, 1)", False), ("x + 1", "1 + x", True)],
)
def test_it_has_an_opinion(opinion, given, wanted, verdict):
    assert opinion.same(given, wanted) is verdict


def test_math_verifys_own_time_limit_is_no_opinion_and_no_reason_to_start_again(opinion):
    assert opinion.same("7", "7") is True
    process = pid_of(opinion)
    assert opinion.same("9^{9^{9}}", "5") is None  # five seconds, of the twenty that it has
    assert pid_of(opinion) == process
    assert opinion.same("7", "7") is True


def test_a_process_that_takes_too_long_is_killed_and_the_next_question_is_answered():
    pytest.importorskip("math_verify")
    with SecondOpinion(timeout_s=1.0) as asked:
        assert asked.same("7", "7") is True
        stuck = pid_of(asked)
        began = time.monotonic()
        assert asked.same("9^{9^{9^{9}}}", "5") is None
        assert time.monotonic() - began < 5
        assert not is_alive(stuck)
        assert asked.same("7", "7") is True


@pytest.mark.parametrize("error", ["TimeoutException", "ValueError", "MemoryError", "RecursionError"])
@pytest.mark.parametrize("broken", ["parse", "verify"])
def test_the_worker_has_no_opinion_where_math_verify_raises(error, broken, tmp_path):
    package = tmp_path / "math_verify"
    package.mkdir()
    (package / "errors.py").write_text("class TimeoutException(BaseException): pass\n")
    (package / "__init__.py").write_text(
        "from math_verify.errors import TimeoutException\n"
        "def fails(*arguments, raise_on_error=False):\n"
        f"    raise {error} if raise_on_error else SystemExit\n"
        "def parse(text, raise_on_error=False):\n    return text\n"
        "def verify(gold, target, raise_on_error=False):\n    return gold == target\n"
        f"{broken} = fails\n"
    )
    done = subprocess.run(
        [sys.executable, WORKER],
        input='[5, "1", "1"]\n[6, "1", "1"]\n',
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "ready\n[5, null]\n[6, null]\n"


def test_without_math_verify_the_way_out_is_told(monkeypatch):
    monkeypatch.setattr(second_opinion, "find_spec", lambda name: None)
    with pytest.raises(OptionError, match=r"pip install 'marft-envs\[verify\]'"):
        SecondOpinion()


# --- What is asked, and by whom --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["__import__('os').abort()", "(1).real", "eval(1)", "9" * 3_000, "lambda x: x"])
def test_what_looks_like_code_is_not_sent(text, scripted):
    asked = scripted()
    assert asked.same(text, text) is None
    assert asked._worker._process is None  # nothing was even started


def test_it_sees_nothing_of_the_environment_variables(monkeypatch, scripted):
    monkeypatch.setenv("SECRET_TOKEN", "abc")
    asked = scripted("""
        for line in sys.stdin:
            number, given, wanted = json.loads(line)
            answer(number, "SECRET_TOKEN" in os.environ, True)
    """)
    assert asked.same("7", "7") is False


def test_no_environment_and_no_grader_asks_it() -> None:
    package = Path(second_opinion.__file__).parents[1]
    asking = {path.name for path in package.rglob("*.py") if re.search(r"import.*second_opinion", path.read_text())}
    assert asking <= {"second_opinion.py"}


# --- Verdicts stay in step with questions ----------------------------------------------------------------------------


def test_a_long_question_of_any_characters_arrives(scripted):
    asked = scripted()
    text = "\U0001d7d9\ud800\u2028\n" * 500
    assert asked.same(text, text) is True


def test_after_an_interrupt_the_late_verdict_is_nobodys(scripted):
    asked = scripted("""
        for line in sys.stdin:
            number, given, wanted = json.loads(line)
            if given == "slow":
                time.sleep(1)
            answer(number, given, wanted)
    """)
    assert asked.same("7", "7") is True
    process = pid_of(asked)

    def interrupt(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            asked.same("slow", "slow")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert not is_alive(process)
    assert asked.same("1", "2") is False


def test_after_a_timeout_the_late_verdict_is_nobodys(scripted):
    asked = scripted(
        """
        for line in sys.stdin:
            number, given, wanted = json.loads(line)
            if given == "slow":
                time.sleep(1)
            answer(number, given, wanted)
        """,
        timeout_s=0.5,
    )
    assert asked.same("slow", "slow") is None
    time.sleep(0.6)
    assert asked.same("1", "2") is False


@pytest.mark.parametrize(
    "says",
    [
        'f"[{number - 1}, true]"',
        'f"[{number + 1}, true]"',
        '"true"',
        'f"[{number}, 1]"',
        'f"[{number}, true, true]"',
        '""',
        '"Killed"',
        'b"\\xff".decode(errors="surrogateescape")',
    ],
)
def test_another_line_than_the_answer_is_no_verdict_and_ends_the_process(says, scripted):
    asked = scripted(f"""
        sys.stdout.reconfigure(errors="surrogateescape")
        for line in sys.stdin:
            number, given, wanted = json.loads(line)
            if given == "odd":
                say({says} + "\\n")
            else:
                answer(number, given, wanted)
    """)
    assert asked.same("7", "7") is True
    process = pid_of(asked)
    assert asked.same("odd", "odd") is None
    assert not is_alive(process)
    assert asked.same("1", "2") is False


def test_a_second_answer_is_not_taken_for_the_next_questions(scripted):
    asked = scripted("""
        for line in sys.stdin:
            number, given, wanted = json.loads(line)
            answer(number, 1, 1)
            answer(number, 1, 1)
    """)
    assert [asked.same("1", "1"), asked.same("1", "2"), asked.same("1", "1")] == [True, None, True]


def test_a_process_that_died_by_itself_is_replaced_before_the_question_is_asked(scripted):
    asked = scripted()
    assert asked.same("7", "7") is True
    os.kill(pid_of(asked), signal.SIGKILL)
    assert wait_until(lambda: not asked._worker._process.is_running)
    assert asked.same("7", "7") is True


def test_a_process_that_died_of_a_question_has_no_opinion(scripted):
    asked = scripted("""
        for line in sys.stdin:
            number, given, wanted = json.loads(line)
            if given == "deadly":
                os._exit(1)
            answer(number, given, wanted)
    """)
    assert [asked.same("deadly", "7"), asked.same("7", "7")] == [None, True]


def test_threads_get_their_own_verdicts(scripted):
    asked = scripted("""
        for line in sys.stdin:
            number, given, wanted = json.loads(line)
            time.sleep(0.001)
            answer(number, given, wanted)
    """)
    with ThreadPoolExecutor(8) as threads:
        verdicts = list(threads.map(lambda k: asked.same(str(k), str(k - k % 2)), range(200)))
    assert verdicts == [k % 2 == 0 for k in range(200)]


# --- Deadlines -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dribble", ['say("[")', 'say("[" * 200_000)', "pass"])
def test_half_a_line_does_not_outlast_the_deadline(dribble, scripted):
    asked = scripted(
        f"""
        for line in sys.stdin:
            while True:
                {dribble}
                time.sleep(0.05)
        """,
        timeout_s=0.5,
    )
    began = time.monotonic()
    assert asked.same("7", "7") is None
    assert time.monotonic() - began < 5


def test_a_process_that_reads_nothing_does_not_outlast_the_deadline(scripted):
    fcntl = pytest.importorskip("fcntl")
    if not hasattr(fcntl, "F_SETPIPE_SZ"):
        pytest.skip("pipes cannot be made small on this system")
    asked = scripted(f"fcntl = __import__('fcntl')\nfcntl.fcntl(0, {fcntl.F_SETPIPE_SZ}, 4096)\ntime.sleep(60)", 0.5)
    asked._worker._ready()
    time.sleep(0.5)  # until the pipe is small
    began = time.monotonic()
    assert asked.same("\ud800" * 2_000, "7") is None
    assert time.monotonic() - began < 5


def test_starting_is_no_part_of_the_time_for_a_question(scripted):
    asked = scripted(timeout_s=0.5, start=f"import time\ntime.sleep(1)\n{ECHO}")
    assert asked.same("7", "7") is True


def test_an_answer_before_its_time_is_not_taken_for_ready(scripted):
    asked = scripted(start="print('[0, true]', flush=True)\n" + ECHO)
    with pytest.raises(SecondOpinionError, match=r"and said '\[0, true\]'"):
        asked.same("7", "8")
    assert asked._worker._process is None


def test_a_worker_that_cannot_start_is_an_error_and_not_a_row_of_nones(scripted):
    with pytest.raises(SecondOpinionError, match="and ended"):
        scripted(start="import a_module_that_is_not_there\n").same("7", "7")


def test_a_worker_that_is_never_ready_is_an_error(scripted, monkeypatch):
    monkeypatch.setattr(second_opinion, "_START_S", 0.3)
    with pytest.raises(SecondOpinionError, match="should say 'ready'"):
        scripted(start="import time\ntime.sleep(60)\n").same("7", "7")


# --- Who ends which process ------------------------------------------------------------------------------------------


def test_closing_ends_the_process_and_may_be_repeated(scripted):
    asked = scripted()
    assert asked.same("7", "7") is True
    process = pid_of(asked)
    asked.close()
    asked.close()
    assert not is_alive(process)
    assert asked.same("7", "7") is True


def test_one_that_is_forgotten_leaves_no_process(tmp_path):
    worker = tmp_path / "worker.py"
    worker.write_text(ECHO + LOOP)
    asked = SecondOpinion(worker=worker)
    assert asked.same("7", "7") is True
    process = pid_of(asked)
    os.kill(process, signal.SIGSTOP)  # so that it cannot end by itself, when its input does
    del asked
    gc.collect()
    assert not is_alive(process)


def run(script: str, tmp_path: Path) -> list[str]:
    """What a program prints that asks `asked`; a process of its own, since it forks or exits."""
    (tmp_path / "worker.py").write_text(ECHO + LOOP)
    program = f"""
import os, signal, sys
from pathlib import Path
from marft_envs.grading.second_opinion import SecondOpinion
asked = SecondOpinion(worker=Path({str(tmp_path / "worker.py")!r}))
assert asked.same("7", "7") is True
pid = lambda: asked._worker._process._process.pid
{dedent(script)}
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_at_exit_no_process_stays(tmp_path):
    (process,) = run("os.kill(pid(), signal.SIGSTOP)\nprint(pid())", tmp_path)
    assert not is_alive(int(process))


def test_a_fork_asks_a_process_of_its_own_and_ends_only_that(tmp_path):
    script = """
        parents = pid()
        if os.fork():
            os.wait()
            print("parent", parents == pid(), asked.same("7", "7"), asked.same("1", "2"), parents == pid(), flush=True)
        else:
            print("child", asked.same("1", "2"), asked.same("7", "7"), parents == pid(), pid(), flush=True)
    """
    child, wrong, right, is_shared, process, *parent = run(script, tmp_path)
    assert (child, wrong, right, is_shared) == ("child", "False", "True", "False")
    assert parent == ["parent", "True", "True", "False", "True"]
    assert not is_alive(int(process))


@pytest.mark.parametrize("ending", ["sys.exit()", "asked.close(); sys.exit()", "del asked; sys.exit()"])
def test_a_fork_that_asks_nothing_leaves_its_parents_process_alone(ending, tmp_path):
    script = f"""
        parents = pid()
        if not os.fork():
            {ending}
        os.wait()
        print(asked.same("1", "2"), asked.same("7", "7"), parents == pid())
    """
    assert run(script, tmp_path) == ["False", "True", "True"]


def test_a_fork_in_the_middle_of_another_threads_question_does_not_wait_for_it(tmp_path):
    script = """
        asked._worker._lock.acquire()  # as another thread would
        if not os.fork():
            print(asked.same("7", "7"), flush=True)
            sys.exit()
        os.wait()
        asked._worker._lock.release()
        print(asked.same("1", "2"))
    """
    assert run(script, tmp_path) == ["True", "False"]
