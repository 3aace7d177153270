"""Functions that are almost a given one: what tests have to tell apart."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from marft_envs.coding.synthetic.numbers import KEEP
from marft_envs.coding.synthetic.steps import Branch, K, Pipeline, Step

_FIXED_K = 5


@dataclass(frozen=True, slots=True)
class Change:
    """What makes a function another one: what is done in the place of one step."""

    index: int
    """Of the step."""
    instead: Step | Branch | None
    """None: nothing."""


def simpler(pipeline: Pipeline) -> Iterator[Change]:
    """The function with a step left out, with less of a branch, or with k fixed. A good function is none of them."""
    for index, step in enumerate(pipeline.steps):
        for less in _less(step):
            yield Change(index, less)


def _less(step: Step | Branch) -> Iterator[Step | Branch | None]:
    if isinstance(step, Branch):
        yield from _less_of_branch(step)
        return
    if K in step.constants:
        yield replace(step, constants=tuple(_FIXED_K if each is K else each for each in step.constants))
    if step.operation.takes == step.operation.gives:
        yield None


def _less_of_branch(branch: Branch) -> Iterator[Step | Branch]:
    """With a case less, or with one where nothing is done."""
    cases, keep = branch.cases, Step(KEEP)
    if len(cases) == 1:
        yield from (cases[0][1], branch.otherwise)
    else:
        yield from (replace(branch, cases=(*cases[:index], *cases[index + 1 :])) for index in range(len(cases)))
        yield replace(branch, cases=cases[:-1], otherwise=cases[-1][1])
    for index, (condition, _) in enumerate(cases):
        yield replace(branch, cases=(*cases[:index], (condition, keep), *cases[index + 1 :]))
    if branch.otherwise != keep:
        yield replace(branch, otherwise=keep)


def nearby(pipeline: Pipeline) -> Iterator[Change]:
    """The function with one number one off."""
    for index, step in enumerate(pipeline.steps):
        for changed in _changed(step):
            yield Change(index, changed)


def _changed(step: Step | Branch) -> Iterator[Step | Branch]:
    if isinstance(step, Step):
        yield from _off_by_one(step)
        return
    for index, (condition, case) in enumerate(step.cases):
        before, after = step.cases[:index], step.cases[index + 1 :]
        for changed in _off_by_one(condition):
            yield replace(step, cases=(*before, (changed, case), *after))
        for changed in _off_by_one(case):
            yield replace(step, cases=(*before, (condition, changed), *after))
    for changed in _off_by_one(step.otherwise):
        yield replace(step, otherwise=changed)


def _off_by_one(step: Step) -> Iterator[Step]:
    for index, constant in enumerate(step.constants):
        if isinstance(constant, int):
            for other in (constant - 1, constant + 1):
                if other > 0:  # none is divided by nothing
                    yield Step(step.operation, (*step.constants[:index], other, *step.constants[index + 1 :]))
