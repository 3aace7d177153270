"""Tests that tell one program from another: how a tester writes them, and what it means that a program fails them."""

from collections.abc import Iterable

from marft_envs.coding.replies import MAX_LITERAL_CHARS, tests_in
from marft_envs.coding.task import Task
from marft_envs.grading.failures import call, literal
from marft_envs.grading.programs import CallTest, Test, Verdict

_UNDECIDED = ("passed", "time", "not reached", "lost")


def written(task: Task, test: Test) -> str:
    """A test as a tester writes it, `assert f(3) == 7`; empty for one that could not be read again."""
    if not isinstance(test, CallTest):
        return ""
    called = call(task.entry_point, test.arguments, MAX_LITERAL_CHARS)
    line = f"assert {called} == {literal(test.expected, MAX_LITERAL_CHARS)}"
    return line if tests_in(line, task.entry_point, 1) == [test] else ""


def telling(task: Task) -> list[CallTest]:
    """Those of the hidden tests that a tester could write."""
    return [test for test in task.hidden if isinstance(test, CallTest) and written(task, test)]


def fails(verdict: Verdict, places: Iterable[int]) -> bool:
    """Whether a program did something else on one of these tests; running out of time says nothing."""
    return any(verdict.results[place].reason not in _UNDECIDED for place in places)
