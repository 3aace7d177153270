"""Whether an output is the one that is expected.

Pure and total: no output raises, none is executed, and none takes more than a moment, whoever wrote it.
What is compared came through `marft_envs.sandbox.jail.plain`, so it has Python's own types. A type that is not among
them is never the same as anything.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from marft_envs.errors import OptionError
from marft_envs.grading.programs import Rules
from marft_envs.sandbox.jail.plain import MAX_DEPTH
from marft_envs.sandbox.runs import Plain

_ATOMS = (type(None), bool, str, bytes)
_NAN = ("nan",)
_ALMOST_ZERO = 1e-4
"""Of a polynomial's value, as HumanEval/32 has it."""


def same_output(got: Plain, expected: Plain, rules: Rules) -> bool:
    """Whether what a call returned is what it should return.

    Numbers in dicts' keys have no tolerance; those in sets do. Nests that are deeper than `MAX_DEPTH` are not the same.
    """
    return _same(got, expected, rules, 0)


def same_text(printed: str, expected: str, rules: Rules) -> bool:
    """Whether a program printed what it should.

    White space at the end of a line, and empty lines at the end, do not count. With a tolerance, the words of a line
    are compared one by one, as numbers where both are; then space between words does not count either.
    """
    ours, theirs = _lines(printed), _lines(expected)
    return len(ours) == len(theirs) and all(map(lambda one, other: _same_line(one, other, rules), ours, theirs))


def property_named(name: str) -> Callable[[tuple[Plain, ...], Plain], bool]:
    """One of `PROPERTIES`. Raises: OptionError for an unknown name."""
    if name not in PROPERTIES:
        raise OptionError(f"unknown property {name!r} of outputs; there are: {', '.join(sorted(PROPERTIES))}")
    return PROPERTIES[name]


def _same(got: Plain, expected: Plain, rules: Rules, depth: int) -> bool:  # noqa: PLR0911  # one way out for each kind
    if depth > MAX_DEPTH:
        return False
    inner = depth + 1
    if _is_number(got) and _is_number(expected):
        return _same_numbers(got, expected, rules.tolerance)
    if _is_sequence(got, rules) and _is_sequence(expected, rules):
        return _same_sequences(got, expected, rules, inner)
    if type(got) is not type(expected):
        return False
    match got, expected:
        case (list() | tuple(), list() | tuple()):
            return _same_sequences(got, expected, rules, inner)
        case (dict(), dict()):
            return _same_dicts(got, expected, rules, inner)
        case (set() | frozenset(), set() | frozenset()):
            return _same_sets(got, expected, rules, inner)
    return type(got) in _ATOMS and got == expected


def _is_number(value: Plain) -> bool:
    return type(value) in (int, float, complex)


def _is_sequence(value: Plain, rules: Rules) -> bool:
    return rules.tuples_are_lists and type(value) in (list, tuple)


def _same_numbers(got: object, expected: object, tolerance: float) -> bool:
    """A complex number is another kind than the others, although 3 == 3 + 0j in Python."""
    match got, expected:
        case (complex(), complex()):
            return _close(got.real, expected.real, tolerance) and _close(got.imag, expected.imag, tolerance)
        case (int() | float(), int() | float()):
            return _close(got, expected, tolerance)
    return False


def _close(got: float, expected: float, tolerance: float) -> bool:
    if got == expected or (got != got and expected != expected):  # noqa: PLR0124  # how nan is told, also from huge ints
        return True
    if tolerance <= 0 or (type(got) is int and type(expected) is int):
        return False
    try:
        ours, theirs = float(got), float(expected)
    except OverflowError:
        return False
    if not (math.isfinite(ours) and math.isfinite(theirs)):
        return False
    return abs(ours - theirs) <= tolerance * max(1.0, abs(theirs))


def _same_sequences(got: Plain, expected: Plain, rules: Rules, depth: int) -> bool:
    assert isinstance(got, list | tuple) and isinstance(expected, list | tuple)
    return len(got) == len(expected) and all(
        _same(one, other, rules, depth) for one, other in zip(got, expected, strict=True)
    )


def _same_dicts(got: dict[Plain, Plain], expected: dict[Plain, Plain], rules: Rules, depth: int) -> bool:
    if len(got) != len(expected):
        return False
    ours, theirs = _by_key(got, depth), _by_key(expected, depth)
    return ours.keys() == theirs.keys() and all(_same_sequences(ours[key], theirs[key], rules, depth) for key in theirs)


