"""From numbers to places, and the intervals that stand in tables."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from leaderboard.rows import Section
from leaderboard.statistics import Interval
from leaderboard.team_scores import Bounds

WIDTH, HEIGHT = 640, 350
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 30, 46
"""Of a plot's area, to the edges of the picture."""
BAR_WIDTH, BAR_EDGE = 120, 5
"""Of an interval in a table."""
_STEPS = (1, 2, 5)
_MOST_TICKS = 6
_MOST_DECADES = 3
"""With ticks at all steps; of more the powers of ten alone have one."""
_ROOM = 0.06
"""Beside the outermost points, as a share of the axis."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis."""

    at: float
    value: float


@dataclass(frozen=True, slots=True)
class Axis:
    """From numbers to places."""

    low: float
    high: float
    start: float
    """Where `low` lies."""
    end: float
    is_log: bool = False

    def at(self, value: float) -> float:
        """Where a number lies; what is beyond an end lies there."""
        value = min(max(value, self.low), self.high)
        low, high, value = (math.log10(one) if self.is_log else one for one in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """At round numbers."""
        values = _decades(self.low, self.high) if self.is_log else _round_numbers(self.low, self.high)
        return tuple(Tick(self.at(value), value) for value in values)


@dataclass(frozen=True, slots=True)
class Bar:
    """An interval in a table."""

    low: float
    high: float
    at: float


def bar_axis(bounds: Bounds | None, sections: Iterable[Section]) -> Axis:
    """Of the intervals in a scope's tables: the bounds of scores, or what there is of them."""
    low, high = score_range(bounds, sections)
    return Axis(low, high, BAR_EDGE, BAR_WIDTH - BAR_EDGE)


def bar(axis: Axis, interval: Interval) -> Bar:
    """An interval on it."""
    return Bar(axis.at(interval.low), axis.at(interval.high), axis.at(interval.estimate))


def score_axis(bounds: Bounds | None, sections: Iterable[Section]) -> Axis:
    """Upwards, in a plot."""
    low, high = score_range(bounds, sections)
    return Axis(low, high, HEIGHT - BOTTOM, TOP)


def cost_axis(amounts: Iterable[float]) -> Axis:
    """To the right, in a plot, logarithmic: all amounts are positive."""
    powers = [math.log10(amount) for amount in amounts]
    low, high = min(powers), max(powers)
    room = max((high - low) * _ROOM, 0.05)
    return Axis(10 ** (low - room), 10 ** (high + room), LEFT, WIDTH - RIGHT, is_log=True)


def score_range(bounds: Bounds | None, sections: Iterable[Section]) -> Bounds:
    """The bounds, or without them from the least to the greatest end of all intervals, with some room."""
    if bounds is not None:
        return bounds
    means = [row.mean for section in sections for row in section.whole if row.mean is not None]
    ends = [end for one in means for end in (one.low, one.high) if math.isfinite(end)]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    room = (high - low) * _ROOM or 0.5
    return low - room, high + room


def _round_numbers(low: float, high: float) -> list[float]:
    """At most `_MOST_TICKS` multiples of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** (math.floor(math.log10(high - low)) - 1)
    step = next(
        factor * scale
        for scale in (power, power * 10, power * 100)
        for factor in _STEPS
        if (high - low) / (factor * scale) < _MOST_TICKS
    )
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]


def _decades(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten; powers alone where these are many, other round numbers where they are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = _STEPS if math.log10(high / low) <= _MOST_DECADES else (1,)
    found = [value for power in powers for factor in factors if low <= (value := factor * 10.0**power) <= high]
    return found if len(found) >= len(_STEPS) else [value for value in _round_numbers(low, high) if value > 0]
