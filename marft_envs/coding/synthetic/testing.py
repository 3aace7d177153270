"""The tests of a function, and its key, from what it does."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from marft_envs.coding.synthetic.inputs import NUM_EDGES, PROBES, Arguments, pool
from marft_envs.coding.synthetic.neighbors import Change, nearby, simpler
from marft_envs.coding.synthetic.steps import Pipeline
from marft_envs.grading.programs import CallTest
from marft_envs.sandbox.runs import Plain

NUM_VISIBLE = 3
NUM_HIDDEN = 9
_MOST_TELLING = 2
"""So many of the visible tests are chosen for what they tell; the other one is for a result that they have not."""
_LEAST_DIFFERENT = 3
"""So many different results have the hidden tests of a function that does not return a bool."""
_LEAST_OF_EACH = 3
"""So many hidden tests expect True, and so many False."""


@dataclass(frozen=True, slots=True)
class Tests:
    """What an agent may see, and what decides."""

    visible: tuple[CallTest, ...]
    hidden: tuple[CallTest, ...]


class _Results:
    """What a function gives for each input, by its place; found out when it is asked for, since most are not.

    It also tells what a change would make of that, from what the function has before the step that is changed.
    """

    def __init__(self, pipeline: Pipeline, inputs: Sequence[Arguments]) -> None:
        self._inputs = inputs
        self._steps = [step.function() for step in pipeline.steps]
        self._on_the_way: dict[int, list[Plain]] = {}

    def __getitem__(self, place: int) -> Plain:
        return self._values(place)[-1]

    def differ(self, change: Change) -> Callable[[int], bool]:
        """Whether it gives something else for an input when it is so changed."""
        index = change.index
        behind = self._steps[index + 1 :]
        changed = None if change.instead is None else change.instead.function()

        def differs(place: int) -> bool:
            values, k = self._values(place), self._inputs[place][1]
            value = values[index] if changed is None else changed(values[index], k)
            if type(value) is type(values[index + 1]) and value == values[index + 1]:
                return False  # and so from here on
            for step in behind:
                value = step(value, k)
            return value != values[-1]

        return differs

    def _values(self, place: int) -> list[Plain]:
        """The input, and what each step makes of it."""
        values = self._on_the_way.get(place)
        if values is None:
            value, k = self._inputs[place]
            self._on_the_way[place] = values = [value]
            for step in self._steps:
                value = step(value, k)
                values.append(value)
        return values


def key(pipeline: Pipeline) -> str:
    """The same for functions that do the same, however they are made: a hash of their results for fixed inputs."""
    function = pipeline.function()
    results = ";".join(_written(function(*arguments)) for arguments in PROBES[pipeline.takes])
    return f"{pipeline.takes}{' k' if pipeline.has_k else ''} {blake2b(results.encode(), digest_size=12).hexdigest()}"


def tests(pipeline: Pipeline, rng: np.random.Generator) -> Tests | None:
    """Tests that tell a function from a simpler one, from those near it, from the identity and from constants.

    None if no inputs do: such a function is no task.
    """
    inputs = pool(pipeline, rng)
    results = _Results(pipeline, inputs)
    fewer = list(simpler(pipeline))
    hidden = _telling(fewer, list(range(NUM_EDGES)), range(len(inputs)), results)
    if hidden is None or len(hidden) > NUM_HIDDEN:
        return None
    for other in nearby(pipeline):
        if len(hidden) < NUM_HIDDEN:
            hidden = _telling([other], hidden, range(len(inputs)), results) or hidden
    rest = [index for index in range(NUM_EDGES, len(inputs)) if index not in hidden]
    hidden += _filling(hidden, rest, results, NUM_HIDDEN, _LEAST_OF_EACH)
    rest = [index for index in rest if index not in hidden]
    visible = (_telling(fewer, [], rest, results) or [])[:_MOST_TELLING]
    rest = [index for index in rest if index not in visible]
    visible += _filling(visible, rest, results, NUM_VISIBLE, 1)
    if not (_tells(hidden, inputs, results, _LEAST_DIFFERENT) and _tells(visible, inputs, results, 2)):
        return None
    return Tests(
        visible=tuple(_test(pipeline, inputs[index], results[index]) for index in visible),
        hidden=tuple(_test(pipeline, inputs[index], results[index]) for index in hidden),
    )


def _telling(changes: Iterable[Change], chosen: list[int], order: Iterable[int], results: _Results) -> list[int] | None:
    """What is chosen, and inputs for which changed functions give something else; None if one gives the same."""
    chosen = [*chosen]
    for change in changes:
        tells = results.differ(change)
        index = next((index for index in (*chosen, *order) if tells(index)), None)
        if index is None:
            return None
        if index not in chosen:
            chosen.append(index)
    return chosen


def _filling(chosen: list[int], rest: list[int], results: _Results, size: int, least_of_each: int) -> list[int]:
    """More inputs up to a size: first those whose results are rare among the chosen ones, then any."""
    more: list[int] = []
    for index in rest:
        if len(chosen) + len(more) >= size:
            break
        seen = sum(results[other] == results[index] for other in (*chosen, *more))
        if seen < least_of_each:
            more.append(index)
    missing = size - len(chosen) - len(more)
    return [*more, *[index for index in rest if index not in more][:missing]]


def _tells(chosen: list[int], inputs: list[Arguments], results: _Results, least_different: int) -> bool:
    """Whether no constant passes, nor the identity; for bools, both occur."""
    given = {_written(results[index]) for index in chosen}
    if isinstance(results[0], bool):
        return len(given) == 2  # noqa: PLR2004
    return len(given) >= least_different and any(inputs[index][0] != results[index] for index in chosen)


def _test(pipeline: Pipeline, arguments: Arguments, result: Plain) -> CallTest:
    return CallTest(arguments if pipeline.has_k else arguments[:1], result)


def _written(value: Plain) -> str:
    """Equal for equal values: a dict has no order."""
    return repr(sorted(value.items())) if isinstance(value, dict) else repr(value)
