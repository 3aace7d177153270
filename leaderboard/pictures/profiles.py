"""How evenly teams do: the share of tasks, or of instances, on which they score above a threshold."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from leaderboard.pictures.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis
from leaderboard.rows import Row, Section
from leaderboard.statistics import Profile, performance_profile
from leaderboard.team_scores import Bounds, task_profile

MOST_LINES = 6
"""More cannot be told apart."""
LEAST_TASKS = 3
_THRESHOLDS = 101


@dataclass(frozen=True, slots=True)
class Line:
    """A team's profile."""

    row: Row
    path: str
    band: str


@dataclass(frozen=True, slots=True)
class Profiles:
    """The picture."""

    of: str
    """"tasks", or of a single one "instances"."""
    x: Axis
    y: Axis
    lines: Sequence[Line]


def profiles(section: Section, bounds: Bounds | None, num_tasks: int) -> Profiles | None:
    """Of the leaders. None where they would say nothing: few tasks, or one on which one can but succeed or fail."""
    rows = section.whole[:MOST_LINES]
    if not rows or bounds is None or not _say_something(rows, bounds, num_tasks):
        return None
    low, high = bounds
    points = [low + (high - low) * place / (_THRESHOLDS - 1) for place in range(_THRESHOLDS)]
    x, y = Axis(low, high, LEFT, WIDTH - RIGHT), Axis(0.0, 1.0, HEIGHT - BOTTOM, TOP)
    lines = [_line(row, _profile(row, points, num_tasks), x, y) for row in rows]
    return Profiles("instances" if num_tasks == 1 else "tasks", x, y, lines)


def _say_something(rows: Sequence[Row], bounds: Bounds, num_tasks: int) -> bool:
    if num_tasks > 1:
        return num_tasks >= LEAST_TASKS
    return any(score not in bounds for row in rows for scores in row.scores.values() for score in scores.values())


def _profile(row: Row, points: Sequence[float], num_tasks: int) -> Profile:
    if num_tasks > 1:
        return task_profile(row.scores, points)
    return performance_profile({key: list(scores.values()) for key, scores in row.scores.items()}, points)


def _line(row: Row, profile: Profile, x: Axis, y: Axis) -> Line:
    places = [x.at(float(value)) for value in profile.thresholds]
    middle, low, high = (
        _steps(places, [y.at(float(value)) for value in values])
        for values in (profile.shares, profile.low, profile.high)
    )
    return Line(row, _path(middle), f"{_path([*high, *low[::-1]])}Z")


def _steps(xs: Sequence[float], ys: Sequence[float]) -> list[tuple[float, float]]:
    """Along each height, until at one of the points there is another one."""
    found = [(xs[0], ys[0])]
    for (_, y), (x, other) in pairwise(zip(xs, ys, strict=True)):
        if y != other:
            found += [(x, y), (x, other)]
    return [*found, (xs[-1], ys[-1])]


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
