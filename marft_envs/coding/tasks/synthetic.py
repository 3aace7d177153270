"""Small functions made from a random generator: no end, no download, from one step to pipelines with branches.

A function is a short pipeline of steps over a number, a text or a list. Its description, its reference program and its
key are three readings of that pipeline, its tests a fourth. The key is made from what the function does for fixed
inputs, so that (n + 3) * 2 and n * 2 + 6 are one task, whose split is one. No function is drawn that is constant, or
the identity, or that is the same without one of its steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from marft_envs.coding.synthetic.crossings import CROSSINGS
from marft_envs.coding.synthetic.lists import LIST_ENDS, LISTS
from marft_envs.coding.synthetic.numbers import ARITHMETIC, CONDITIONS, KEEP, LINEAR, LINES, NUMBERS, ONE_STEP
from marft_envs.coding.synthetic.steps import Branch, K, Operation, Pipeline, Shape, Step
from marft_envs.coding.synthetic.testing import key, tests
from marft_envs.coding.synthetic.texts import PIECES, TEXT_ENDS, TEXTS
from marft_envs.coding.task import Task
from marft_envs.grading.programs import Rules
from marft_envs.seeding import MIN_SPLIT_INSTANCES
from marft_envs.task_sources.source import Source

T = TypeVar("T")

_ARGUMENTS: Mapping[Shape, str] = MappingProxyType({"number": "n", "text": "s", "list": "values"})
_WEIGHT = 3
"""An operation with a constant stands for many functions, and is drawn so many times as often as one without; one with
two twice that; and one that gives something of another shape as if it had one, since there are few."""
_ONE_IN = 4
"""A step on a number is a branch this often, where a level has branches."""


@dataclass(frozen=True, slots=True)
class Level:
    """One row of the table of levels."""

    summary: str
    starts: tuple[Shape, ...]
    num_steps: range
    operations: tuple[Operation, ...]
    num_instances: int
    """How many keys it can draw, or a lower bound of it."""
    max_cases: int = 0
    """Most conditions of a branch; 0: no branches."""
    has_k: bool = False
    """Whether half of the functions have a second argument."""
    as_expression: bool = False
    """Whether a function is told as one expression, and not step by step."""


# How keys are counted: of one and two steps one by one, of the others by a family of functions that all differ.
_SHIFTED = 575_043
"""A number added, subtracted, or subtracted from, before or behind a product: lines that differ."""
_BOUNDED_LINES = 98 * 198 * 198
"""n times a, plus or minus b, then the larger or the smaller of that and c; for `mixed`, written as a string."""
_FRAMED_TEXTS = 26 * 25 * len(PIECES) ** 2
"""One letter replaced by another, something in front and something behind."""
_FILTERED_LISTS = (16 + 16) * 18 * 29 * 7
"""What is above or below c, times a, plus b; then nothing, squares, the sum, one of three orders, or running sums."""

LEVELS: Mapping[str, Level] = MappingProxyType(
    {
        "one_step": Level("one step on a number: the smoke level", ("number",), range(1, 2), ONE_STEP, 82),
        "line": Level("n times a, plus or minus b", ("number",), range(1, 2), LINES, 98 * 999 * 2),
        "parentheses": Level(
            "two steps of arithmetic, told as an expression",
            ("number",),
            range(2, 3),
            ARITHMETIC,
            _SHIFTED,
            as_expression=True,
        ),
        "arithmetic": Level("two steps of arithmetic, in either order", ("number",), range(2, 3), ARITHMETIC, _SHIFTED),
        "two_steps": Level("two steps on a number", ("number",), range(2, 3), LINEAR, 186_118),
        "numbers": Level(
            "three steps on a number, with remainders, branches and predicates",
            ("number",),
            range(3, 4),
            (*NUMBERS, *CONDITIONS),
            num_instances=_BOUNDED_LINES,
            max_cases=1,
        ),
        "strings": Level("two to four steps on a string", ("text",), range(2, 5), (*TEXTS, *TEXT_ENDS), _FRAMED_TEXTS),
        "lists": Level(
            "two to four steps on a list of integers", ("list",), range(2, 5), (*LISTS, *LIST_ENDS), _FILTERED_LISTS
        ),
        "mixed": Level(
            "four to six steps over numbers, strings, lists and dicts, with branches and two arguments",
            ("number", "text", "list"),
            range(4, 7),
            (*NUMBERS, *CONDITIONS, *TEXTS, *TEXT_ENDS, *LISTS, *LIST_ENDS, *CROSSINGS),
            num_instances=_BOUNDED_LINES,
            max_cases=3,
            has_k=True,
        ),
    }
)
"""The levels, from easy to hard."""

SPLIT_LEVELS = tuple(name for name, level in LEVELS.items() if level.num_instances >= MIN_SPLIT_INSTANCES)
"""The levels that offer a test split."""


class Synthetic(Source[Task]):
    """The functions of this module."""

    name = split_salt = "synthetic"
    levels = tuple(LEVELS)

    def draw(self, level: str | None, rng: np.random.Generator, split: str) -> Task:
        """A task of this level, of any split."""
        as_expression = LEVELS[str(level)].as_expression
        while True:
            pipeline = _pipeline(str(level), rng)
            chosen = pipeline and tests(pipeline, rng)
            if pipeline and chosen:
                return Task(
                    description=pipeline.expression() if as_expression else pipeline.description(),
                    entry_point="f",
                    reference=pipeline.reference(),
                    visible=chosen.visible,
                    hidden=chosen.hidden,
                    rules=Rules(),
                    key=key(pipeline),
                )

    def why_not(self, split: str, level: str | None) -> str:
        """Why this level has no such split; empty if it has."""
        if split == "train" or level in SPLIT_LEVELS:
            return ""
        return f"level {level!r} has only {num_instances(str(level))} functions, too few to hold some out"


def num_instances(level: str) -> int:
    """How many different functions a level has, by key; a lower bound from `numbers` on."""
    return LEVELS[level].num_instances


# How pipelines are drawn.


@lru_cache(maxsize=64)
def _candidates(level: str, takes: Shape, last: bool) -> tuple[Operation, ...]:
    """What a step can be, as often as it is to be drawn: what is not the last has to give what a next step takes."""
    operations = LEVELS[level].operations
    taken = {operation.takes for operation in operations}
    return tuple(
        operation
        for operation in operations
        if operation.takes == takes and (last or operation.gives in taken)
        for _ in range(_weight(operation))
    )


def _weight(operation: Operation) -> int:
    return _WEIGHT * max(len(operation.constants), operation.gives != operation.takes) or 1


def _pipeline(level: str, rng: np.random.Generator) -> Pipeline | None:
    """A pipeline, or None where it should have a second argument and has no place for it."""
    row = LEVELS[level]
    takes = shape = _drawn(row.starts, rng)
    num_steps = _drawn(row.num_steps, rng)
    steps: list[Step | Branch] = []
    for index in range(num_steps):
        groups = {step.group for step in steps[-2:] if step.group}
        if row.max_cases and shape == "number" and not rng.integers(_ONE_IN):
            steps.append(_branch(int(rng.integers(1, row.max_cases + 1)), rng))
            continue
        candidates = _candidates(level, shape, index == num_steps - 1)
        operation = _drawn([each for each in candidates if each.group not in groups], rng)
        steps.append(_with_constants(operation, rng))
        shape = operation.gives
    has_k = row.has_k and bool(rng.integers(2))
    if has_k and not _give_k(steps, rng):
        return None
    return Pipeline(_ARGUMENTS[takes], takes, tuple(steps), has_k)


def _branch(num_cases: int, rng: np.random.Generator) -> Branch:
    cases = [
        (_with_constants(_drawn(CONDITIONS, rng), rng), _with_constants(_drawn(LINEAR, rng), rng))
        for _ in range(num_cases)
    ]
    return Branch(tuple(cases), _with_constants(_drawn((*LINEAR, KEEP), rng), rng))


def _with_constants(operation: Operation, rng: np.random.Generator) -> Step:
    return Step(operation, tuple(_drawn(constants, rng) for constants in operation.constants))


def _give_k(steps: list[Step | Branch], rng: np.random.Generator) -> bool:
    """Puts k in the place of one number; False if there is none."""
    places = [
        index
        for index, step in enumerate(steps)
        if isinstance(step, Step) and step.constants and isinstance(step.constants[0], int)
    ]
    if not places:
        return False
    place = _drawn(places, rng)
    step = steps[place]
    assert isinstance(step, Step)
    steps[place] = Step(step.operation, (K, *step.constants[1:]))
    return True


def _drawn(options: Sequence[T], rng: np.random.Generator) -> T:
    return options[int(rng.integers(len(options)))]
