"""What a board says of a task: from the docstring of its environment, the profiles of its team, and the season."""

import inspect
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from leaderboard.replaying import environment
from leaderboard.tracks import Task, seeds_of

_ROW = re.compile(r"\| *(?P<name>\w[\w ]*?) *\| *(?P<value>.*?) *\|")
_CODE = re.compile(r"`([^`]+)`")
_LEFT_OUT = frozenset({"id", "levels", "split", "versions"})
"""Rows of a docstring's table that are told of the task itself, or of all of its levels."""


@dataclass(frozen=True, slots=True)
class Words:
    """A piece of a docstring's line."""

    text: str
    is_code: bool


@dataclass(frozen=True, slots=True)
class Seat:
    """An agent of the task's team."""

    agent: str
    max_chars: int
    """Of an action; what is longer is shortened before it is recorded."""
    answers: bool
    """Whether its action is graded."""


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """Of one task in one season."""

    task: Task
    title: str
    """The first line of the environment's docstring."""
    rows: Sequence[tuple[str, Sequence[Words]]]
    """Of the docstring's table: agents, D, observation, …"""
    docs: str
    """The environment's page, below the folder of the documentation."""
    horizon: str
    seats: Sequence[Seat]
    seeds: Sequence[int]
    bounds: tuple[float, float] | None
    """The least and the greatest score; None where the environment does not say."""


def facts_of(task: Task, season: str) -> TaskFacts:
    """Raises: TrackError, OptionError, UnknownEnvironmentError."""
    env = environment(task)
    docstring = inspect.cleandoc(sys.modules[type(env).__module__].__doc__ or "")
    low, high = env.reward_range
    unit = "simulated seconds" if env.on_clock else "round" if env.horizon == 1 else "rounds"
    return TaskFacts(
        task=task,
        title=docstring.partition("\n")[0],
        rows=tuple(
            (row["name"], tuple(_words(row["value"])))
            for line in docstring.splitlines()
            if (row := _ROW.fullmatch(line)) and row["name"] not in _LEFT_OUT
        ),
        docs=f"environments/{task.env_id}.md",
        horizon=f"{env.horizon} {unit}",
        seats=tuple(Seat(agent, one.max_action_chars, one.answers) for agent, one in env.profiles.items()),
        seeds=seeds_of(season, task),
        bounds=(low, high) if isfinite(low) and isfinite(high) else None,
    )


def _words(line: str) -> list[Words]:
    """Code stands between backticks."""
    pieces = _CODE.split(line)
    return [Words(piece, bool(place % 2)) for place, piece in enumerate(pieces) if piece]
