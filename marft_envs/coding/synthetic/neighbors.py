"""Functions that are almost a given one: what tests have to tell apart."""

from collections.abc import Iterator
from dataclasses import replace

from marft_envs.coding.synthetic.steps import Branch, Pipeline, Step


def simpler(pipeline: Pipeline) -> Iterator[Pipeline]:
    """The function with a step left out, or with fewer cases of a branch. A good function is none of them."""
    steps = pipeline.steps
    for index, step in enumerate(steps):
        before, after = steps[:index], steps[index + 1 :]
        if isinstance(step, Branch):
            yield from (replace(pipeline, steps=(*before, less, *after)) for less in _fewer_cases(step))
        elif step.operation.takes == step.operation.gives and len(steps) > 1:
            yield replace(pipeline, steps=(*before, *after))


def _fewer_cases(branch: Branch) -> Iterator[Step | Branch]:
    cases = branch.cases
    if len(cases) == 1:
        yield from (cases[0][1], branch.otherwise)
        return
    yield from (replace(branch, cases=(*cases[:index], *cases[index + 1 :])) for index in range(len(cases)))
    yield replace(branch, cases=cases[:-1], otherwise=cases[-1][1])


def nearby(pipeline: Pipeline) -> Iterator[Pipeline]:
    """The function with one number one off."""
    steps = pipeline.steps
    for index, step in enumerate(steps):
        for changed in _changed(step):
            yield replace(pipeline, steps=(*steps[:index], changed, *steps[index + 1 :]))


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
