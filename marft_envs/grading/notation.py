r"""What is only notation in an answer: wrapping, spacing, grouped digits; and text that is split outside of brackets.

Every pattern here is tried on text in which no blank follows another (`cleaned` comes first), and none of them can
match one stretch of text in two ways, so that each takes time linear in the length of the text.
"""

import re
from collections.abc import Iterator
from itertools import accumulate

WORDS = re.compile(r"\\(?:text|textnormal|textrm|textbf|textit|mbox|mathrm|mathbf|rm|hbox)\s?\{([^{}]*)\}")
_SPACING = re.compile(
    r"\\(?:left|right|displaystyle|textstyle|quad|qquad|big|Big|bigl|bigr|Bigl|Bigr|limits)(?![A-Za-z])"
    r"|(?<!\\)\\[!,;: ]|~"
)
_GROUPED = re.compile(r"(?<=[0-9])(?:\{,\}|,\s?\\!)\s?(?=[0-9]{3})")
_THOUSANDS = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9,])")
_SPACED = re.compile(r"(?<![0-9] )(?<![\w.,^])[0-9]{1,3}(?: [0-9]{3})+(?![0-9])(?! ?/)(?! [0-9])")
_OPENING, _CLOSING = "([{", ")]}"


def cleaned(text: str) -> str:
    """An answer without what only wraps or spaces it, and with single blanks."""
    text = re.sub(r"\s+", " ", text).strip().replace("\\$", " ").replace("−", "-")  # the minus sign
    text = re.sub(r"(?<!\\)\\[\[\]()]|\$", " ", text)
    text = _GROUPED.sub("", text)
    text = _SPACING.sub(" ", text)
    text = re.sub(r"\\[dtc]frac(?![A-Za-z])", r"\\frac", text)
    text = re.sub(r"\s+", " ", text).strip().rstrip(". ")
    text = _SPACED.sub(lambda match: match[0].replace(" ", ""), text)
    if text.startswith("{") and text.endswith("}") and all(depths(text)[1:-1]):
        text = text[1:-1].strip()
    words = WORDS.fullmatch(text)
    return words[1].strip() if words and not re.search(r"[A-Za-z]", words[1]) else text


def plain(text: str) -> str:
    """Text as it is compared: words unwrapped, no spaces, no case, no brackets around a single letter.

    A blank, or a brace, between two digits stays, since they are no number.
    """
    text = WORDS.sub(r" \1 ", text)
    text = re.sub(r"(?<=[0-9.])[\s{}]+(?=[0-9.])", "\N{NO-BREAK SPACE}", text)
    text = re.sub(r"[ {}]+", "", text).casefold().strip(".\N{NO-BREAK SPACE}")
    return text[1:-1] if re.fullmatch(r"\([a-z]\)", text) else text


def without_thousands(text: str, *, within_brackets: bool = False) -> str:
    """Numbers without the commas between groups of three; within brackets these may separate, as in (1,200)."""
    if "," not in text:
        return text
    depth = depths(text)
    return _THOUSANDS.sub(
        lambda match: match[0].replace(",", "") if within_brackets or depth[match.start()] == 0 else match[0], text
    )


def split(text: str, separator: str) -> Iterator[str]:
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


def depths(text: str) -> list[int]:
    """How many brackets are open before each character, and after the last."""
    steps = ((character in _OPENING) - (character in _CLOSING) for character in text)
    return list(accumulate(steps, initial=0))
