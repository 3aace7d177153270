"""HTML as a type: whatever is not `Html` is text, and is escaped where it is put into an element.

Only this module makes `Html`, so nothing else can forget to escape. Characters that cannot be seen, or that change how
others are seen, stand as marks with their number: with them text could hide words, or reorder a line so that it reads
as another's.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from html import escape
from itertools import groupby
from types import MappingProxyType

_UNSEEN = (
    "\0-\b\v-\x1f\x7f-\x9f"  # control characters but for tab and line feed
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero width, marks of direction, separators
    "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff"  # halves, private use, what is no character
    "\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U0010ffff"  # tags, more variants, private use
)
"""Written out rather than asked of `unicodedata`, whose answers differ between versions of Python."""
_RUN = re.compile(f"[{_UNSEEN}]+")
_NAMES = {
    0x00: "null",
    0x07: "bell",
    0x08: "backspace",
    0x0D: "carriage return",
    0x1B: "escape",
    0xAD: "soft hyphen",
    0x61C: "Arabic letter mark",
    0x200B: "zero width space",
    0x200C: "zero width non-joiner",
    0x200D: "zero width joiner",
    0x200E: "left-to-right mark",
    0x200F: "right-to-left mark",
    0x2028: "line separator",
    0x2029: "paragraph separator",
    0x202A: "left-to-right embedding",
    0x202B: "right-to-left embedding",
    0x202C: "pop directional formatting",
    0x202D: "left-to-right override",
    0x202E: "right-to-left override",
    0x2060: "word joiner",
    0x2066: "left-to-right isolate",
    0x2067: "right-to-left isolate",
    0x2068: "first strong isolate",
    0x2069: "pop directional isolate",
    0xFEFF: "byte order mark",
}
_EMOJI_STYLE = "\ufe0f"
"""Behind a symbol it asks for the coloured form. That is common, and hides nothing."""
_MOST_IN_MARK = 6
"""Different characters that one mark names; a text of a megabyte may hold nothing else."""

_NAME = re.compile("[a-z][A-Za-z0-9]*(-[a-z]+)*")
_VOID = frozenset({"br", "hr", "meta"})
Value = str | int | float | bool | None
"""Of an attribute: True writes its name alone, None and False leave it out."""
_NO_ATTRIBUTES: Mapping[str, Value] = MappingProxyType({})


class Html(str):
    """Markup that is complete and safe. Nothing outside of this module makes one from a `str`."""

    __slots__ = ()


def text(words: str) -> Html:
    """Text as markup: escaped, and marks for what cannot be seen. What is `Html` already stays as it is."""
    return words if isinstance(words, Html) else Html(_RUN.sub(_mark, escape(words, quote=False)))


def joined(parts: Iterable[str]) -> Html:
    """Markup in a row; text among it is escaped."""
    return Html("".join(map(text, parts)))


def element(name: str, attributes: Mapping[str, Value] = _NO_ATTRIBUTES, /, *content: str) -> Html:
    """An element of HTML or SVG. Content that is not `Html` is text."""
    assert _NAME.fullmatch(name) and name not in ("style", "script"), f"{name} is no element for content"
    start = "".join([_attribute(key, value) for key, value in attributes.items()])
    if name in _VOID:
        assert not content
        return Html(f"<{name}{start}>")
    return Html(f"<{name}{start}>{joined(content)}</{name}>")


def source(name: str, code: str) -> Html:
    """Our own style sheet or script, as it is: its hash allows it, so not a character of it may change."""
    assert name in ("style", "script") and "</" not in code and "<!--" not in code
    return Html(f"<{name}>{code}</{name}>")


def document(head: Html, body: Html) -> str:
    """A whole page."""
    return f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n'


def _attribute(name: str, value: Value) -> str:
    """Never one that runs a script, is a style of its own (the page forbids both), or leads out of the page."""
    assert _NAME.fullmatch(name) and name != "style" and name[:2] != "on", f"{name} is no attribute for us"
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    if isinstance(value, float):
        value = f"{round(value, 1):.12g}"
    assert name not in ("href", "src") or str(value)[:1] == "#", f"{value!r} leads out of the page"
    return f' {name}="{_RUN.sub(_plain_mark, escape(str(value)))}"'


def _mark(run: re.Match[str]) -> str:
    if run[0] == _EMOJI_STYLE and run.start() and _is_symbol(run.string[run.start() - 1]):
        return run[0]
    names = {_NAMES[ord(char)]: None for char in run[0][:_MOST_IN_MARK] if ord(char) in _NAMES}
    title = f' title="{", ".join(names)}"' if names else ""
    return f'<span class="unseen"{title}>{_numbers(run[0])}</span>'


def _plain_mark(run: re.Match[str]) -> str:
    return f"[{_numbers(run[0])}]"


def _numbers(run: str) -> str:
    """`U+202E`, `U+200B ×3 U+200D`."""
    shown: list[str] = []
    num_shown = 0
    for char, same in groupby(run):
        if len(shown) == _MOST_IN_MARK:
            shown.append(f"and {len(run) - num_shown:,} more")
            break
        count = sum(1 for _ in same)
        num_shown += count
        shown.append(f"U+{ord(char):04X}" + (f" ×{count:,}" if count > 1 else ""))
    return " ".join(shown)


def _is_symbol(char: str) -> bool:
    return unicodedata.category(char) == "So" or char in "0123456789#*"
