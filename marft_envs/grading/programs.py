"""Programs judged by what they do: inputs go into the sandbox, and outputs come back to be compared *here*.

What is expected never enters the process that runs the program, so there is nothing in there to find or to forge.
"""

from dataclasses import dataclass

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
    are, as in Python.
    """

    tolerance: float = 0.0
    """Two floats this close, absolutely or relative to the expected one, are the same; 0: they have to be equal."""
    tuples_are_lists: bool = False
    """For tests that were written in JSON, which has no tuples: a returned tuple counts as a list."""
    property: str = ""
    """Where many answers are right: the name of a function of `PROPERTIES` that decides instead of comparing."""
