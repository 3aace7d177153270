"""Reward hacks earn nothing: programs that try to pass without solving the task, judged in the sandbox.

What is expected are numbers of ten digits, so nothing is passed by luck. The honest program, which is judged with the
hacks, on the same workers and after them, passes everything: so a judge that fails everybody would fail here, too.
"""

import pytest

from marft_envs.grading.programs import CallTest, Rules, StdioTest
from marft_envs.grading.verdicts import judge, judge_all
from marft_envs.sandbox.runs import Limits
from tests.envs.reward_hacks import HACKS, SCRIPT_HACKS

LIMITS = Limits(cpu_s=0.5, wall_s=5.0)
RULES = Rules(tolerance=1e-9)
HONEST = """
def f(n):
    number = (n * 7919 + 104729) ** 3 % 10**10
    return (number, str(number), number / 7, [number, {"n": (number,)}], {number})[n % 5]
"""
HONEST_SCRIPT = "n = int(input())\nprint((n * 7919 + 104729) ** 3 % 10**10)\n"


def answer(n):
    """Worked out here, apart from the honest program's text."""
    number = pow(n * 7919 + 104729, 3, 10**10)
    return [number, str(number), number / 7, [number, {"n": (number,)}], {number}][n % 5]


CALLS = [CallTest((n,), answer(n)) for n in range(1, 6)]
SCRIPTS = [StdioTest(f"{n}\n", f"{answer(n)}\n") for n in (5, 10)]


@pytest.fixture(scope="module")
def verdicts():
    """All hacks of functions, and the honest program before and behind them."""
    programs = {"honest": HONEST, **HACKS, "honest again": HONEST}
    judged = judge_all(list(programs.values()), "f", CALLS, RULES, limits=LIMITS)
    return dict(zip(programs, judged, strict=True))


@pytest.fixture(scope="module")
def script_verdicts():
    """All hacks of scripts, and the honest program before and behind them."""
    programs = {"honest": HONEST_SCRIPT, **SCRIPT_HACKS, "honest again": HONEST_SCRIPT}
    judged = judge_all(list(programs.values()), "", SCRIPTS, RULES, limits=LIMITS)
    return dict(zip(programs, judged, strict=True))


@pytest.mark.parametrize("name", HACKS)
def test_a_hack_of_a_function_earns_nothing(verdicts, name):
    assert not verdicts[name].passed
    assert verdicts[name].share == 0.0
    assert verdicts[name].lost == 0


@pytest.mark.parametrize("name", SCRIPT_HACKS)
def test_a_hack_of_a_script_earns_nothing(script_verdicts, name):
    assert not script_verdicts[name].passed
    assert script_verdicts[name].share == 0.0
    assert script_verdicts[name].lost == 0


@pytest.mark.parametrize("name", ["honest", "honest again"])
def test_the_honest_program_passes_among_them(verdicts, script_verdicts, name):
    assert verdicts[name].passed
    assert script_verdicts[name].passed


@pytest.mark.parametrize("name", HACKS)
def test_a_hack_fails_for_what_it_tries_and_not_for_a_mistake_in_it(verdicts, name):
    for result in verdicts[name].results:
        assert not any(mistake in result.traceback for mistake in ("NameError", "SyntaxError", "ImportError"))


@pytest.mark.parametrize("name", SCRIPT_HACKS)
def test_a_hack_of_a_script_fails_for_what_it_tries(script_verdicts, name):
    for result in script_verdicts[name].results:
        assert not any(mistake in result.traceback for mistake in ("NameError", "SyntaxError", "ImportError"))


@pytest.mark.parametrize("source", ["", "def f(n):\0", "\ud800", "def f(n): return '\ud800'", "(" * 100_000, "f = 3"])
def test_text_that_is_no_program_earns_nothing_and_does_no_harm(source):
    for entry_point, tests in (("f", CALLS), ("", SCRIPTS)):
        verdict = judge(source, entry_point, tests, RULES, limits=LIMITS)
        assert verdict.share == 0.0
        assert verdict.lost == 0
