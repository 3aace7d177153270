r"""What a mathematical answer is: an expression with a unit, a tuple, interval, set, matrix or relation, or words.

`read_answer` reads it, in LaTeX or plain text. It is pure and bounded, evaluates nothing, and never raises: what is no
mathematics that is understood is the text that it is. `marft_envs.grading.equality` compares two answers.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import gcd

from marft_envs.grading.algebra import TooLargeError, Value
from marft_envs.grading.expressions import UnreadableError, read_expression

MAX_CHARS = 2_000
"""Of an answer; longer ones are read as text."""
MAX_ITEMS = 60
"""Of a tuple, set or matrix."""

_SPACING = re.compile(
    r"\\(?:left|right|displaystyle|textstyle|quad|qquad|big|Big|bigl|bigr|Bigl|Bigr|limits)(?![A-Za-z])"
    r"|(?<!\\)\\[!,;: ]|~"
)
_GROUPED = re.compile(r"(?<=[0-9])(?:\{,\}|,\s?\\!)\s*(?=[0-9]{3})")
_THOUSANDS = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9,])")
_WORDS = re.compile(r"\\(?:text|textnormal|textrm|textbf|textit|mbox|mathrm|mathbf|rm|hbox)\s*\{([^{}]*)\}")
_SEPARATOR = re.compile(r"(?:^|(?<=[\s,}$)\]]))\s*(?:,?\s*\b(?:and|or)\b)(?=[\s,\\({$\[-])", re.IGNORECASE)
_DEGREES = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ)|\\degree|°")
_KNOWN_UNIT = r"(?:[kcm]?m|[km]?g|ml|[LsJNWVh]|ft|in|lbs?|oz|hrs?|min|sec|mph|km/h)"
_PLAIN_UNIT = re.compile(
    r"(?P<number>[-+]?[0-9][0-9,./]*(?:\s[0-9]+/[0-9]+)?)"
    rf"(?:\s+(?P<words>[A-Za-z][A-Za-z .'-]+[A-Za-z.])|\s*(?P<known>{_KNOWN_UNIT}\.?))"
)
"""Three letters make a word; two are a product (2 xy), unless they are a unit that is known."""
_DIGITS = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_BRACES = r"\s*\{\s*[-+]?\s*([0-9]+)\s*\}"
_RATIO = re.compile(rf"\\frac\s*(?:([0-9])\s*([0-9])|{_BRACES}{_BRACES})|([0-9]+)\s*/\s*([0-9]+)")
_DECIMAL = re.compile(
    rf"{_DIGITS}(?:\s*(?:\\times|\\cdot|[×·*])\s*10\s*\^\s*(?:[0-9]|\{{\s*-?[0-9]+\s*\}}))?"
    r"|[0-9]*\.[0-9]*\\overline\s*\{[0-9]+\}"
)
_RELATION = re.compile(r"\\(?:leq|le|geq|ge|neq|ne|in|lt|gt|approx)(?![A-Za-z])|<=|>=|[=<>≤≥≠∈]")
_NAMES = {
    "\\leq": "≤", "\\le": "≤", "<=": "≤", "\\geq": "≥", "\\ge": "≥", ">=": "≥", "\\neq": "≠", "\\ne": "≠",
    "\\in": "∈", "\\lt": "<", "\\gt": ">", "\\approx": "≈",
}  # fmt: skip
_MATRIX = re.compile(r"\\begin\{([pbvBV]?matrix|array)\}(?:\{[lcr| ]*\})?(.*)\\end\{\1\}", re.DOTALL)
_OPENING, _CLOSING = "([{", ")]}"


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


@dataclass(frozen=True)
class Words:
    """Text, without regard to case and spacing."""

    text: str


Answer = Expression | Group | Relation | Words


def read_answer(text: str) -> Answer:
    """An answer, whatever it is; never raises."""
    if len(text) > MAX_CHARS:
        return Words(text)
    cleaned = _cleaned(text)
    try:
        return _read(cleaned, depth=0)
    except (UnreadableError, TooLargeError):
        return Words(_plain(cleaned))


def as_text(text: str) -> str:
    """An answer as text is compared: words unwrapped, no spaces, no case, no brackets around a single letter.

    What is too long for an answer stays as it is.
    """
    return text if len(text) > MAX_CHARS else _plain(_cleaned(text))


# ---- reading


def _cleaned(text: str) -> str:
    text = text.strip().replace("\\$", " ").replace("−", "-")  # the minus sign
    text = re.sub(r"(?<!\\)\\[\[\]()]|\$", " ", text)
    text = _GROUPED.sub("", text)
    text = _SPACING.sub(" ", text)
    text = re.sub(r"\\[dtc]frac(?![A-Za-z])", r"\\frac", text)
    text = text.strip().rstrip(". \n\t")
    if text.startswith("{") and text.endswith("}") and all(_depths(text)[1:-1]):
        return text[1:-1].strip()
    return text


def _plain(text: str) -> str:
    """Text as it is compared: words unwrapped, no spaces, no case, no brackets around a single letter."""
    text = _WORDS.sub(lambda match: match[1], text)
    text = re.sub(r"[\s{}]+", "", text).casefold().strip(".")
    return text[1:-1] if re.fullmatch(r"\([a-z]\)", text) else text


def _read(text: str, depth: int) -> Answer:
    text = text.strip()
    if depth > 4 or not text:  # noqa: PLR2004  # sets of tuples of intervals are deep enough
        raise UnreadableError("no answer, or too deep a nest")
    for read in (_read_matrix, _read_list, _read_union, _read_relation, _read_brackets, _read_plus_minus):
        answer = read(text, depth)
        if answer is not None:
            return answer
    return _read_expression(text)


def _read_matrix(text: str, depth: int) -> Answer | None:
    match = _MATRIX.fullmatch(text)
    if match is None:
        return None
    rows = []
    for row in re.split(r"\\\\(?:\[[^\]]*\])?", match[2].strip().removesuffix("\\\\")):
        cells = [_read(cell, depth + 1) for cell in row.split("&")]
        rows.append(Group("()", _bounded(cells)))
    return Group("matrix", _bounded(rows))


def _read_list(text: str, depth: int) -> Answer | None:
    """Answers with commas, `and` or `or` between them, in any order."""
    if _THOUSANDS.fullmatch(text.lstrip("+- ")):
        return None
    unwrapped = _WORDS.fullmatch(text)
    if unwrapped and "," in unwrapped[1]:  # a list of words
        return Group("{}", _bounded([Words(_plain(part)) for part in unwrapped[1].split(",")]))
    words = _WORDS.sub(lambda match: f" {match[1].strip()} " if _is_separator(match[1]) else match[0], text)
    parts = list(_split(_SEPARATOR.sub(",", words), ","))
    if len(parts) == 1:
        return None
    parts = [part for part in parts if part.strip()]
    return Group("{}", _bounded([_read(part, depth + 1) for part in parts]))


def _is_separator(words: str) -> bool:
    return words.strip().strip(",").strip().casefold() in ("and", "or")


def _read_union(text: str, depth: int) -> Answer | None:
    parts = list(_split(text.replace("\N{UNION}", "\\cup "), "\\cup"))
    return None if len(parts) == 1 else Group("union", _bounded([_read(part, depth + 1) for part in parts]))


def _read_relation(text: str, depth: int) -> Answer | None:
    depths = _depths(text)
    places = [match for match in _RELATION.finditer(text) if depths[match.start()] == 0]
    if not places:
        return None
    signs = tuple(_NAMES.get(match[0], match[0]) for match in places)
    cuts = [0, *(place for match in places for place in match.span()), len(text)]
    sides = [text[cuts[k] : cuts[k + 1]] for k in range(0, len(cuts), 2)]
    return Relation(signs, _bounded([_read(side, depth + 1) for side in sides]))


def _read_brackets(text: str, depth: int) -> Answer | None:
    r"""A tuple, an interval, or a set: `(1, 2)`, `[0, 1)`, `\{1, 2\}`; brackets around one thing are none."""
    if text.startswith("\\{") and text.endswith("\\}"):
        inner = text[2:-2]
        parts = [part for part in _split(inner, ",") if part.strip()]
        return Group("{}", _bounded([_read(part, depth + 1) for part in parts]))
    depths = _depths(text)
    if text[0] not in "([" or text[-1] not in ")]" or depths[-2] != 1 or not all(depths[1:-2]):
        return None
    parts = list(_split(text[1:-1], ","))
    if len(parts) == 1:
        return None
    return Group(text[0] + text[-1], _bounded([_read(part, depth + 1) for part in parts]))


def _read_plus_minus(text: str, depth: int) -> Answer | None:
    if text.count("\\pm") + text.count("±") != 1:
        return None
    both = [re.sub(r"\\pm(?![A-Za-z])|±", sign, text) for sign in ("+", "-")]
    return Group("{}", _bounded([_read(one, depth + 1) for one in both]))


def _read_expression(text: str) -> Answer:
    text, unit = _without_unit(text)
    if text.count(",") and _THOUSANDS.search(text):
        text = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)
    if not text.strip():
        return Words(unit)
    words = _WORDS.sub(lambda match: match[1], text)
    if words != text and re.search(r"[A-Za-z]", words):
        return Words(_plain(text))
    text = words
    if re.search(r"(?<![A-Za-z\\])[A-Za-z]{3}", text):  # a word, no product of letters
        return Words(_plain(text))
    return Expression(read_expression(text), unit, _is_number(text))


def _is_number(text: str) -> bool:
    """Whether this is a number and no work is left, perhaps in brackets.

    A decimal, one with a power of ten behind it, a fraction in lowest terms, a mixed number.
    """
    text = text.strip("()[] -+")
    if _DECIMAL.fullmatch(text):
        return True
    ratio = _RATIO.search(text)
    if ratio is None or ratio.end() != len(text) or not re.fullmatch(r"(?:[0-9]+\s*)?", text[: ratio.start()]):
        return False
    above, below = (int(digits) for digits in ratio.groups() if digits is not None)
    return below > 1 and gcd(above, below) == 1


def _without_unit(text: str) -> tuple[str, str]:
    """The answer without its unit, and the unit as it is compared."""
    units = []
    stripped = _DEGREES.sub(" ", text)
    if stripped != text:
        units.append("°")
    text = re.sub(r"\\?%\s*$", " ", stripped)
    if text != stripped:
        units.append("%")
    match = re.search(rf"(.*[0-9)}}\]a-z]\s*){_WORDS.pattern}\s*(?:\^\s*\{{?\s*([0-9])\s*\}}?)?\s*$", text, re.DOTALL)
    if match and not _is_separator(match[2]):
        units.append(_plain(match[2]) + (match[3] or ""))
        text = match[1]
    elif plain := _PLAIN_UNIT.fullmatch(text.strip()):
        units.append(_plain(plain["words"] or plain["known"]))
        text = plain["number"]
    return text.strip(), " ".join(unit for unit in units if unit)


def _split(text: str, separator: str) -> Iterator[str]:
    """The parts between separators that stand outside of all brackets."""
    depth, start, place = 0, 0, 0
    while place < len(text):
        character = text[place]
        depth += (character in _OPENING) - (character in _CLOSING)
        if depth == 0 and text.startswith(separator, place):
            yield text[start:place]
            place += len(separator)
            start = place
            continue
        place += 1
    yield text[start:]


def _depths(text: str) -> list[int]:
    """How many brackets are open before each character, and after the last."""
    steps = ((character in _OPENING) - (character in _CLOSING) for character in text)
    return list(accumulate(steps, initial=0))


def _bounded(items: Sequence["Answer"]) -> tuple["Answer", ...]:
    if not 1 <= len(items) <= MAX_ITEMS:
        raise UnreadableError("too many parts, or none")
    return tuple(items)
