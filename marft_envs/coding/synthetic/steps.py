"""A function as a pipeline of steps, read in three ways: English, Python, and what it does.

The value is computed by trusted closures, not by running the Python that is shown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from marft_envs.sandbox.runs import Plain

Shape = Literal["number", "flag", "text", "list", "table"]
"""int, bool, str, list of int, dict."""


class SecondArgument:
    """Stands for the function's second argument where a constant may stand."""

    def __str__(self) -> str:
        return "k"

    def __deepcopy__(self, memo: object) -> "SecondArgument":
        return self


K: Final = SecondArgument()
Constant = int | str | SecondArgument
Function = Callable[[Plain, int], Plain]
"""Of the value and k."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of a table of operations.

    Its texts are templates: {0}, {1} are the constants and {x} is the value. In `words` {to}, {from_}, {of} and {in_}
    are " to n" and so on where the value is the argument, and nothing where it is what the step before gave.
    """

    takes: Shape
    gives: Shape
    words: str
    """What is done, as a verb in the third person; a condition for those that give a flag."""
    code: str
    """A Python expression; {x} is always a name."""
    run: Callable[..., Plain]
    """The same, of the value and the constants; leaves the value as it is."""
    constants: tuple[Sequence[int | str], ...] = ()
    """What each constant is drawn from."""
    group: str = ""
    """Two operations of one group can often be one: no two steps in a row, or with one step between, share it."""
    noun: str = ""
    """What is returned if this is the last step; empty: "the result" after `words`."""


@dataclass(frozen=True, slots=True)
class Step:
    """An operation with its constants."""

    operation: Operation
    constants: tuple[Constant, ...] = ()

    def function(self) -> Function:
        """What it does; made once for many values."""
        run, constants = self.operation.run, self.constants
        if any(constant is K for constant in constants):
            return lambda value, k: run(value, *[k if constant is K else constant for constant in constants])
        return lambda value, _: run(value, *constants)

    def words(self, subject: str) -> str:
        """What is done, to the argument of this name, or to "the result"."""
        return _told(self.operation.words, subject, self.constants)

    def noun(self, subject: str) -> str:
        """What it gives."""
        return _told(self.operation.noun, subject, self.constants)

    def code(self, name: str) -> str:
        """Its Python expression, of the variable of this name."""
        return self.operation.code.format(*self.constants, x=name)

    def lines(self, name: str, before: str) -> list[str]:
        """Its lines of Python; `before` is "return " or an assignment's left side."""
        return [f"{before}{self.code(name)}"]

    @property
    def group(self) -> str:
        return self.operation.group


@dataclass(frozen=True, slots=True)
class Branch:
    """Which step is done depends on conditions: the first that holds decides."""

    cases: tuple[tuple[Step, Step], ...]
    """Conditions, each with what is done."""
    otherwise: Step
    group: str = ""

    def function(self) -> Function:
        """What it does; made once for many values."""
        cases = [(condition.function(), step.function()) for condition, step in self.cases]
        otherwise = self.otherwise.function()

        def run(value: Plain, k: int) -> Plain:
            for holds, done in cases:
                if holds(value, k):
                    return done(value, k)
            return otherwise(value, k)

        return run

    def words(self, subject: str) -> str:
        cases = [f"{step.words(subject)} if {condition.words(subject)}" for condition, step in self.cases]
        otherwise = self.otherwise.words(subject)
        if len(cases) == 1:
            return f"{cases[0]} and {otherwise} otherwise"
        return f"{', or else '.join(cases)}, or else {otherwise}"

    def noun(self, subject: str) -> str:
        return ""

    def lines(self, name: str, before: str) -> list[str]:
        lines: list[str] = []
        for condition, step in self.cases:
            lines += [f"{'elif' if lines else 'if'} {condition.code(name)}:", f"    {before}{step.code(name)}"]
        return [*lines, "else:", f"    {before}{self.otherwise.code(name)}"]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A function of one argument, or of it and k: one step after the other."""

    argument: str
    takes: Shape
    steps: tuple[Step | Branch, ...]
    has_k: bool = False

    @property
    def gives(self) -> Shape:
        last = self.steps[-1]
        return (last.otherwise if isinstance(last, Branch) else last).operation.gives

    @property
    def call(self) -> str:
        return f"f({self.argument}, k)" if self.has_k else f"f({self.argument})"

    def function(self) -> Function:
        """What it does; made once for many values."""
        steps = [step.function() for step in self.steps]

        def run(value: Plain, k: int) -> Plain:
            for step in steps:
                value = step(value, k)
            return value

        return run

    def description(self) -> str:
        """What agents read: one sentence."""
        subjects = [self.argument, *["the result"] * (len(self.steps) - 1)]
        clauses = [step.words(subject) for step, subject in zip(self.steps, subjects, strict=True)]
        returned = "the result"
        if noun := self.steps[-1].noun(subjects[-1]):
            returned = noun
            clauses.pop()
        done = ", then ".join(clauses)
        # A comma where a clause has an "and" of its own.
        separator = " and " if len(clauses) == 1 and " and " not in done else ", and "
        return f"Write a Python function {self.call} that {done}{separator if done else ''}returns {returned}."

    def expression(self) -> str:
        """What agents read where it is told as one expression, of steps that have a noun."""
        told = self.argument
        for step in self.steps:
            told = step.noun(told if told == self.argument else f"({told})")
        return f"Write a Python function {self.call} that returns {told}."

    def reference(self) -> str:
        """The function in Python."""
        name, lines = self.argument, []
        for step in self.steps[:-1]:
            lines += step.lines(name, "result = ")
            name = "result"
        lines += self.steps[-1].lines(name, "return ")
        return "\n    ".join([f"def {self.call}:", *lines]) + "\n"


def _told(template: str, subject: str, constants: tuple[Constant, ...]) -> str:
    later = subject == "the result"
    said = {word: "" if later else f" {word.strip('_')} {subject}" for word in ("to", "from_", "of", "in_")}
    return template.format(*constants, x=subject, **said)
