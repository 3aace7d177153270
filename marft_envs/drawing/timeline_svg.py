"""When everybody worked, who waited for whom, and when what was read and paid, on the simulated clock.

A lane per agent. A turn is a bar from its start to its finish; what it says runs along its lane until the last turn
that reads it begins, and turns into every one that does.
"""

from collections.abc import Mapping, Sequence
from math import inf
from typing import NamedTuple

from marft_envs.course import Timing
from marft_envs.drawing.lanes import AXIS, BAR, Lanes, axis, lanes_of, round_ends
from marft_envs.drawing.markup import Html, Value, element, joined
from marft_envs.drawing.record import Record
from marft_envs.drawing.shapes import CHAR, box, brief, dot, label, line, picture, seconds, span
from marft_envs.pace import waited_for
from marft_envs.profiles import names_of
from marft_envs.records import Turn

TITLE = "Who worked when"
_REWARDS = "rewards"
_HEAD = 6
_HATCH = 6


def timeline_svg(record: Record, timing: Timing, prefix: str) -> Html:
    """The picture, beside the agents' names; bars lead to `#<prefix>t<index>`, and are those of the critical path.

    It scrolls sideways where there is not enough room, and the names stay.
    """
    side, plot = timeline_parts(record, timing, prefix)
    scrolls: dict[str, Value] = {"class": "timeline", "tabindex": 0, "role": "region", "aria-label": TITLE}
    return element("div", scrolls, side.markup, plot.markup)


class Part(NamedTuple):
    """A piece of a picture."""

    width: float
    height: float
    markup: Html


def timeline_parts(record: Record, timing: Timing, prefix: str) -> tuple[Part, Part]:
    """The agents' names, and what stands beside them."""
    lanes = lanes_of(record)
    height = lanes.bottom + AXIS
    name_width = max(len(brief(name)) for name in (*record.profiles, _REWARDS)) * CHAR + 14
    names = [
        lanes.coloured(agent, label(name_width - 12, y + 4.5, brief(agent), "name", "end"))
        for agent, y in lanes.middle.items()
    ]
    if record.episode.reward_events:
        names.append(label(name_width - 12, lanes.paid + 4.5, _REWARDS, "soft", "end"))
    plot = picture(
        lanes.width,
        height,
        "plot",
        TITLE,
        _told(record, timing),
        *round_ends(lanes),
        *axis(lanes),
        *_waits(lanes),
        *_readings(lanes),
        *_bars(lanes, timing, prefix),
        *_cuts(lanes),
        *_payments(lanes),
    )
    side = element(
        "svg",
        {"class": "names", "aria-hidden": "true", "width": name_width, "height": height},
        *names,
    )
    return Part(name_width, height, side), Part(lanes.width, height, plot)


def _told(record: Record, timing: Timing) -> str:
    worked = "; ".join(
        f"{agent} had {one.turns} turns, worked {seconds(one.working_us)} and waited {seconds(one.waiting_us)}"
        for agent, one in timing.agents.items()
    )
    return f"{seconds(record.end_us)} of simulated time. {worked}."


def _readings(lanes: Lanes) -> list[Html]:
    """What turns say, on its way to those that read it; it lies behind the bars."""
    turns = lanes.record.episode.turns
    joins = {turn.index: _join(lanes, turn) for turn in turns if turn.parents}
    reach: dict[int, float] = {}
    for turn in turns:
        for parent in turn.parents:
            reach[parent] = max(reach.get(parent, 0.0), joins[turn.index])
    parts = []
    for index, end in reach.items():
        speaker = turns[index]
        said = f"M {lanes.x(speaker.finish_us):g} {lanes.middle[speaker.agent]:g} H {end:g}"
        parts.append(lanes.coloured(speaker.agent, line(said, "said")))
    for turn in turns:
        if turn.parents:
            speakers = {turns[parent].agent: None for parent in turn.parents}
            heights = [lanes.middle[agent] for agent in speakers]
            parts.append(lanes.coloured(turn.agent, *_into(joins[turn.index], lanes.middle[turn.agent], heights)))
    return parts


def _join(lanes: Lanes, turn: Turn) -> float:
    """Where the line goes into a turn: behind its start, and beside those of others that start then."""
    place = list(lanes.middle).index(turn.agent)
    width = lanes.x(turn.finish_us) - lanes.x(turn.start_us)
    return lanes.x(turn.start_us) + min(7 + 4 * (place % 4), width / 2)


def _into(x: float, y: float, heights: Sequence[float]) -> list[Html]:
    parts = [dot(x, height, "joins") for height in heights]
    above, below = min(heights), max(heights)
    if above < y:
        edge = y - BAR / 2
        parts.append(line(f"M {x:g} {above:g} V {edge - _HEAD:g}", "reads"))
        parts.append(line(f"M {x - 3.5:g} {edge - _HEAD:g} h 7 L {x:g} {edge:g} z", "head"))
    if below > y:
        edge = y + BAR / 2
        parts.append(line(f"M {x:g} {below:g} V {edge + _HEAD:g}", "reads"))
        parts.append(line(f"M {x - 3.5:g} {edge + _HEAD:g} h 7 L {x:g} {edge:g} z", "head"))
    return parts


def _waits(lanes: Lanes) -> list[Html]:
    """The times before turns, in which an agent did nothing."""
    parts = []
    episode = lanes.record.episode
    for agent, y in lanes.middle.items():
        ended_us = 0
        turns = [(turn.agent, turn.start_us, turn.finish_us) for turn in episode.turns]
        turns += [(cut.agent, cut.start_us, lanes.record.end_us) for cut in episode.cuts]
        for other, start_us, finish_us in turns:
            if other == agent:
                if start_us > ended_us:
                    parts.append(line(f"M {lanes.x(ended_us) + 2:g} {y:g} H {lanes.x(start_us) - 2:g}", "waits"))
                ended_us = finish_us
    return parts


