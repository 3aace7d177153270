"""Arithmetic problems made from a random generator: no end, no download, from trivial to multi-step.

A problem is a small expression tree; its text, its answer and its key are three readings of that tree. The
answer comes from the numbers, never from text. The key is the same for two problems that differ only in the
order of what commutes (3 + 5 and 5 + 3, 2 * (1 + 4) and (4 + 1) * 2), so that no problem is in the training
split one way round and in the test split the other. Keys do not contain the level: a problem that two
levels can draw has one split.

Every value on the way to an answer is an integer: there is no division.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import comb
from types import MappingProxyType

import numpy as np

from marft_envs.seeding import MIN_SPLIT_INSTANCES

# Chosen by measuring which wording gives an untrained SmolLM2-135M-Instruct a first signal. With this one the untrained
# duo answers 5 of 64 held-out problems of add_digit_long right (greedy, one round, at most 16 and 8 new tokens).
QUESTION = "What is {problem}? Be brief."
"""How environments ask for a problem."""


@dataclass(frozen=True, slots=True)
class Term:
    """One signed summand: a product of factors, each a number from 0 up or a sum in parentheses."""

    sign: int
    """+1 or -1; the first term of a sum is written without its sign and has +1."""
    factors: tuple["int | Sum", ...]


Sum = tuple[Term, ...]
"""An expression as it is written, left to right."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: its text (``47 + 8``), its answer, and its canonical key."""

    text: str
    answer: int
    key: str


@dataclass(frozen=True, slots=True)
class Level:
    """One row of the table of levels."""

    summary: str
    expression: Callable[[np.random.Generator], Sum]
    """Draws an expression."""
    num_instances: int
    """How many keys it can draw."""
    answers: range
    """From the least answer that there can be to the greatest."""


def draw(level: str, rng: np.random.Generator) -> Problem:
    """Draws one problem of a level.

    Raises: KeyError for a name that is not in ``LEVELS``.
    """
    expression = LEVELS[level].expression(rng)
    return Problem(text=_text(expression), answer=_value(expression), key=_key(expression))


def num_instances(level: str) -> int:
    """How many different problems a level has, counted by key: 3 + 5 and 5 + 3 are one."""
    return LEVELS[level].num_instances


# Three readings of an expression.


def _value(expression: Sum) -> int:
    total = 0
    for term in expression:
        product = term.sign
        for factor in term.factors:
            product *= factor if isinstance(factor, int) else _value(factor)
        total += product
    return total


def _text(expression: Sum) -> str:
    words: list[str] = []
    for term in expression:
        if words:
            words.append("+" if term.sign > 0 else "-")
        factors = (str(factor) if isinstance(factor, int) else f"({_text(factor)})" for factor in term.factors)
        words.append(" * ".join(factors))
    return " ".join(words)


def _key(expression: Sum) -> str:
    """The expression with everything that commutes sorted: signed terms, and the factors in each."""
    terms: list[str] = []
    for term in expression:
        factors = (str(factor) if isinstance(factor, int) else f"({_key(factor)})" for factor in term.factors)
        terms.append(("+" if term.sign > 0 else "-") + "*".join(sorted(factors)))
    return "".join(sorted(terms))


# How expressions are drawn. Ranges are Python's: range(10, 100) is 10 to 99.


def _sum_of(*ranges: range) -> Callable[[np.random.Generator], Sum]:
    """Draws a + b + …, each term from its own range."""

    def expression(rng: np.random.Generator) -> Sum:
        return tuple(Term(+1, (_number(numbers, rng),)) for numbers in ranges)

    return expression


def _signed_sum_of(num_terms: int, numbers: range) -> Callable[[np.random.Generator], Sum]:
    """Draws a ± b ± …, all terms from one range, every sign but the first a fair coin."""

    def expression(rng: np.random.Generator) -> Sum:
        signs = [+1, *(_sign(rng) for _ in range(num_terms - 1))]
        return tuple(Term(sign, (_number(numbers, rng),)) for sign in signs)

    return expression


def _product_and_number(inner: range, factor: range, outer: range) -> Callable[[np.random.Generator], Sum]:
    """Draws (a ± b) * c ± d, the two factors and the two terms in either order."""

    def expression(rng: np.random.Generator) -> Sum:
        parentheses = Term(+1, (_number(inner, rng),)), Term(_sign(rng), (_number(inner, rng),))
        product: tuple[int | Sum, ...] = (parentheses, _number(factor, rng))
        terms = [product if _coin(rng) else product[::-1], (_number(outer, rng),)]
        first, second = terms if _coin(rng) else terms[::-1]
        return Term(+1, first), Term(_sign(rng), second)

    return expression


def _number(numbers: range, rng: np.random.Generator) -> int:
    return numbers[int(rng.integers(len(numbers)))]


def _sign(rng: np.random.Generator) -> int:
    return +1 if _coin(rng) else -1


def _coin(rng: np.random.Generator) -> bool:
    return bool(rng.integers(2))


# How keys are counted. A sum's key is a multiset of its signed terms.


def _multisets(num_values: int, size: int) -> int:
    return comb(num_values + size - 1, size)


def _signed_sums(num_values: int, num_terms: int) -> int:
    """Multisets of signed terms, less those without a positive one: something has to come first."""
    return _multisets(2 * num_values, num_terms) - _multisets(num_values, num_terms)


LEVELS: Mapping[str, Level] = MappingProxyType(
    {
        "one_digit": Level(
            "0-9 + 0-9: the smoke level",
            _sum_of(range(10), range(10)),
            num_instances=_multisets(10, 2),
            answers=range(19),
        ),
        "add_digit": Level(
            "10-99 + 1-9",
            _sum_of(range(10, 100), range(1, 10)),
            num_instances=90 * 9,
            answers=range(11, 109),
        ),
        "add_digit_long": Level(
            "100-999 + 1-9",
            _sum_of(range(100, 1000), range(1, 10)),
            num_instances=900 * 9,
            answers=range(101, 1009),
        ),
        "two_digit": Level(
            "10-99 + 10-99",
            _sum_of(range(10, 100), range(10, 100)),
            num_instances=_multisets(90, 2),
            answers=range(20, 199),
        ),
        "signed": Level(
            "a ± b with 10-99",
            _signed_sum_of(2, range(10, 100)),
            num_instances=_signed_sums(90, 2),
            answers=range(10 - 99, 199),
        ),
        "three_terms": Level(
            "a ± b ± c with 10-99",
            _signed_sum_of(3, range(10, 100)),
            num_instances=_signed_sums(90, 3),
            answers=range(10 - 2 * 99, 298),
        ),
        "expression": Level(
            "(a ± b) * c ± d, in any order, with a and b 1-20, c 2-9, d 10-99",
            _product_and_number(inner=range(1, 21), factor=range(2, 10), outer=range(10, 100)),
            # Sums in parentheses, factors, numbers, and which of the two terms is subtracted, if any.
            num_instances=_signed_sums(20, 2) * 8 * 90 * 3,
            answers=range(10 - 40 * 9, 40 * 9 + 99 + 1),
        ),
    }
)
"""The levels, from easy to hard."""

SPLIT_LEVELS = tuple(name for name, level in LEVELS.items() if level.num_instances >= MIN_SPLIT_INSTANCES)
"""The levels that offer a test split."""
