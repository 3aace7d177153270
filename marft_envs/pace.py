"""What the clock keeps of one agent: its turn, what it will be told, and whether it waits."""

import re
from collections.abc import Mapping
from copy import copy
from typing import NamedTuple, Self

from marft_envs.seats import Part

_WAIT = re.compile(r"wait(?:\s+for\s+(\S+?))?\s*[.!]?", re.IGNORECASE)  # one open end alone: linear on any text
ANYBODY: tuple[str, ...] = ()
"""Whom an agent waits for that waits for anything it is told."""


class Resume(NamedTuple):
    """An alarm: this agent's next turn can open."""

    agent: str


class Arrival(NamedTuple):
    """An alarm: what an agent has said reaches those who listen to it."""

    words: Part
    turn: int
    """The index of the turn."""


class Pace:
    """What the clock keeps of one agent."""

    __slots__ = (
        "dropped",
        "first_end_us",
        "heard",
        "inbox",
        "is_acting",
        "is_retired",
        "parents",
        "resumes_us",
        "start_us",
        "waits_for",
        "was_dropped",
        "words",
    )

    def __init__(self) -> None:
        self.is_acting = False
        """Whether it has a turn that has not ended."""
        self.start_us = 0
        """When its latest turn opened."""
        self.first_end_us = 0
        """When that turn can end at the earliest."""
        self.parents: tuple[int, ...] = ()
        """The turns of others that it was told of as that turn opened."""
        self.words: Part | None = None
        """What it has submitted, until that is committed."""
        self.dropped = 0
        """Characters of it that were not recorded."""
        self.was_dropped = 0
        """The same of its last turn that was committed."""
        self.inbox: list[Part] = []
        """What it will be told when its next turn opens."""
        self.heard: list[int] = []
        """The turns of others whose words are in the inbox."""
        self.waits_for: tuple[str, ...] | None = None
        """Whose words it waits for; `_ANYBODY` for anything that it is told; None if it does not wait."""
        self.resumes_us = 0
        """Its next turn does not open before."""
        self.is_retired = False
        """Whether it has no more turns."""

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        copied = copy(self)
        copied.inbox = self.inbox.copy()
        copied.heard = self.heard.copy()
        return copied


def waited_for(agent: str, action: str, named: Mapping[str, tuple[str, ...]]) -> tuple[str, ...] | None:
    """Whom the agent waits for, if that is what it wrote; None if it wrote something else.

    To wait for oneself, or for somebody who is not on the team, is something else.
    """
    found = _WAIT.fullmatch(action.strip())
    if found is None:
        return None
    if found[1] is None:
        return ANYBODY
    return tuple([other for other in named.get(found[1].lower(), ()) if other != agent]) or None
