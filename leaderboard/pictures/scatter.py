"""Score against cost: every team a dot, the front of each division a line, names where there is room."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from leaderboard.pictures.axes import LEFT, RIGHT, WIDTH, Axis, cost_axis, score_axis
from leaderboard.rows import Cost, Row, Section
from leaderboard.shown import shortened
from leaderboard.team_scores import Bounds

_CHAR, _CAPITAL = 7.4, 10
"""Width and height of a letter of a label, or a little more."""
_DOT, _BESIDE = 5, 9
"""From a dot's middle to its edge, and to its label."""


@dataclass(frozen=True, slots=True)
class Dot:
    """A team."""

    row: Row
    division: str
    x: float
    y: float
    is_on_front: bool


@dataclass(frozen=True, slots=True)
class Label:
    """A name beside its dot."""

    text: str
    x: float
    """Of its left end."""
    y: float
    """Of its base line."""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """What it covers: left, top, right, bottom."""
        return self.x, self.y - _CAPITAL, self.x + len(self.text) * _CHAR, self.y + 2


@dataclass(frozen=True, slots=True)
class Level:
    """What a script scores, across the plot."""

    script: str
    y: float
    label: Label


@dataclass(frozen=True, slots=True)
class Scatter:
    """The picture."""

    cost: Cost
    x: Axis
    y: Axis
    dots: Sequence[Dot]
    fronts: Mapping[str, str]
    """Division -> path of the stairs that join its front."""
    levels: Sequence[Level]
    labels: Sequence[Label]
    """Of those on a front, as far as there is room."""

    @property
    def on_front(self) -> Sequence[Dot]:
        """Division by division, the cheapest first."""
        return sorted((dot for dot in self.dots if dot.is_on_front), key=lambda dot: (dot.division != "trained", dot.x))


def scatter(
    sections: Sequence[Section], cost: Cost, bounds: Bounds | None, scale: Mapping[str, float]
) -> Scatter | None:
    """None if nobody has both a score and this cost.

    Scripts have no cost that says anything, so they are levels: `scale` is what they score.
    """
    shown = [section for section in sections if section.division != "scripted"]
    points = [
        (section.division, row, row.mean.estimate, row.costs[cost])
        for section in shown
        for row in section.whole
        if row.mean is not None and row.costs is not None and row.costs.get(cost, 0.0) > 0
    ]
    if not points:
        return None
    x, y = cost_axis([amount for _, _, _, amount in points]), score_axis(bounds, shown)
    fronts = {section.division: {row.entry.team.slug for row in section.front(cost)} for section in shown}
    dots = [
        Dot(row, division, x.at(amount), y.at(score), row.entry.team.slug in fronts[division])
        for division, row, score, amount in points
    ]
    stairs = {division: _stairs([dot for dot in dots if dot.division == division]) for division in fronts}
    levels = [_level(script, y.at(score)) for script, score in scale.items() if y.low <= score <= y.high]
    found: dict[str, str] = {division: path for division, path in stairs.items() if path}
    return Scatter(cost, x, y, dots, found, levels, _labels(dots, levels))


def _level(script: str, y: float) -> Level:
    text = f"{script} play"
    return Level(script, y, Label(text, WIDTH - RIGHT - len(text) * _CHAR, y - 5))


def _stairs(dots: Iterable[Dot]) -> str:
    """Along the front: for so much, nobody scores higher. Empty where it has one team alone."""
    front = sorted({(dot.x, dot.y) for dot in dots if dot.is_on_front})
    steps = "".join(f"H{x:.1f}V{y:.1f}" for _, (x, y) in pairwise(front))
    return f"M{front[0][0]:.1f} {front[0][1]:.1f}{steps}" if steps else ""


def _labels(dots: Sequence[Dot], levels: Sequence[Level]) -> list[Label]:
    """Each where it covers no dot and no other label, those at the top first; where there is no such place, none."""
    taken = [(dot.x - _DOT, dot.y - _DOT, dot.x + _DOT, dot.y + _DOT) for dot in dots]
    taken += [level.label.box for level in levels]
    found = []
    for dot in sorted((dot for dot in dots if dot.is_on_front), key=lambda dot: (dot.y, dot.x)):
        free = next((label for label in _places(dot) if not any(_overlap(label.box, other) for other in taken)), None)
        if free is not None:
            found.append(free)
            taken.append(free.box)
    return found


def _places(dot: Dot) -> Iterable[Label]:
    """Where its label may stand, the best place first: a front runs to the right of its dots, so that one is last."""
    text = shortened(dot.row.entry.name)
    width = len(text) * _CHAR
    for y in (dot.y - 8, dot.y + 16, dot.y + 4):
        for x in (dot.x + 2, dot.x - width - 2, dot.x - _BESIDE - width, dot.x + _BESIDE):
            if x >= LEFT and x + width <= WIDTH - 2:
                yield Label(text, x, y)


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
