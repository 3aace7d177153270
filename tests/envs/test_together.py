"""Programs that share a process are judged as if each had one of its own."""

from dataclasses import replace

import numpy as np
import pytest

from marft_envs.coding.mutants import Mutants, keeps_to_itself
from marft_envs.coding.tasks.synthetic import LEVELS, Synthetic
from marft_envs.grading.programs import CallTest, Rules, StdioTest
from marft_envs.grading.together import Together
from marft_envs.grading.verdicts import judge_all
from marft_envs.sandbox.pool import default_sandbox
from marft_envs.sandbox.runs import Calls, Limits, Script

RULES = Rules()
LIMITS = Limits(cpu_s=0.5, wall_s=20.0)
TESTS = (CallTest((1,), 2), CallTest((2,), 3), CallTest((30,), 31))
RIGHT = "def f(n): return n + 1"
PROGRAMS = {
    "right": RIGHT,
    "wrong": "def f(n): return n",
    "wrong once": "def f(n): return 0 if n == 2 else n + 1",
    "raises": "def f(n): return n + 1 if n < 3 else n // 0",
    "no Python": "def f(n) return n",
    "raises when it is read": "def f(n): return n + 1\n1 // 0",
    "defines something else": "def g(n): return n + 1",
    "gives what is not plain": "def f(n): return iter([n])",
    "prints": "print('hello')\ndef f(n):\n    print(n)\n    return n + 1",
    "leaves": "def f(n): raise SystemExit",
    "remembers": "seen = []\ndef f(n):\n    seen.append(n)\n    return n + len(seen)",
    "remembers in a default": "def f(n, seen=[]):\n    seen.append(n)\n    return n + len(seen)",
    "recurs for ever": "def f(n): return f(n)",
    "recurs deeply": "def f(n): return n + 1 if n < 3 else g(900) + 31\ndef g(n): return n and g(n - 1)",
    "needs much memory": "def f(n): return len('x' * 10**9) if n == 30 else n + 1",
    "prints too much": "def f(n):\n    print('x' * 10**6)\n    return n + 1",
    "gives too much": "def f(n): return 'x' * 10**6",
    "never ends": "def f(n):\n    while n == 2: pass\n    return n + 1",
}


class Counting:
    """A sandbox that counts what it runs."""

    def __init__(self):
        self.num_runs = 0

    def run_all(self, jobs, limits):
        self.num_runs += len(jobs)
        return default_sandbox().run_all(jobs, limits)


def judged(programs, tests=TESTS, *, together=False, **how):
    counting = Counting()
    sandbox = Together(counting) if together else counting
    return judge_all(programs, "f", tests, RULES, sandbox=sandbox, limits=LIMITS, **how), counting.num_runs


def without_tracebacks(verdicts):
    return [[replace(result, traceback="") for result in verdict.results] for verdict in verdicts]