def _bars(lanes: Lanes, timing: Timing, prefix: str) -> list[Html]:
    """The turns; that of somebody who wrote that it waits is hollow."""
    critical = frozenset(timing.critical_path)
    parts = []
    for turn in lanes.record.episode.turns:
        begin, end = lanes.x(turn.start_us), lanes.x(turn.finish_us)
        is_waiting = _is_waiting(lanes.record, turn)
        style = f"bar{' pause' if is_waiting else ''}{' critical' if turn.index in critical else ''}"
        top = lanes.middle[turn.agent] - BAR / 2
        drawn = [box(begin + 0.75, top, max(end - begin - 1.5, 1.5), BAR, style)]
        number = str(turn.index)
        if end - begin > len(number) * CHAR + 4:
            drawn.append(
                label((begin + end) / 2, top + BAR / 2 + 4.5, number, "pausing" if is_waiting else "inbar", "middle")
            )
        words = f"#{turn.index} {turn.agent}, {span(turn.start_us, turn.finish_us)}"
        attributes = {"href": f"#{prefix}t{turn.index}", "class": "turn", "data-agent": turn.agent, "aria-label": words}
        linked = element("a", attributes, element("title", {}, words), *drawn)
        parts.append(lanes.coloured(turn.agent, linked))
    return parts


def _is_waiting(record: Record, turn: Turn) -> bool:
    """Whether that is what the agent wrote."""
    return record.episode.on_clock and waited_for(turn.agent, turn.action, names_of(record.profiles)) is not None


def _cuts(lanes: Lanes) -> list[Html]:
    """Turns that the end left unfinished, hatched."""
    parts = []
    for cut in lanes.record.episode.cuts:
        begin, end = lanes.x(cut.start_us), max(lanes.x(lanes.record.end_us), lanes.x(cut.start_us) + 2)
        top = lanes.middle[cut.agent] - BAR / 2
        strokes = [
            f"M {x:g} {top + BAR:g} L {min(x + BAR, end):g} {top + BAR - (min(x + BAR, end) - x):g}"
            for x in (begin + _HATCH * step for step in range(int((end - begin) / _HATCH) + 1))
        ]
        title = element("title", {}, f"{cut.agent} from {seconds(cut.start_us)}, cut off by the end")
        shapes = (box(begin, top, end - begin, BAR, "cut"), line(" ".join(strokes), "hatch"))
        parts.append(lanes.coloured(cut.agent, element("g", {}, title, *shapes)))
    return parts


def _payments(lanes: Lanes) -> list[Html]:
    """What was paid, when: in a lane of its own."""
    paid: dict[int, dict[str, float]] = {}
    for event in lanes.record.episode.reward_events:
        amounts = paid.setdefault(event.time_us, {})
        amounts[event.agent] = amounts.get(event.agent, 0.0) + event.amount
    times_us = sorted(paid)
    following_us = [*times_us[1:], inf]
    return [_payment(lanes, us, next_us, paid[us]) for us, next_us in zip(times_us, following_us, strict=False)]


def _payment(lanes: Lanes, time_us: int, next_us: float, amounts: Mapping[str, float]) -> Html:
    """A mark, and the amount beside it where everybody got the same and there is room before the next."""
    x, y = lanes.x(time_us), lanes.paid
    total = sum(amounts.values())
    style = "gain" if total > 0 else "loss" if total < 0 else "even"
    told = ", ".join(f"{agent} {amount:+.6g}" for agent, amount in amounts.items())
    drawn = [
        element("title", {}, f"{told} at {seconds(time_us)}"),
        line(f"M {x:g} {y - 5:g} l 5 5 l -5 5 l -5 -5 z", style),
    ]
    everybody = set(amounts.values()) if len(amounts) == len(lanes.middle) else set()
    words = f"{everybody.pop():+.3g}" if len(everybody) == 1 else ""
    if words and x + 14 + len(words) * CHAR < lanes.x(next_us):
        drawn.append(label(x + 9, y + 4.5, words, style))
    return element("g", {}, *drawn)


def legend(record: Record, timing: Timing) -> Html:
    """What the signs of the timeline mean: those that it has."""
    episode = record.episode
    pauses = any(_is_waiting(record, turn) for turn in episode.turns)
    waits = any(one.waiting_us for one in timing.agents.values())
    signs = {
        "turn": (True, box(1, 3, 24, 12, "bar")),
        "on the critical path": (bool(episode.turns), box(1, 3, 24, 12, "bar critical")),
        "waits": (waits, line("M 1 9 H 25", "waits")),
        "writes that it waits": (pauses, box(1, 3, 24, 12, "bar pause")),
        "is read by": (
            any(turn.parents for turn in episode.turns),
            joined([line("M 1 4 H 17 V 9", "reads"), line("M 13.5 9 h 7 l -3.5 6 z", "head")]),
        ),
        "cut off by the end": (bool(episode.cuts), box(1, 3, 24, 12, "cut")),
        "end of a round": (not episode.on_clock, line("M 13 1 V 17", "commit")),
        "reward": (bool(episode.reward_events), line("M 13 4 l 5 5 l -5 5 l -5 -5 z", "gain")),
    }
    items = [
        element(
            "li",
            {},
            element("svg", {"width": 26, "height": 18, "aria-hidden": "true"}, sign),
            element("span", {}, words),
        )
        for words, (is_there, sign) in signs.items()
        if is_there
    ]
    return element("ul", {"class": "legend"}, *items)
