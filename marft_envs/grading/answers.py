r"""Integers in a model's reply: exact, and safe to run on any text.

Nothing here evaluates text, raises on text, or guesses. Every function takes time linear in the length of its
input, and more than `MAX_DIGITS` digits are no integer, so that no reply can make grading slow.

Two readings are kept apart, because they answer different questions:

- `stated_integer` is what a reward is paid for: the last line states the answer in one of three fixed
  forms. A reply that hedges ("42 or 43"), leaves work to do ("40 + 2") or goes on talking states nothing.
- `last_integer` is what a report calls "right value in any format": the last number anywhere in the reply.
  It is generous on purpose and pays no reward.

Answers of any other kind, `marft_envs.grading.stating` finds, and `marft_envs.grading.equality` compares.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator

MAX_DIGITS = 100
"""More digits than any answer needs (2**300 has 91), few enough that converting them costs nothing."""

_MINUS = "\N{MINUS SIGN}"

_INTEGER = re.compile(rf"[-+{_MINUS}]?(?:0|[1-9][0-9]*|[1-9][0-9]{{0,2}}(?:,[0-9]{{3}})+)")

# What may stand before a stated answer. The left side of an equation may not hold another equals sign or a word.
_OPENING = re.compile(rf"(?:the )?(?:final )?answer(?: is:?|:)|[-+{_MINUS}*/×÷().,\s0-9]*+=", re.ASCII | re.IGNORECASE)

# A number with its points and commas, standing alone: no letter, digit, underscore, point, comma, slash or
# closing bracket before it, no letter, underscore, slash or percent sign after it, so that the digits of
# x2, 1e5, .5, 3/4 and 50% are no integers. The possessive quantifier (never backtrack) and the look-behind
# (never start inside a number) keep the scan linear.
_NUMBER = re.compile(rf"(?<![\w.,/)\]}}])([-+{_MINUS}]?)([0-9]+(?:[.,][0-9]+)*+)(?![\w/%])")


def parse_integer(text: str) -> int | None:
    r"""The integer that the whole text is, or None.

    Accepted: one sign (`+`, `-` or U+2212); ASCII digits without leading zeros, at most `MAX_DIGITS`;
    commas between groups of three, all of them or none (`1,234`); `\boxed{…}` around that; `$…$` around
    that; a full stop after that; white space between the layers. So `42.0`, `4.2e1`, `4_2`, `042`, `84/2`,
    `- 42`, `**42**` and digits of other scripts are not accepted.
    """
    text = text.strip().removesuffix(".").rstrip()
    if text.startswith("$") and text.endswith("$"):
        text = text.removeprefix("$").removesuffix("$").strip()
    if text.startswith("\\boxed{") and text.endswith("}"):
        text = text.removeprefix("\\boxed{").removesuffix("}").strip()
    digits = text.lstrip("+-" + _MINUS).replace(",", "")
    if len(digits) > MAX_DIGITS or not _INTEGER.fullmatch(text):
        return None
    return -int(digits) if text.startswith(("-", _MINUS)) else int(digits)


def last_line(reply: str) -> str:
    """The last line that is not blank, which is where answers, choices and commands stand; empty if there is none."""
    return (reply.strip().splitlines() or [""])[-1]


def stated_integer(reply: str) -> int | None:
    """The one answer that a reply commits to, or None.

    The strict form: the whole last line that is not blank is the integer (`12`), an announcement of it
    (`The answer is 12`, `Final answer: 12`), or an equation in numbers that ends in it (`3 + 9 = 12`),
    where the integer is written as `parse_integer` reads it. Lines above are working and are not read.
    """
    line = last_line(reply).strip()
    opening = _OPENING.match(line)
    return parse_integer(line[opening.end() :] if opening else line)


def last_integer(reply: str) -> int | None:
    """The last number in the reply if it is an integer, else None: the generous reading, for reports only.

    A sign counts where it touches the number and no operand touches the sign: `= -5` ends in -5, `8-5` in
    5. Commas that do not group by three stand between numbers: `1,2,3` ends in 3. A decimal at the end
    (`3.5`) is a number but no integer; fractions, percentages and digits inside words are passed over.
    """
    numbers = deque(_NUMBER.finditer(reply), maxlen=1)
    if not numbers:
        return None
    sign, number = numbers[0].groups()
    grouped = parse_integer(sign + number)
    return parse_integer(number.rpartition(",")[2]) if grouped is None else grouped


MAX_STATED_CHARS = 2_000
"""Of a stated answer; what is longer is no answer, and its line is not searched."""


def last_boxed(text: str) -> str | None:
    r"""What stands in the last `\boxed{…}` of a worked solution, or behind a last `\boxed` without braces."""
    opening = max(text.rfind("\\boxed"), text.rfind("\\fbox"))
    if opening < 0:
        return None
    begins = text[opening:].partition("boxed" if text.startswith("\\boxed", opening) else "fbox")[2]
    if begins.lstrip().startswith("{"):
        return next(boxed_contents(begins.lstrip(), [0]), None)
    return begins.split("$")[0].split()[0].rstrip(".") if begins.split("$")[0].split() else None


def boxed_contents(text: str, openings: Iterable[int]) -> Iterator[str]:
    """What stands in the braces that open at these places, where they are closed."""
    for opening in openings:
        depth = 0
        for place in range(opening, min(len(text), opening + MAX_STATED_CHARS)):
            depth += (text[place] == "{") - (text[place] == "}")
            if depth == 0:
                yield text[opening + 1 : place].strip()
                break
