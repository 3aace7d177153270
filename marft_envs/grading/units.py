r"""What may stand behind a number and name its unit, and which words may not, since they change or doubt it.

A unit is °, %, a currency sign, or one to four words in plain text (`42 miles per hour`) or `\text{…}`, abbreviations
and exponents included (`cm^2`). It has no other digit, no + = or comma, and none of the words of `_CHANGE` and
`_DOUBT`: whoever writes "42 or 43", "42 squared" or "42 maybe" has not answered 42. Before it, hundred, thousand and so
on multiply: `1.5 million dollars` is 1500000.
"""

import re
from dataclasses import dataclass

from marft_envs.grading.notation import WORDS

SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
MAX_WORDS = 4


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CHANGE = _words(
    """
    plus minus times divided multiplied add added subtract subtracted mod modulo remainder power squared cubed factorial
    root point dot negative half halves double doubled twice triple tripled thrice thirds fourths fifths sixths sevenths
    eighths ninths tenths hundredths thousandths dozen dozens score hundreds thousands millions billions trillions zero
    one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
    nineteen twenty thirty forty fifty sixty seventy eighty ninety
    """
)
_DOUBT = _words(
    """
    or and nor not no never none is isn are aren was wasn were be it its this that but if else unless except for maybe
    perhaps possibly probably likely presumably supposedly guess think believe about around approximately approx roughly
    nearly almost circa ish least most more less fewer greater smaller larger higher lower above below under over up
    wrong false incorrect unsure uncertain wait actually rather instead either neither both between versus vs what which
    when where whether who since because so then thus hence otherwise can cannot could may might must should would
    """
)
_KNOWN = r"(?:[kcmd]m|[km]g|m[lL]|yd|k[WV]|ft|in|sq|lbs?|oz|hrs?|min|sec|mph)"
_LETTER = r"[LsJNWVhmg](?=[ ]?(?:$|[/^²³]))"
"""Behind a blank and last, since 5m and 5 m n are products."""
_EXPONENT = r"(?:\s?\^\s?(?:[1-9]|\{\s?[1-9]\s?\})|[²³])?"
_WORD = r"[A-Za-z]+\.?"
_NAMED = re.compile(rf"{_WORD}{_EXPONENT}(?:\s?[ /-]\s?{_WORD}{_EXPONENT})*")
_NUMERAL = (
    r"[-+]?\s?(?:[0-9][0-9,.]*(?:\s?/\s?[0-9]+|\s[0-9]+/[0-9]+)?|\.[0-9]+"
    r"|[0-9]*\s?\\frac\s?(?:[0-9]\s?[0-9]|\{\s?[0-9]+\s?\}\s?\{\s?[0-9]+\s?\}))"
    r"(?:\s?\\sqrt\s?(?:[0-9]|\{\s?[0-9]+\s?\}))?(?:\s?(?:\\pi|π))?"
)
_BEHIND = re.compile(
    rf"(?P<number>{_NUMERAL})"
    rf"(?:\s(?P<words>(?:[A-Za-z]{{3,}}|{_KNOWN}|{_LETTER})(?![A-Za-z]).*)|(?P<known>{_KNOWN}(?![A-Za-z]).*))"
)
"""Three letters make a word; two are a product (2 xy), unless they are a unit that is known."""
_IN_TEXT = re.compile(rf"(?P<number>.*[0-9)}}\]a-z]) ?{WORDS.pattern}(?P<exponent>{_EXPONENT})")
_DEGREES = re.compile(r"\^\s?(?:\{\s?\\circ\s?\}|\\circ)|\\degree|°")
_CURRENCY = re.compile(r"(?P<sign>[-+]?) ?(?P<before>[€£¥₹]) ?(?P<number>.*)|(?P<amount>.*?) ?(?P<behind>[€£¥₹¢])")
_CURRENCIES = {"€": "euro", "£": "pound", "¥": "yen", "₹": "rupee", "¢": "cent"}
_SAME = {"percent": "%", "degree": "°"}


@dataclass(frozen=True)
class Measured:
    """A number, as it is written, and what it counts."""

    number: str
    unit: str = ""
    """As units are compared; empty if there is none."""
    scale: int = 1
    """What `thousand` and the like multiply it by."""


def measured(text: str) -> Measured:
    """Tells a number from its unit; text without a unit is all number."""
    units = []
    number = _DEGREES.sub(" ", text).strip()
    if _DEGREES.search(text):
        units.append("°")
    if number.endswith("%"):
        units.append("%")
        number = number[:-1].removesuffix("\\").strip()
    if money := _CURRENCY.fullmatch(number):
        units.append(_CURRENCIES[money["before"] or money["behind"]])
        number = money["amount"] if money["behind"] else money["sign"] + money["number"]
    scale = 1
    match = _IN_TEXT.fullmatch(number)
    words = f"{match[2].strip()}{match['exponent']}" if match else ""
    if match is None and (match := _BEHIND.fullmatch(number)):
        words = match["words"] or match["known"]
    if match:
        named = _named(words)
        if named is None:
            return Measured(text)
        number, scale = match["number"].strip(), named.scale
        units.append(named.unit)
    return Measured(number, " ".join(unit for unit in units if unit), scale)


def same_unit(one: str, other: str) -> bool:
    """Whether two units are the same, where both are given."""
    return not one or not other or one == other


def changes_or_doubts(word: str) -> bool:
    """Whether a number beside this word may be another one."""
    return word.casefold() in _CHANGE or word.casefold() in _DOUBT or word.casefold() in SCALES


def _named(words: str) -> Measured | None:
    """What words behind a number name: a unit, perhaps behind a scale; None if that is no unit."""
    if words and not _NAMED.fullmatch(words):
        return None
    first, _, rest = words.partition(" ")
    if first.casefold() in SCALES:
        unit = _named(rest)
        return None if unit is None or unit.scale != 1 else Measured("", unit.unit, SCALES[first.casefold()])
    each = re.findall("[A-Za-z]+", words)
    if len(each) > MAX_WORDS or any(changes_or_doubts(word) for word in each):
        return None
    name = re.sub(r"[ {}.^]", "", words).casefold().replace("²", "2").replace("³", "3")
    name = name[:-1] if name.endswith("s") and len(name) > 1 else name
    return Measured("", _SAME.get(name, name))