def test_every_kind_of_program_comes_to_the_same():
    apart, num_apart = judged([*PROGRAMS.values()])
    together, num_together = judged([*PROGRAMS.values()], together=True)
    assert without_tracebacks(together) == without_tracebacks(apart)
    assert num_together < num_apart == len(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_program_harms_its_neighbours(name):
    (before, program, behind), _ = judged([RIGHT, PROGRAMS[name], RIGHT], together=True)
    assert before.passed and behind.passed
    ((alone,), _) = judged([PROGRAMS[name]])
    assert without_tracebacks([program]) == without_tracebacks([alone])


@pytest.mark.parametrize("level", LEVELS)
def test_mutants_come_to_the_same(level):
    rng = np.random.default_rng(0)
    num_apart = num_together = 0
    for _ in range(5):
        task = Synthetic().draw(level, rng, "train")
        assert keeps_to_itself(task.reference)
        programs = Mutants.drawn(task.reference, "f", rng).first(10)
        apart, runs_apart = judged(programs, task.hidden)
        together, runs_together = judged(programs, task.hidden, together=True)
        assert without_tracebacks(together) == without_tracebacks(apart)
        num_apart, num_together = num_apart + runs_apart, num_together + runs_together
    assert num_together < num_apart / 2


def test_what_a_log_says_of_time_is_taken_program_by_program():
    programs = [RIGHT, PROGRAMS["never ends"], RIGHT]
    late = [(), (1,), ()]
    verdicts, _ = judged(programs, timed_out=late, together=True)
    assert verdicts == judged(programs, timed_out=late)[0]
    assert [verdict.timed_out for verdict in verdicts] == late


def calls(program, tests=TESTS, entry_point="f"):
    return Calls(program, entry_point, tuple(test.arguments for test in tests))


def test_what_is_foreseen_comes_to_the_same_and_is_run_once():
    others = (CallTest((5,), 6), CallTest((30,), 31))
    counting = Counting()
    together = Together(counting)
    programs = [program for name, program in PROGRAMS.items() if name != "never ends"]
    together.foresee([calls(RIGHT, others), calls(RIGHT)], LIMITS)
    assert counting.num_runs == 1
    for tests in (TESTS, others):
        verdicts = judge_all(programs, "f", tests, RULES, sandbox=together, limits=LIMITS)
        assert without_tracebacks(verdicts) == without_tracebacks(judged(programs, tests)[0])
    before = counting.num_runs
    for tests in (TESTS, others):
        assert judge_all([RIGHT], "f", tests, RULES, sandbox=together, limits=LIMITS)[0].passed
    assert counting.num_runs == before


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_kind_of_program_is_foreseen_as_it_is(name):
    others = (CallTest((5,), 6), CallTest((2,), 3))
    program = PROGRAMS[name]
    together = Together(Counting())
    together.foresee([calls(RIGHT), calls(program), calls(program, others), calls(RIGHT, others)], LIMITS)
    for tests in (TESTS, others):
        verdicts = judge_all([program, RIGHT], "f", tests, RULES, sandbox=together, limits=LIMITS)
        assert without_tracebacks(verdicts) == without_tracebacks(judged([program, RIGHT], tests)[0])


def test_a_program_that_did_not_end_is_not_tried_together_again():
    counting = Counting()
    together = Together(counting)
    programs = [PROGRAMS["never ends"], RIGHT, PROGRAMS["wrong"]]
    together.foresee([calls(program) for program in programs], LIMITS)
    verdicts = judge_all(programs, "f", TESTS, RULES, sandbox=together, limits=LIMITS)
    assert [verdict.timed_out for verdict in verdicts] == [(1,), (), ()]
    assert counting.num_runs == 3  # what was foreseen, the one alone, and the others together


def test_what_a_program_holds_is_gone_when_the_next_one_begins():
    """Each by itself is well within its memory, and two at once are not."""
    holds = [f"table = bytes({150_000_000 + number})\ndef f(n): return len(table) // 10" for number in range(8)]
    tests = (CallTest((1,), 15_000_000),)
    counting = Counting()
    verdicts = judge_all(holds, "f", tests, RULES, sandbox=Together(counting), limits=LIMITS)
    assert all(verdict.passed for verdict in verdicts)
    assert counting.num_runs == 1


def test_what_was_foreseen_under_other_limits_is_run_again():
    large = "def f(n): return len('x' * n)"
    jobs = [Calls(large, "f", ((10**8,),)), Calls(large, "f", ((10**7,),))]
    together = Together()
    together.foresee(jobs, LIMITS)
    little = replace(LIMITS, memory_bytes=2**25)
    assert [type(run.outcomes[0]).__name__ for run in together.run_all(jobs, LIMITS)] == ["Returned"] * 2
    assert [type(run.outcomes[0]).__name__ for run in together.run_all(jobs, little)] == ["Raised", "Returned"]


def test_numbers_of_any_length_are_foreseen():
    job = Calls("def f(n): return n % 10", "f", ((16**4000 + 1,),))
    together = Together()
    together.foresee([job, calls(RIGHT)], LIMITS)
    assert together.run_all([job, job], LIMITS)[1].outcomes[0].value == (16**4000 + 1) % 10


def test_what_was_foreseen_for_one_input_is_not_taken_for_its_equal():
    shows = "def f(n): return str(n)"
    together = Together()
    together.foresee([calls(shows, [CallTest((n,), "")]) for n in (1, True, 1.0)], LIMITS)
    for n in (1, True, 1.0):
        (verdict,) = judge_all([shows], "f", [CallTest((n,), str(n))], RULES, sandbox=together, limits=LIMITS)
        assert verdict.passed


def test_methods_and_scripts_have_a_process_of_their_own():
    counting = Counting()
    method = Calls("class A:\n    def f(self, n): return n + 1", "A.f", ((1,), (2,)))
    jobs = [Script("print(input())", "3"), method, calls(RIGHT), calls(RIGHT), method]
    together = Together(counting)
    together.foresee([method, method, calls(RIGHT)], LIMITS)
    assert counting.num_runs == 0
    runs = together.run_all(jobs, LIMITS)
    assert counting.num_runs == 4
    assert runs[0].printed == "3\n"
    assert [[outcome.value for outcome in run.outcomes] for run in runs[1:]] == [[2, 3], [2, 3, 31], [2, 3, 31], [2, 3]]


def test_scripts_are_judged_alike():
    programs = ["print(int(input()) + 1)", "print(input())"]
    tests = (StdioTest("3", "4"), StdioTest("4", "5"))
    verdicts = judge_all(programs, "", tests, RULES, sandbox=Together(), limits=LIMITS)
    assert verdicts == judge_all(programs, "", tests, RULES, limits=LIMITS)


@pytest.mark.parametrize(
    "program",
    [
        "import random\ndef f(n): return n",
        "def f(n):\n    from sys import setrecursionlimit\n    return n",
        "def f(n): return __import__('os')",
        "def f(n): return n.__class__",
        "b = locals()['__builtins__']\nb['len'] = lambda x: 42\ndef f(n): return n",
        "def f(n):\n    g = (m for m in [n])\n    return g.gi_frame.f_builtins",
        "def f(n):\n    match n:\n        case object(gi_frame=frame): return frame\n    return n",
        "def f(n):\n    print(n)\n    return n",
        "def f(n):\n    try: return len([n] * 10**7)\n    except Exception: return -1",
        "class Quiet:\n    def __exit__(self, *_): return True\ndef f(n):\n    with Quiet(): return n",
        "def f(n): return getattr(n, 'real')",
        "def f(n): return eval('n')",
        "def f(n) return n",
        "f = " + "(" * 500 + ")" * 500,
    ],
)
def test_a_program_that_may_reach_beyond_itself_is_told(program):
    assert not keeps_to_itself(program)


def test_a_program_of_plain_python_keeps_to_itself():
    assert keeps_to_itself("def f(n):\n    return sorted(str(n).split(), key=len)")
