"""Tests that tell one program from another: how a tester writes them, and what it means that a program fails them."""

from collections.abc import Iterable, Sequence
from math import isclose, isfinite

from marft_envs.coding.replies import MAX_LITERAL_CHARS, tests_in
from marft_envs.coding.task import Task
from marft_envs.grading.failures import call, literal
from marft_envs.grading.programs import CallTest, Test, Verdict
from marft_envs.sandbox.runs import Plain

_CLOSE = 1e-6
_ITERABLE = (list, tuple, str, bytes, dict, set, frozenset)
_WITHOUT_ORDER = (set, frozenset)
_UNDECIDED = ("passed", "time", "not reached", "lost")


def written(task: Task, test: Test) -> str:
    """A test as a tester writes it, `assert f(3) == 7`; empty for one that could not be read again."""
    if not isinstance(test, CallTest):
        return ""
    called = call(task.entry_point, test.arguments, MAX_LITERAL_CHARS)
    line = f"assert {called} == {literal(test.expected, MAX_LITERAL_CHARS)}"
    return line if tests_in(line, task.entry_point, 1) == [test] else ""


def telling(task: Task) -> list[CallTest]:
    """Those of the hidden tests that a tester could write, and that would count."""
    return distinct([test for test in task.hidden if written(task, test)], task.visible)


def distinct(tests: Sequence[Test], shown: Sequence[Test]) -> list[CallTest]:
    """The calls with inputs that repeat none that is shown; of an input the first."""
    inputs = [test.arguments for test in shown if isinstance(test, CallTest)]
    found: list[CallTest] = []
    for test in tests:
        if isinstance(test, CallTest) and not any(repeats(test.arguments, other) for other in inputs):
            inputs.append(test.arguments)
            found.append(test)
    return found


def fails(verdict: Verdict, places: Iterable[int]) -> bool:
    """Whether a program did something else on one of these tests; running out of time says nothing."""
    return any(verdict.results[place].reason not in _UNDECIDED for place in places)


def repeats(value: Plain, shown: Plain) -> bool:
    """Whether most programs would do the same with this value as with the one that is shown.

    True is 1, 12.3 is nearly 12; a list, a tuple, a text, bytes, a set and the keys of a dict are gone through alike.
    So nobody writes down a test that is shown as another one of the same value: `f((3, 1)) == 4` for `f([3, 1]) == 4`.
    """
    if isinstance(value, complex) and value.imag == 0:
        value = value.real
    if isinstance(value, int | float) and isinstance(shown, int | float):
        if isinstance(shown, float):
            return isclose(value, shown, rel_tol=_CLOSE, abs_tol=_CLOSE)
        return isfinite(value) and round(value) == shown
    if isinstance(value, str) and isinstance(shown, str):
        return value == shown
    if isinstance(value, dict) and isinstance(shown, dict):
        value, shown = list(value.items()), list(shown.items())
    if isinstance(value, _ITERABLE) and isinstance(shown, _ITERABLE):
        ours, theirs = list(value), list(shown)
        if isinstance(value, _WITHOUT_ORDER) or isinstance(shown, _WITHOUT_ORDER):
            return sorted(map(literal, ours)) == sorted(map(literal, theirs))
        return len(ours) == len(theirs) and all(map(repeats, ours, theirs))
    return value == shown