def _by_key(entries: dict[Plain, Plain], depth: int) -> dict[object, list[Plain]]:
    """Values by what their keys are, types included. There are several for nan, which is not equal to itself."""
    keyed: dict[object, list[Plain]] = {}
    for key, value in entries.items():
        keyed.setdefault(_identity(key, depth), []).append(value)
    return keyed


def _same_sets(
    got: set[Plain] | frozenset[Plain], expected: set[Plain] | frozenset[Plain], rules: Rules, depth: int
) -> bool:
    if len(got) != len(expected):
        return False
    ours, theirs = _counted(got, depth), _counted(expected, depth)
    if ours == theirs:
        return True
    return rules.tolerance > 0 and _matched(_left(got, theirs, depth), _left(expected, ours, depth), rules, depth)


def _counted(items: Iterable[Plain], depth: int) -> Counter[object]:
    return Counter(_identity(item, depth) for item in items)


def _left(items: Iterable[Plain], others: Counter[object], depth: int) -> list[Plain]:
    """The items that are not among the others as they are; reals first, by size, so that neighbours find each other."""
    left = [item for item in items if _identity(item, depth) not in others]
    reals = [item for item in left if type(item) in (int, float)]
    return sorted(reals, key=_real) + [item for item in left if type(item) not in (int, float)]


def _real(value: Plain) -> int | float:
    assert isinstance(value, int | float)
    return value if value == value else math.inf  # noqa: PLR0124  # nan has no place in an order


def _matched(got: list[Plain], expected: list[Plain], rules: Rules, depth: int) -> bool:
    """Whether each expected item finds one of its own, the first that is left.

    It takes as many comparisons as the square of what is *expected* has items: a program cannot make it slow.
    """
    if len(got) != len(expected):
        return False
    for item in expected:
        found = next((place for place, other in enumerate(got) if _same(other, item, rules, depth)), None)
        if found is None:
            return False
        del got[found]
    return True


def _identity(value: Plain, depth: int) -> object:  # noqa: PLR0911  # one way out for each kind
    """The same for two hashable values if and only if they are the same: True is not 1, and every nan is nan."""
    kind = type(value)
    if depth > MAX_DEPTH:
        return object()  # the same as nothing, itself included
    match value:
        case bool() | None | str() | bytes():
            return kind.__name__, value
        case int() | float():
            return _NAN if value != value else ("real", value)  # noqa: PLR0124  # how nan is told
        case complex():
            return "complex", _identity(value.real, depth), _identity(value.imag, depth)
        case tuple():
            return "tuple", tuple(_identity(item, depth + 1) for item in value)
        case frozenset():
            return "frozenset", frozenset(_counted(value, depth + 1).items())
    return object()


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]


def _same_line(printed: str, expected: str, rules: Rules) -> bool:
    if printed == expected:
        return True
    if rules.tolerance <= 0:
        return False
    ours, theirs = printed.split(), expected.split()
    return len(ours) == len(theirs) and all(
        one == other or _same_words(one, other, rules.tolerance) for one, other in zip(ours, theirs, strict=True)
    )


def _same_words(printed: str, expected: str, tolerance: float) -> bool:
    one, other = _number(printed), _number(expected)
    return one is not None and other is not None and _close(one, other, tolerance)


def _number(word: str) -> int | float | None:
    """A word as an int, if it is one, or a float; Python's own underscores and other scripts' digits are none."""
    if not word.isascii() or "_" in word:
        return None
    for read in (int, float):
        try:
            return read(word)
        except ValueError:  # for an int, also if it has so many digits that reading them would take long
            continue
    return None


def _is_zero_of_polynomial(arguments: tuple[Plain, ...], got: Plain) -> bool:
    """Whether a polynomial, given by its coefficients from x⁰ on, is almost zero at what was returned.

    Source: HumanEval/32, arXiv 2107.03374, whose tests measure it so.
    """
    if len(arguments) != 1 or type(arguments[0]) is not list or type(got) not in (int, float):
        return False
    try:
        x = float(got)  # type: ignore[arg-type]  # the line above leaves only int and float
        value = sum(float(factor) * math.pow(x, power) for power, factor in enumerate(arguments[0]))
    except (OverflowError, ValueError, TypeError):
        return False
    return math.isfinite(x) and abs(value) < _ALMOST_ZERO


PROPERTIES: Mapping[str, Callable[[tuple[Plain, ...], Plain], bool]] = MappingProxyType(
    {"find_zero": _is_zero_of_polynomial}
)
"""For tasks with many right answers: from the arguments and what was returned, whether it is one of them. Total: False
for whatever else plain data can be."""
