"""Reads from the text of a task the calls that it tells the value of: doctests, `f(1) == 2`, and sentences."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

_MARK = re.compile(r"[ \t]*(?:#[ \t]*)?(?:==>|==|=>|->|➞|=|returns|should return|\n)[ \t]*(.*)")
"""Between a call and its value, which is on the same line, or in doctests on the next."""
_SENTENCE = re.compile(
    r"(?:For |Input:)((?:(?!For |Input:).)*?)(?:the (?:output|result) should be|Output:)[ \t]*([^\n]*)", re.DOTALL
)
"""`For k = 2 the output should be 4`, and the same over several lines with `Input:` and `Output:`."""
_ASSIGNED = re.compile(r",?\s*\b[A-Za-z_]\w*\s*[=:](?!=)\s*")
"""A name in front of an argument: `lst = [1]`, `, k = 2`."""
_MOST_CALL_CHARS = 1_000


@dataclass(frozen=True, slots=True)
class Example:
    """One call, and the value that the text tells. The text may be wrong."""

    arguments: tuple[object, ...]
    value: object


def examples(prompt: str, function: str) -> list[Example]:
    """Those behind the beginning of this function, to the end of the prompt, whose arguments and value are literals."""
    body = prompt.partition(f"def {function}(")[2].partition("\n")[2]
    told = [*_calls(body, function), *_sentences(body)]
    found: dict[str, Example] = {}
    for arguments, text in told:
        value = _literal(text.strip().rstrip("."))  # the end of a sentence
        if value is not None:
            found.setdefault(repr(arguments), Example(arguments, value[0]))
    return [*found.values()]


def _calls(body: str, function: str) -> Iterator[tuple[tuple[object, ...], str]]:
    for start in re.finditer(rf"\b{re.escape(function)}\(", body):
        ends = (found.end() for found in re.finditer(r"\)", body[start.start() :][:_MOST_CALL_CHARS]))
        for end in (start.start() + length for length in ends):
            inside = body[start.end() : end - 1]
            value = _literal(f"({inside},)" if inside.strip() else "()")
            told = _MARK.match(body, end)
            if value is not None and isinstance(value[0], tuple):
                if told is not None:
                    yield value[0], told[1]
                break


def _sentences(body: str) -> Iterator[tuple[tuple[object, ...], str]]:
    for found in _SENTENCE.finditer(body):
        values = _ASSIGNED.sub(",", found[1]).strip(" ,\n")
        arguments = _literal(f"({values},)")
        if arguments is not None and isinstance(arguments[0], tuple):
            yield arguments[0], found[2]


def _literal(text: str) -> tuple[object] | None:
    """The value in a tuple, or None if the text is no literal."""
    if text in ("true", "false"):
        return (text == "true",)
    try:
        return (ast.literal_eval(text),)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return None
