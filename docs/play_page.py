"""Runs the Python of a page, and puts what it prints into the page.

The `python` blocks run one after another in one namespace. What a block prints stands in the `text` block behind it.
"""

import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass

from fences import Block, blocks_of


@dataclass(frozen=True)
class Played:
    """What came out of running a page."""

    page: str
    """The page, with every output as it was printed."""
    namespace: Mapping[str, object]
    """What its blocks left behind."""


def play_page(page: str, path: str) -> Played:
    """Runs a page's Python blocks. Raises: ValueError where a block prints and no output follows, or the reverse."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    blocks = [block for block in blocks_of(page) if block.language in ("python", "text")]
    followers: list[Block | None] = [*blocks[1:], None]
    pieces, done = [], 0
    for block, follower in zip(blocks, followers, strict=True):
        if block.language != "python":
            continue
        printed = _run(block, path, namespace)
        output = follower if follower is not None and follower.language == "text" else None
        if (output is None) == bool(printed):
            way_out = "let a text block follow" if printed else "remove the text block behind it"
            raise ValueError(f"line {block.line}: the block prints {printed[:40]!r}; {way_out}")
        if output is not None:
            pieces += [page[done : output.begin], printed]
            done = output.end
    return Played("".join([*pieces, page[done:]]), namespace)


def _run(block: Block, path: str, namespace: dict[str, object]) -> str:
    """What a block prints. The empty lines in front let a traceback name the line of the page."""
    program = compile("\n" * block.line + block.text, path, "exec")
    with redirect_stdout(io.StringIO()) as printed:
        exec(program, namespace)  # noqa: S102  # the page's own code, as its readers would run it
    return printed.getvalue()
