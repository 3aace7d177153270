r"""What a mathematical answer is: an expression with a unit, a tuple, interval, set, matrix or relation, or words.

`read_answer` reads it, in LaTeX or plain text. It is pure and bounded, evaluates nothing, and never raises: what is no
mathematics that is understood is the text that it is. `marft_envs.grading.equality` compares two answers.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import gcd

from marft_envs.grading.algebra import TooLargeError, Value, integer
from marft_envs.grading.expressions import GREEK, UnreadableError, read_expression
from marft_envs.grading.notation import WORDS, cleaned, depths, plain, split, without_thousands
from marft_envs.grading.units import changes_or_doubts, measured

MAX_CHARS = 2_000
"""Of an answer; longer ones are read as text."""
MAX_ITEMS = 60
"""Of a tuple, set or matrix."""

_SEPARATOR = re.compile(r"(?:^|(?<=[ ,}$)\]])) ?(?:,? ?\b(?:and|or)\b)(?=[ ,\\({$\[-])", re.IGNORECASE)
_DIGITS = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_BRACES = r"\s*\{\s*[-+]?\s*([0-9]+)\s*\}"
_RATIO = re.compile(rf"\\frac\s*(?:([0-9])\s*([0-9])|{_BRACES}{_BRACES})|([0-9]+)\s*/\s*([0-9]+)")
_DECIMAL = re.compile(
    rf"{_DIGITS}(?:\s*(?:\\times|\\cdot|[×·*])\s*10\s*\^\s*(?:[0-9]|\{{\s*-?[0-9]+\s*\}}))?"
    r"|[0-9]*\.[0-9]*\\overline\s*\{[0-9]+\}"
)
_WHOLE = re.compile(r"-?[0-9]{1,12}")
_RELATION = re.compile(r"\\(?:leq|le|geq|ge|neq|ne|in|lt|gt|approx)(?![A-Za-z])|<=|>=|[=<>≤≥≠∈]")
_NAMES = {
    "\\leq": "≤", "\\le": "≤", "<=": "≤", "\\geq": "≥", "\\ge": "≥", ">=": "≥", "\\neq": "≠", "\\ne": "≠",
    "\\in": "∈", "\\lt": "<", "\\gt": ">", "\\approx": "≈",
}  # fmt: skip
_MATRIX = re.compile(r"\\begin\{([pbvBV]?matrix|array)\}(?:\{[lcr| ]*\})?(.*)\\end\{\1\}", re.DOTALL)
_VARIABLE = rf"(?:[A-Za-z]|\\(?:{'|'.join(sorted(GREEK))})(?![A-Za-z]))(?:_(?:[A-Za-z0-9]|\{{[A-Za-z0-9 ,]+\}}))?'*"
_APPLIED = rf"[fghpqFGHP](?:_[0-9])?'* ?\([A-Za-z0-9, ]+\)|\\(?:sin|cos|tan|cot|sec|csc) ?{_VARIABLE}"
_LETTERS = r"[A-Z]{2,4}|m? ?\\angle ?[A-Z]{1,3}"
_NAME = re.compile(rf"{_VARIABLE}|{_APPLIED}|{_LETTERS}|(?P<word>[A-Z][a-z]{{2,}}|[a-z]{{5,}})")
"""What an equation may give the value of: x, a_1, f(2), sin A, AB, ∠ABC, Total; abc is a product."""


@dataclass(frozen=True)
class Expression:
    """An exact value, perhaps with a unit."""

    value: Value
    unit: str = ""
    is_number: bool = field(default=False, compare=False)
    """Whether it is written as a number: no sum, product, power or root is left to be worked out."""


@dataclass(frozen=True)
class Group:
    """Several answers: `kind` is the pair of brackets, `{}` for sets and lists, `union`, or `matrix`."""

    kind: str
    items: tuple["Answer", ...]


@dataclass(frozen=True)
class Relation:
    """Answers with =, <, … between them."""

    signs: tuple[str, ...]
    sides: tuple["Answer", ...]
    has_name: bool = field(default=False, compare=False)
    """Whether its left side only names what the others are: x = 5, Total = 5, but not 2x = 5."""


@dataclass(frozen=True)
class Words:
    """Text, without regard to case and spacing."""

    text: str


Answer = Expression | Group | Relation | Words


def read_answer(text: str) -> Answer:
    """An answer, whatever it is; never raises."""
    return Words(text) if len(text) > MAX_CHARS else _read_short(text)


@lru_cache(maxsize=128)
def _read_short(text: str) -> Answer:
    """The same again and again: what is wanted, and what several agents answer."""
    if _WHOLE.fullmatch(text):  # as nearly all are; what follows would come to the same
        return Expression(integer(int(text)), "", is_number=True)
    bare = cleaned(text)
    try:
        return _read(bare, depth=0)
    except (UnreadableError, TooLargeError):
        return Words(plain(bare))


def as_text(text: str) -> str:
    """An answer as text is compared; what is too long for an answer stays as it is."""
    return text if len(text) > MAX_CHARS else _short_as_text(text)


@lru_cache(maxsize=128)
def _short_as_text(text: str) -> str:
    return plain(cleaned(text))


def _read(text: str, depth: int) -> Answer:
    text = text.strip()
    if depth > 4 or not text:  # noqa: PLR2004  # sets of tuples of intervals are deep enough
        raise UnreadableError("no answer, or too deep a nest")
    for read in (_read_matrix, _read_list, _read_union, _read_relation, _read_brackets, _read_plus_minus):
        answer = read(text, depth)
        if answer is not None:
            return answer
    return _read_expression(text)


def _read_all(texts: Sequence[str], depth: int) -> tuple[Answer, ...]:
    return tuple(_read(text, depth + 1) for text in _bounded(texts))


def _bounded(parts: Sequence[str]) -> Sequence[str]:
    if not 1 <= len(parts) <= MAX_ITEMS:
        raise UnreadableError("too many parts, or none")
    return parts


def _read_matrix(text: str, depth: int) -> Answer | None:
    match = _MATRIX.fullmatch(text)
    if match is None:
        return None
    rows = re.split(r"\\\\(?:\[[^\]]{,20}\])?", match[2].strip().removesuffix("\\\\"))
    return Group("matrix", tuple(Group("()", _read_all(row.split("&"), depth)) for row in _bounded(rows)))


def _read_list(text: str, depth: int) -> Answer | None:
    """Answers with commas, `and` or `or` between them, in any order."""
    unwrapped = WORDS.fullmatch(text)
    if unwrapped and "," in unwrapped[1]:  # a list of words
        return Group("{}", tuple(Words(plain(part)) for part in _bounded(unwrapped[1].split(","))))
    words = WORDS.sub(lambda match: f" {match[1].strip()} " if _is_separator(match[1]) else match[0], text)
    parts = list(split(_SEPARATOR.sub(",", without_thousands(words)), ","))
    if len(parts) == 1:
        return None
    return Group("{}", _read_all([part for part in parts if part.strip()], depth))


def _is_separator(words: str) -> bool:
    return words.strip().strip(",").strip().casefold() in ("and", "or")


def _read_union(text: str, depth: int) -> Answer | None:
    parts = list(split(text.replace("\N{UNION}", "\\cup "), "\\cup"))
    return None if len(parts) == 1 else Group("union", _read_all(parts, depth))


def _read_relation(text: str, depth: int) -> Answer | None:
    within = depths(text)
    places = [match for match in _RELATION.finditer(text) if within[match.start()] == 0]
    if not places:
        return None
    signs = tuple(_NAMES.get(match[0], match[0]) for match in places)
    cuts = [0, *(place for match in places for place in match.span()), len(text)]
    sides = [text[cuts[k] : cuts[k + 1]] for k in range(0, len(cuts), 2)]
    return Relation(signs, _read_all(sides, depth), _is_name(sides[0].strip()))


def _is_name(text: str) -> bool:
    words = WORDS.fullmatch(text)
    if words:
        return words[1].strip().isalpha() and not changes_or_doubts(words[1].strip())
    match = _NAME.fullmatch(text)
    return match is not None and not changes_or_doubts(match["word"] or "")


def _read_brackets(text: str, depth: int) -> Answer | None:
    r"""A tuple, an interval, or a set: `(1, 2)`, `[0, 1)`, `\{1, 2\}`; brackets around one thing are none."""
    if text.startswith("\\{") and text.endswith("\\}"):
        return Group("{}", _read_all([part for part in split(text[2:-2], ",") if part.strip()], depth))
    within = depths(text)
    if text[0] not in "([" or text[-1] not in ")]" or within[-2] != 1 or not all(within[1:-2]):
        return None
    parts = list(split(text[1:-1], ","))
    return None if len(parts) == 1 else Group(text[0] + text[-1], _read_all(parts, depth))


def _read_plus_minus(text: str, depth: int) -> Answer | None:
    if text.count("\\pm") + text.count("±") != 1:
        return None
    return Group("{}", _read_all([re.sub(r"\\pm(?![A-Za-z])|±", sign, text) for sign in ("+", "-")], depth))


def _read_expression(text: str) -> Answer:
    amount = measured(text)
    number = WORDS.sub(r" \1 ", without_thousands(amount.number, within_brackets=True)).strip()
    has_words = WORDS.search(amount.number) is not None and re.search("[A-Za-z]", number) is not None
    if not number or has_words or re.search(r"(?<![A-Za-z\\])[A-Za-z]{3}", number):  # three letters are no product
        return Words(plain(text))
    value = read_expression(number).times(integer(amount.scale))
    return Expression(value, amount.unit, _is_number(number))


def _is_number(text: str) -> bool:
    """Whether this is a number and no work is left, perhaps in brackets.

    A decimal, one with a power of ten behind it, a fraction in lowest terms, a mixed number; at most one sign.
    """
    begins = len(text) - len(text.lstrip("([ -+"))
    if text.count("-", 0, begins) + text.count("+", 0, begins) > 1:
        return False
    text = text[begins:].rstrip(")] ")
    if _DECIMAL.fullmatch(text):
        return True
    ratio = _RATIO.search(text)
    if ratio is None or ratio.end() != len(text) or not re.fullmatch(r"(?:[0-9]+\s*)?", text[: ratio.start()]):
        return False
    above, below = (int(digits) for digits in ratio.groups() if digits is not None)
    return below > 1 and gcd(above, below) == 1
