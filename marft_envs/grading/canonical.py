"""One text for a mathematical answer, however it is written: what plays are put to a vote by.

`same_answer` in `marft_envs.grading.equality` compares two answers, and is no equivalence: `5` is the same as `5 cm`
and as `5 m`. Here every answer gets one text, so where the two differ a choice was made:

- Units are left out: most replies to one question differ by them alone.
- What is a number, but still to be worked out (`6 * 7`), has a text of its own: it is not right where 42 is wanted.
- An equation that names something (`x = 5`) is what it names; others are equal up to a factor and their sides.
- A fraction with a sum below its line is brought to one leading coefficient, and not cancelled further: so
  `(x^2 - 1)/(x - 1)` and `x + 1` stay apart, and so do `3/(1 + sqrt(2))` and `3 sqrt(2) - 3`.
"""

import json
from collections.abc import Sequence
from fractions import Fraction

from marft_envs.grading.algebra import Product, Sum, TooLargeError, Value
from marft_envs.grading.stating import stated_answer
from marft_envs.grading.structures import Answer, Expression, Group, Relation, Words, as_text, read_answer

_FLIPPED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤"}
_IN_ANY_ORDER = ("{}", "union")
_WORK = ", to be worked out"


def canonical_answer(reply: str) -> str | None:
    """The one text of the answer that a reply commits to; None if it states none. Never raises."""
    stated = stated_answer(reply)
    if stated is None:
        return None
    try:
        return _text(read_answer(stated))
    except TooLargeError:
        return as_text(stated)


def joint_text(answers: Sequence[str | None]) -> str | None:
    """One text for the answers of several agents, in the team's order; None if nobody has one.

    That of a single agent is its answer as it is; of more, a JSON list, so that no answer can look like two.
    """
    if all(answer is None for answer in answers):
        return None
    return answers[0] if len(answers) == 1 else json.dumps(answers, ensure_ascii=False)


def _text(answer: Answer) -> str:
    match answer:
        case Words():
            return answer.text
        case Expression():
            return _expression(answer)
        case Group():
            items = [_text(item) for item in answer.items]
            items = sorted(items) if answer.kind in _IN_ANY_ORDER else items
            return f"{answer.kind} {', '.join(items)}"
        case Relation():
            return _relation(answer)


def _expression(answer: Expression) -> str:
    number = answer.value.number
    if number is None:
        written = _value(answer.value)
        return written.casefold() if len(written) == 1 else written  # A, as (A) in words
    return str(number) if answer.is_number else f"{number}{_WORK}"


def _relation(answer: Relation) -> str:
    said = _said(answer)
    if said is not None:
        return _text(said)
    if answer.signs == ("=",) and (text := _equation(answer)):
        return text
    sides, signs = list(map(_text, answer.sides)), list(answer.signs)
    flipped = [_FLIPPED.get(sign, sign) for sign in reversed(signs)]
    return min(_chain(sides, signs), _chain(sides[::-1], flipped))


def _said(answer: Relation) -> Answer | None:
    """What an equation comes to that names something, or is a chain of equal numbers: 5 for x = 5 and 3 + 2 = 5."""
    if answer.signs == ("∈",):
        return answer.sides[1] if answer.has_name and isinstance(answer.sides[1], Group) else None
    if set(answer.signs) != {"="}:
        return None
    *before, last = answer.sides[answer.has_name :]
    end = _text(last).removesuffix(_WORK)
    agrees = all(_text(side).removesuffix(_WORK) == end for side in before)
    return last if agrees and (before or answer.has_name) else None


def _equation(answer: Relation) -> str | None:
    """An equation of two expressions as one that ends in 0, with one leading coefficient."""
    left, right = answer.sides
    if not isinstance(left, Expression) or not isinstance(right, Expression):
        return None
    above = left.value.plus(right.value.negative()).above
    if above.number is not None:
        return None
    return f"{_sum(_scaled(above, 1 / _leading(above)))} = 0"


def _chain(sides: Sequence[str], signs: Sequence[str]) -> str:
    return " ".join([sides[0], *(f"{sign} {side}" for sign, side in zip(signs, sides[1:], strict=True))])


def _value(value: Value) -> str:
    if value.below.number == 1:
        return _sum(value.above)
    factor = 1 / _leading(value.below)
    return f"({_sum(_scaled(value.above, factor))})/({_sum(_scaled(value.below, factor))})"


def _leading(terms: Sum) -> Fraction:
    """The coefficient of the first product that is there, in an order that all sums share."""
    return terms.terms[min(terms.terms)]


def _scaled(terms: Sum, factor: Fraction) -> Sum:
    return Sum({product: coefficient * factor for product, coefficient in terms.terms.items()})


def _sum(terms: Sum) -> str:
    written = [_term(product, coefficient) for product, coefficient in sorted(terms.terms.items())]
    return " + ".join(written) or "0"


def _term(product: Product, coefficient: Fraction) -> str:
    powers = [str(exponent) if exponent.denominator == 1 else f"({exponent})" for _, exponent in product]
    atoms = [name if power == "1" else f"{name}^{power}" for (name, _), power in zip(product, powers, strict=True)]
    return "*".join([str(coefficient)] * (coefficient != 1 or not atoms) + atoms)
