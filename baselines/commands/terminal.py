"""What every command shares: consoles, tables, a line that says what is being done, text made safe to show."""

import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

_UNSHOWABLE = "\ufffd"


class Command(Protocol):
    """A command whose options have been read: its fields are the options, and their docs the help."""

    def run(self) -> int:
        """Do it. Returns the exit status; a mistake of the person at the keyboard is a MarftError."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leaves it to `marft`, which has an exit status for it; rich's own is that of a replay that differs."""
        raise BrokenPipeError


def console(*, stderr: bool = False) -> Console:
    """A console on standard output, where results go, or on standard error, where everything else goes."""
    return _Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def say(*lines: str) -> None:
    """Print lines as they are, however long: a path or a command must come out whole to be copied."""
    for line in lines:
        console().print(line, soft_wrap=True)


def note(text: str) -> None:
    """Tell something that is not the result, on standard error."""
    console(stderr=True).print(text, soft_wrap=True, style="dim")


def print_error(text: str) -> None:
    """One line that begins with "error:", on standard error."""
    console(stderr=True).print(Text.assemble(("error: ", "bold red"), text), soft_wrap=True)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", right: str = "") -> Table:
    """A table of plain text; headings that stand in `right` (separated by spaces, if several) head numbers."""
    drawn = Table(box=SIMPLE_HEAD, title=title or None, title_justify="left", title_style="bold", pad_edge=False)
    for heading in headings:
        drawn.add_column(heading, justify="right" if heading in right.split() else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*map(Text, row))
    return drawn


@contextmanager
def working(text: str) -> Iterator[Callable[[str], None]]:
    """Show what is being done for as long as it takes, where somebody can see it; yields what changes the text."""
    errors = console(stderr=True)
    if not errors.is_terminal:
        yield lambda text: None
        return
    with errors.status(text) as shown:
        yield shown.update


def hush_libraries() -> None:
    """Keep off the screen what other packages draw and warn of while a model is loaded."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # it would be drawn across ours
    # peft 0.21 asks transformers for an attribute by its old name.
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)


def visible(text: str) -> str:
    """Text that a terminal shows and does not obey: control characters and marks of writing direction replaced.

    What models write may hold any of them; obeyed, they could erase or reorder what others said.
    """
    return "".join(
        char if char in "\n\t" or char.isprintable() or unicodedata.category(char) == "Zs" else _UNSHOWABLE
        for char in text
    )
