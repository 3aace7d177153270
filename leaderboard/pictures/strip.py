"""A team's score on every task of a scope, in a cell of a table: bars, and dots where it has not played."""

from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.rows import Row
from leaderboard.task_facts import TaskFacts

HEIGHT, FOOT = 18, 16
"""Of the picture; and where its bars stand."""
_STEP, _BETWEEN = 6, 4
"""From bar to bar; and besides from family to family."""
_EDGE = 3


@dataclass(frozen=True, slots=True)
class Strip:
    """The picture."""

    width: float
    bars: str
    """Path of all bars; the lowest score is as high as a dot is."""
    dots: str
    """Path of what was not played."""


def strip(row: Row, tasks: Sequence[TaskFacts]) -> Strip | None:
    """None where a task does not say between which bounds its scores are."""
    x, bars, dots, family = float(_EDGE), "", "", tasks[0].task.family
    for facts in tasks:
        if facts.bounds is None:
            return None
        if facts.task.family != family:
            family, x = facts.task.family, x + _BETWEEN
        played = row.played.get(facts.task.key)
        if played is None:
            dots += f"M{x:g} {FOOT}h0"
        else:
            low, high = facts.bounds
            share = min(max((played.result.scores.score - low) / (high - low), 0.0), 1.0)
            bars += f"M{x:g} {FOOT}V{FOOT - 1 - share * (FOOT - 3):.1f}"
        x += _STEP
    return Strip(x - _STEP + _EDGE, bars, dots)
