"""Inputs for a function: those it is tested with, and those that tell it from other functions."""

from collections.abc import Iterator

import numpy as np

from marft_envs.coding.synthetic.steps import Branch, Constant, Pipeline, Shape, Step
from marft_envs.sandbox.runs import Plain

Arguments = tuple[Plain, int]
"""The argument, and k, which counts only for functions that have it."""

SECONDS = range(1, 10)
"""What k may be."""
NUM_EDGES = 3
"""So many inputs of a pool come first and are edges: 0, a negative number, nothing, one."""
_VOCABULARY = (
    "apple banana level sky Python code rhythm jumping Fox quiz zebra noon winter vivid kayak area Lazy "
    "dog box queue Hello world maze sphinx judge vow"
)
_WORDS = tuple(_VOCABULARY.split())
_FOREIGN_FROM = 4
"""Functions with so many steps are also given texts beyond ASCII."""
_FOREIGN = ("naïve café", "Ünïcode", "日本 語", "Åre")
_PANGRAMS = (
    "the quick brown fox jumps over the lazy dog",
    "Sphinx of black quartz judge my vow",
    "PACK my BOX with five dozen liquor jugs",
    "qzjxkvbpygfwmucldrhsnioate",
)
_SHORT_TEXTS = ("", "a", "Zz", "noon", "level", "abcde fg", "xyzzy 77", "a b c d", "-ok-go!_", "queue end pre")


def pool(pipeline: Pipeline, rng: np.random.Generator) -> list[Arguments]:
    """Different inputs in random order, edges first; among them those that its constants make special."""
    constants = tuple(_constants(pipeline.steps))
    if pipeline.takes == "number":
        values: list[Plain] = list(_numbers(constants, rng))
    elif pipeline.takes == "text":
        values = list(_texts(constants, rng, foreign=len(pipeline.steps) >= _FOREIGN_FROM))
    else:
        values = list(_lists(constants, rng))
    different = list({repr(value): value for value in values}.values())
    order = rng.permutation(len(different) - NUM_EDGES) + NUM_EDGES
    values = [*different[:NUM_EDGES], *(different[index] for index in order.tolist())]
    seconds = rng.integers(SECONDS.start, SECONDS.stop, size=len(values)).tolist()
    return list(zip(values, seconds, strict=True))


def _constants(steps: tuple[Step | Branch, ...]) -> Iterator[Constant]:
    for step in steps:
        if isinstance(step, Step):
            yield from step.constants
        else:
            for condition, case in step.cases:
                yield from (*condition.constants, *case.constants)
            yield from step.otherwise.constants


def _numbers(constants: tuple[Constant, ...], rng: np.random.Generator) -> Iterator[int]:
    yield from (0, -1 - int(rng.integers(9)), 1)
    for constant in constants:
        if isinstance(constant, int):
            yield from (constant - 1, constant, constant + 1, -constant)
    yield from range(-10, 31)
    yield from rng.integers(-150, 151, size=30).tolist()


def _texts(constants: tuple[Constant, ...], rng: np.random.Generator, *, foreign: bool) -> Iterator[str]:
    yield ""
    yield from ("a", "Go")
    numbers = iter(rng.integers(2**16, size=200).tolist())
    pieces = [constant for constant in constants if isinstance(constant, str)]
    for index in range(36):
        words = [_WORDS[next(numbers) % len(_WORDS)] for _ in range(1 + index % 4)]
        if index % 3 == 0 and pieces:
            piece = pieces[next(numbers) % len(pieces)]
            where = next(numbers) % (len(words[0]) + 1)
            words[0] = words[0][:where] + piece * (1 + index % 2) + words[0][where:]
        yield " ".join(words)
    for piece in pieces:
        yield from (piece, piece + piece.upper() + piece, f"{piece}a{piece}", f"{piece} bc")
    for _ in range(6):
        half = _WORDS[next(numbers) % len(_WORDS)]
        yield from (half + half[::-1], half[:3] + half[:2][::-1])
    if foreign:
        yield from _FOREIGN


def _lists(constants: tuple[Constant, ...], rng: np.random.Generator) -> Iterator[list[int]]:
    yield []
    yield [int(rng.integers(1, 10))]
    yield [-int(rng.integers(1, 10)), 0]
    special = [constant for constant in constants if isinstance(constant, int)] or [0]
    numbers = iter(rng.integers(2**16, size=600).tolist())
    for index in range(44):
        spread = (6, 12, 20, 40)[index % 4]  # narrow ones have duplicates
        values = [next(numbers) % (2 * spread + 1) - spread // 2 for _ in range(2 + next(numbers) % 8)]
        if index % 3 == 0:
            values[next(numbers) % len(values)] = special[next(numbers) % len(special)] + next(numbers) % 3 - 1
        if index % 11 == 0:
            values.sort()
        yield values


def _probe_lists() -> tuple[list[int], ...]:
    rng = np.random.Generator(np.random.PCG64(0))
    return ([], [3], *(rng.integers(-15, 26, size=2 + index % 9).tolist() for index in range(40)))


_PROBES: dict[Shape, tuple[Plain, ...]] = {
    "number": (*range(-20, 21), *range(-250, 251, 13)),
    "text": (*_SHORT_TEXTS, *_PANGRAMS, *_WORDS),
    "list": _probe_lists(),
}
PROBES: dict[Shape, tuple[Arguments, ...]] = {
    shape: tuple((value, SECONDS[index % len(SECONDS)]) for index, value in enumerate(values))
    for shape, values in _PROBES.items()
}
"""Functions that give the same for all of these are one function: they have one key."""
