"""The lanes of a timeline: where on it an agent and a time are, its axis, and the ends of rounds."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from marft_envs.drawing.markup import Html, element
from marft_envs.drawing.record import Record
from marft_envs.drawing.shapes import CHAR, colour_of, label, line, seconds

LANE, BAR, AXIS = 42, 22, 26
_TOP, _TOP_OF_ROUNDS = 8, 28
_LEAST_WIDTH, _MOST_WIDTH = 780, 24_000
"""Of all the time: what a desk shows at once, and what a browser still draws as one picture."""
_BAR_WIDTH = 44
"""Of a turn that is neither short nor long, where the whole is not too wide for it."""
_RIGHT = 64
"""Behind the end, for the words at it."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """Where on the picture an agent and a time are, in pixels."""

    record: Record
    per_us: float
    top: float
    middle: Mapping[str, float]
    """Of every agent's lane."""
    bottom: float
    """Of the last lane; the axis is below it."""

    @property
    def paid(self) -> float:
        """The middle of the lane of rewards, if there are any: the last one."""
        return self.bottom - LANE / 2

    def x(self, time_us: float) -> float:
        return 1 + time_us * self.per_us

    @property
    def width(self) -> float:
        return self.x(self.record.end_us) + _RIGHT

    def coloured(self, agent: str, *parts: Html) -> Html:
        return element("g", {"class": colour_of(list(self.record.profiles).index(agent))}, *parts)


def lanes_of(record: Record) -> Lanes:
    """Lanes in which a usual turn is wide enough for its number."""
    end_us = max(record.end_us, 1)
    lasts_us = [turn.finish_us - turn.start_us for turn in record.episode.turns] or [end_us]
    width = min(max(_LEAST_WIDTH, end_us * _BAR_WIDTH / max(median(lasts_us), 1)), _MOST_WIDTH)
    top = _TOP if record.episode.on_clock else _TOP_OF_ROUNDS
    middle = {agent: top + LANE * (place + 0.5) for place, agent in enumerate(record.profiles)}
    num_lanes = len(middle) + bool(record.episode.reward_events)
    return Lanes(record, width / end_us, top, middle, top + LANE * num_lanes)


def round_ends(lanes: Lanes) -> list[Html]:
    """Rounds, and the lines between them; on the clock there are none."""
    parts: list[Html] = []
    if lanes.record.episode.on_clock:
        return parts
    last = -float("inf")
    for scene in lanes.record.scenes:
        begin, end = lanes.x(scene.start_us), lanes.x(scene.end_us)
        parts.append(line(f"M {end:g} {lanes.top - 8:g} V {lanes.bottom:g}", "commit"))
        if begin >= last:
            words = scene.title if end - begin > len(scene.title) * CHAR else scene.title.rpartition(" ")[2]
            parts.append(label((begin + end) / 2, 15, words, "soft", "middle"))
            last = (begin + end) / 2 + len(words) * CHAR / 2
    return parts


def axis(lanes: Lanes) -> list[Html]:
    """Simulated seconds, a tick about every hundred pixels."""
    y = lanes.bottom
    parts = [line(f"M 0 {y:g} H {lanes.x(lanes.record.end_us):g}", "axis")]
    step_us = _step_us(100 / lanes.per_us)
    for time_us in range(0, lanes.record.end_us + 1, step_us):
        x = lanes.x(time_us)
        parts.append(line(f"M {x:g} {y:g} v 5", "axis"))
        parts.append(label(x, y + 19, seconds(time_us), "soft", "middle" if time_us else "start"))
    return parts


def _step_us(least_us: float) -> int:
    """The least of 1, 2, 5, 10, 20, 50 … microseconds that is not less."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if step * factor >= least_us:
                return step * factor
        step *= 10
