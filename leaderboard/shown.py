"""How a board writes numbers and texts: always the same characters for the same value, on every machine."""

import json
import re
from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup, escape

import marft_envs

_MINUS = "−"
_MOST_CHARS = 4_000
"""Of a text by an entrant."""
_MOST_OF_NAME = 28
_SIGN = re.compile(r"([/_@-])(?=\w)")
COST_NAMES: Mapping[str, str] = {
    "chars": "characters",
    "tokens_out": "tokens written",
    "tokens": "tokens in all",
    "simulated_s": "simulated time",
    "critical_path_s": "critical path",
}


def score(value: float) -> str:
    """`0.512`."""
    return _with_minus(f"{value:.3f}")


def short_score(value: float) -> str:
    """`0.51`."""
    return _with_minus(f"{value:.2f}")


def signed(value: float) -> str:
    """`+0.051`, `−0.051`, `0.000`."""
    shown = f"{value:+.3f}"
    return "0.000" if float(shown) == 0 else _with_minus(shown)


def count(value: float) -> str:
    """`1,204`; small ones with a decimal, `3.4`, unless they are whole."""
    is_small = abs(value) < 10 and value != int(value)  # noqa: PLR2004  # a digit
    return _with_minus(f"{value:,.1f}" if is_small else f"{value:,.0f}")


def seconds(value: float) -> str:
    """`12.3 s`."""
    return f"{value:,.1f} s"


def cost(value: float, name: str) -> str:
    """In its unit."""
    return seconds(value) if name.endswith("_s") else count(value)


def tick(value: float) -> str:
    """On an axis: `0.2`, `200`, `5k`."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return _with_minus(f"{value / size:.6g}{letter}")
    return _with_minus(f"{value:.6g}")


def place(value: float) -> str:
    """Of a point in a picture."""
    return f"{value:.1f}".removesuffix(".0")


def sort_key(value: float) -> str:
    """What a table is sorted by."""
    return f"{value:.6g}"


def percent(value: float) -> str:
    """`61 %`."""
    return f"{value * 100:.0f} %"


def short_digest(digest: str) -> str:
    """Its first characters."""
    return digest.removeprefix("sha256:")[:12]


def ranks(best: int, worst: int) -> str:
    """`2`, or `2–4`."""
    return f"{best}" if best == worst else f"{best}–{worst}"


def listed(words: Sequence[str], most: int = 3) -> str:
    """`a, b and 4 more`."""
    rest = len(words) - most
    return ", ".join(words) if rest <= 1 else f"{', '.join(words[:most])} and {rest} more"


def number(value: float) -> str:
    """Up to six digits: `0.7`."""
    return _with_minus(f"{value:.6g}")


def shortened(words: str) -> str:
    """The beginning of a name, where there is no room for all of it."""
    return words if len(words) <= _MOST_OF_NAME else f"{words[: _MOST_OF_NAME - 1]}…"


def setting(value: object) -> str:
    """Of a training."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def breakable(name: str) -> Markup:
    """An id that may go on in the next line behind its signs, where a table is narrow."""
    return Markup(_SIGN.sub(r"\1<wbr>", str(escape(name))))  # noqa: S704  # escaped, and our own element


def seen(words: str) -> Markup:
    """A text by somebody else: escaped, and marked where something in it cannot be seen."""
    left = len(words) - _MOST_CHARS
    shown = words if left <= 0 else f"{words[:_MOST_CHARS]} … and {left:,} more characters"
    return Markup(marft_envs.as_html(shown))  # noqa: S704  # this is what escapes


def _with_minus(number: str) -> str:
    return number.replace("-", _MINUS)


FILTERS: Mapping[str, Callable[..., str]] = {
    one.__name__: one
    for one in (
        score,
        short_score,
        signed,
        count,
        seconds,
        cost,
        tick,
        place,
        sort_key,
        percent,
        short_digest,
        breakable,
        listed,
        number,
        shortened,
        setting,
        seen,
    )
}
