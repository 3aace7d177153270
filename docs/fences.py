"""Markdown, as the scripts of this folder read and write it: fenced blocks, code spans, cells of tables.

What a model, a profile or an environment wrote may hold anything; nothing of it ends a block, a span or a cell early.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_BLOCK = re.compile(
    r"^(?P<fence>`{3,})(?P<language>\w*)[ ]*(?P<note>[^\n]*)\n(?P<text>.*?)^(?P=fence)[ ]*$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    line: int
    """Where its fence opens, counted from 1."""
    language: str
    note: str
    """What stands behind the language."""
    text: str
    """Its lines, each with its end."""
    begin: int
    """Where its text begins in the page, in characters."""
    end: int
    """Where its text ends."""


def blocks_of(page: str) -> Iterator[Block]:
    """The fenced blocks of a page, from top to bottom."""
    for found in _BLOCK.finditer(page):
        line = page.count("\n", 0, found.start()) + 1
        yield Block(line, found["language"], found["note"], found["text"], found.start("text"), found.end("text"))


def fenced(text: str, language: str = "text") -> str:
    """The text as a block, between fences that are longer than any run of backticks in it."""
    fence = "`" * max(3, _longest_run(text) + 1)
    end = "" if text.endswith("\n") else "\n"
    return f"{fence}{language}\n{text}{end}{fence}"


def span(text: str) -> str:
    """The text as a code span of one line."""
    line = " ".join(text.splitlines())
    ticks = "`" * (_longest_run(line) + 1)
    gap = " " if line.startswith("`") or line.endswith("`") or not line.strip() else ""
    return f"{ticks}{gap}{line}{gap}{ticks}"


def row(*cells: str) -> str:
    """A row of a table. In a cell a bar needs a backslash, in code as well."""
    return "| " + " | ".join(" ".join(cell.splitlines()).replace("|", "\\|") for cell in cells) + " |"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table, with its columns' names above."""
    return "\n".join([row(*columns), "|---" * len(columns) + "|", *(row(*cells) for cells in rows)])


def _longest_run(text: str) -> int:
    """Of backticks, in characters."""
    return max((len(run) for run in re.findall("`+", text)), default=0)
