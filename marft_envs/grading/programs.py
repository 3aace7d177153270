"""Programs judged by what they do: inputs go into the sandbox, and outputs come back to be compared *here*.

What is expected never enters the process that runs the program, so there is nothing in there to find or to forge.

`marft_envs.grading.outputs` compares, `marft_envs.grading.verdicts` judges, `marft_envs.grading.failures` tells.
"""

from dataclasses import dataclass
from typing import Literal

from marft_envs.sandbox.runs import Plain


@dataclass(frozen=True, slots=True)
class CallTest:
    """One call of the function, and what it should return."""

    arguments: tuple[Plain, ...]
    expected: Plain


@dataclass(frozen=True, slots=True)
class StdioTest:
    """One run of the program, and what it should print."""

    stdin: str
    expected: str


Test = CallTest | StdioTest


@dataclass(frozen=True, slots=True)
class Rules:
    """How an output is compared with what is expected.

    bool is not int, a list is no tuple, and text is compared as it is; an int and a float are the same if their values
    are, as in Python, and one nan is as good as another.
    """

    tolerance: float = 0.0
    """A float this close, absolutely or relative to the expected number, is the same; 0: it has to be equal."""
    tuples_are_lists: bool = False
    """For tests that were written in JSON, which has no tuples: a returned tuple counts as a list."""
    property: str = ""
    """Where many answers are right: the name of a function of `PROPERTIES` that decides instead of comparing. For
    calls only."""


Reason = Literal[
    "passed",
    "wrong",
    "raised",
    "not plain",
    "exited",
    "time",
    "memory",
    "output",
    "crashed",
    "lost",
    "not reached",
    "forged",
]
"""Why a test passed or failed. Beside the endings of a run:

- `wrong`: it came back with something else, or printed it.
- `raised`: the call raised, or the whole program before any call.
- `not plain`: it came back with an object that is no plain data.
- `not reached`: an earlier call of the same process ended that process.
- `forged`: there were more results than calls, or fewer although nothing went wrong.
"""


@dataclass(frozen=True, slots=True)
class TestResult:
    """What came of one test. Everything but the test and the reason is the program's own word."""

    __test__ = False  # pytest takes classes of such names for its own

    test: Test
    reason: Reason
    got: Plain = None
    """What was returned or printed; the name of its type where it is "not plain"; None where nothing came back."""
    traceback: str = ""
    """As in `marft_envs.sandbox.runs.Raised`; empty unless the reason is "raised"."""

    @property
    def passed(self) -> bool:
        """Whether the program did what the test asks for."""
        return self.reason == "passed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of all tests of one program, in their order."""

    results: tuple[TestResult, ...]

    @property
    def passed(self) -> bool:
        """Whether there are tests, and all of them passed."""
        return bool(self.results) and not self.failures

    @property
    def share(self) -> float:
        """The share of tests that passed, 0 to 1; 0 if there are none."""
        return sum(result.passed for result in self.results) / max(len(self.results), 1)

    @property
    def failures(self) -> tuple[TestResult, ...]:
        """The results of the tests that did not pass."""
        return tuple(result for result in self.results if not result.passed)

    @property
    def timed_out(self) -> tuple[int, ...]:
        """Which tests ran into a time limit, by their place: what a log keeps, so that a replay need not time them."""
        return tuple(place for place, result in enumerate(self.results) if result.reason == "time")

    @property
    def lost(self) -> int:
        """How many tests say nothing about the program, because the sandbox itself failed."""
        return sum(result.reason == "lost" for result in self.results)
