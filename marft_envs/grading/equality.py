"""Whether two mathematical answers are the same. Pure, bounded, and nothing is ever evaluated as code.

- Expressions by their exact values; units (words, %, °) must be alike where both have one, and 50 % is not 0.5.
- Tuples, intervals and matrices part by part, brackets included; sets, and lists without brackets, in any order.
- Relations by what they say: 2x + 2y = 4 is x + y = 2, and x < 3 is 3 > x. Where 5 is wanted, `x = 5` is 5, and so is
  a true chain, with or without a name before it: `n = 3 + 2 = 5`. `2x = 10` is not.
- Words without regard to case.

Two answers where one is wanted ("42 or 43") are never the same as the one.

Equal is not yet right: 40 + 2 equals 42, and whoever was asked for the sum has not answered. `is_right` says what
earns a reward.
"""

from collections.abc import Iterator

from marft_envs.grading.algebra import Sum, TooLargeError, Value
from marft_envs.grading.stating import stated_answer
from marft_envs.grading.structures import Answer, Expression, Group, Relation, Words, as_text, read_answer
from marft_envs.grading.units import same_unit

_FLIPPED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤", "=": "=", "≠": "≠"}


def is_right(reply: str, wanted: str) -> bool:
    """Whether a reply commits to the wanted answer, worked out; never raises.

    Where numbers are wanted, written as such (42, 3/4, 2.5), numbers have to be given: `6 * 7` repeats the question. Of
    a chain `40 + 2 = 42` the end is the answer, and where `x = 42` is wanted, `2x = 84` is not solved. What is no
    number has no such form: (x + 1)² passes for x² + 2x + 1.
    """
    given = stated_answer(reply)
    return given is not None and same_answer(given, wanted) and _is_worked_out(read_answer(given), read_answer(wanted))


def has_form(reply: str, wanted: str) -> bool:
    """Whether a reply states an answer that can be compared: mathematics throughout, unless words are wanted."""
    given = stated_answer(reply)
    if given is None:
        return False
    return _has_words(read_answer(wanted)) or not _has_words(read_answer(given)) or is_right(reply, wanted)


def _has_words(answer: Answer) -> bool:
    match answer:
        case Group():
            return any(map(_has_words, answer.items))
        case Relation():
            return any(map(_has_words, answer.sides[answer.has_name :]))
    return isinstance(answer, Words)


def _is_worked_out(given: Answer, wanted: Answer) -> bool:
    """Whether whatever is a number is written as one, if it is in the wanted answer, and is solved for."""
    parts = list(_answered(wanted))
    if any(part.value.number is not None and not part.is_number for part in parts):
        return True  # this form is wanted: 2^{10}
    only_numbers = bool(parts) and all(part.is_number for part in parts)
    if only_numbers and _is_unsolved(given) and not _is_unsolved(wanted):
        return False
    return all(part.is_number for part in _answered(given) if only_numbers or part.value.number is not None)


def _is_unsolved(answer: Answer) -> bool:
    """Whether there is an equation that names nothing and is no sum of numbers: 2x = 84."""
    match answer:
        case Group():
            return any(map(_is_unsolved, answer.items))
        case Relation() if "=" in answer.signs and not answer.has_name:
            return any(not isinstance(side, Expression) or side.value.number is None for side in answer.sides)
    return False


def _answered(answer: Answer) -> Iterator[Expression]:
    """The expressions that an answer consists of; of an equation, what it ends in."""
    match answer:
        case Expression():
            yield answer
        case Group():
            for item in answer.items:
                yield from _answered(item)
        case Relation():
            for side in answer.sides[-1:] if set(answer.signs) <= {"=", "∈"} else answer.sides:
                yield from _answered(side)


def same_answer(given: str, wanted: str) -> bool:
    """Whether an answer is the one that is wanted; never raises."""
    if given == wanted:
        return True
    one, other = read_answer(given), read_answer(wanted)
    try:
        if _same(one, other):
            return True
    except TooLargeError:
        return as_text(given) == as_text(wanted)
    return isinstance(one, Words) != isinstance(other, Words) and as_text(given) == as_text(wanted)


def _same(given: Answer, wanted: Answer) -> bool:  # noqa: PLR0911  # one way out for each pair of kinds
    match given, wanted:
        case (Expression(), Expression()):
            return same_unit(given.unit, wanted.unit) and given.value.equals(wanted.value)
        case (Words(), Words()):
            return given.text == wanted.text
        case (Group(), Group()):
            return _same_groups(given, wanted)
        case (Relation(), Relation()):
            return _same_relations(given, wanted)
        case (Relation(), _):
            return _says(given, wanted)
        case (_, Relation()):
            return _says(wanted, given)
    return False


def _same_groups(given: Group, wanted: Group) -> bool:
    if given.kind != wanted.kind or len(given.items) != len(wanted.items):
        return False
    if given.kind in ("{}", "union"):
        left = list(wanted.items)
        for item in given.items:
            found = next((place for place, other in enumerate(left) if _same(item, other)), None)
            if found is None:
                return False
            del left[found]
        return True
    return all(_same(one, other) for one, other in zip(given.items, wanted.items, strict=True))


def _same_relations(given: Relation, wanted: Relation) -> bool:
    if given.signs == wanted.signs and all(map(_same, given.sides, wanted.sides)):
        return True
    flipped = tuple(_FLIPPED.get(sign, sign) for sign in reversed(wanted.signs))
    if given.signs == flipped and all(map(_same, given.sides, wanted.sides[::-1])):
        return True
    if given.signs == wanted.signs == ("=",):
        return _proportional(_difference(given), _difference(wanted))
    return False


def _difference(relation: Relation) -> Value | None:
    left, right = relation.sides
    if isinstance(left, Expression) and isinstance(right, Expression):
        return left.value.plus(right.value.negative())
    return None


def _proportional(one: Value | None, other: Value | None) -> bool:
    if one is None or other is None:
        return False
    left, right = one.above.times(other.below), other.above.times(one.below)
    if left.number is not None or left.terms.keys() != right.terms.keys():
        return False  # 1 = 2 and 1 = 3 say nothing about each other
    product = next(iter(left.terms))
    factor = left.terms[product] / right.terms[product]
    return left.terms == Sum({key: value * factor for key, value in right.terms.items()}).terms


def _says(given: Relation, wanted: Answer) -> bool:
    """`x = 5`, `3 + 2 = 5`, `n = 3 + 2 = 5` and `x ∈ [0, 1]` where `5` and `[0, 1]` are wanted."""
    if given.signs == ("∈",):
        return given.has_name and isinstance(given.sides[1], Group) and _same(given.sides[1], wanted)
    if set(given.signs) != {"="}:
        return False
    *before, last = given.sides[given.has_name :]
    return all(_same(side, last) for side in before) and _same(last, wanted)
