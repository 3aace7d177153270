"""A picture of an episode as a file of its own: D of every round, or on the clock who worked when.

It follows light and dark by itself, also where a page shows it as an image.
"""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from marft_envs.course import timing
from marft_envs.drawing.dependencies_svg import Graph, graph_of_round, graph_svg, size_of
from marft_envs.drawing.markup import Value, element, joined, source
from marft_envs.drawing.record import Record
from marft_envs.drawing.shapes import label
from marft_envs.drawing.timeline_svg import Part, timeline_parts

_MOST_WIDTH = 820
"""Where rounds go on in a row below; a page of text is about so wide."""
_BETWEEN, _ABOVE = 36, 24
_CHAR = 6.6
"""Width of a character of a round's name."""


def still_svg(record: Record) -> str:
    """The picture, as the text of an SVG file."""
    parts = _timeline(record) if record.episode.on_clock else _rounds(record)
    placed, width, height = [], 0.0, 0.0
    for x, y, part in parts:
        placed.append(element("g", {"transform": f"translate({x:g} {y:g})"}, part.markup))
        width, height = max(width, x + part.width), max(height, y + part.height)
    style = source("style", Path(__file__).with_name("picture.css").read_text(encoding="utf-8"))
    name = record.episode.env_id or "an episode"
    what = "who worked when" if record.episode.on_clock else "who reads whom in each round"
    attributes: dict[str, Value] = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {width:g} {height:g}",
        "width": width,
        "height": height,
        "role": "img",
    }
    return str(element("svg", attributes, element("title", {}, f"{name}: {what}"), style, *placed)) + "\n"


def _timeline(record: Record) -> Iterator[tuple[float, float, Part]]:
    names, plot = timeline_parts(record, timing(record.episode), "")
    yield 0.0, 0.0, names
    yield names.width, 0.0, plot


def _rounds(record: Record) -> Iterator[tuple[float, float, Part]]:
    """One after the other, and below where the row is full; rounds in a row with the same D stand once."""
    team = list(record.profiles)
    played = [(number, graph_of_round(scene.turns, team)) for number, scene in enumerate(record.scenes, start=1)]
    x, y, row_height = 0.0, 0.0, 0.0
    for graph, same in groupby(played, key=lambda one: one[1]):
        numbers = [number for number, _ in same]
        part = _round(graph, numbers[0], numbers[-1])
        if x and x + part.width > _MOST_WIDTH:
            x, y, row_height = 0.0, y + row_height + _BETWEEN / 2, 0.0
        yield x, y, part
        x, row_height = x + part.width + _BETWEEN, max(row_height, part.height)


def _round(graph: Graph, first: int, last: int) -> Part:
    words = f"round {first}" if first == last else f"rounds {first} to {last}"
    width, height = size_of(graph)
    drawn = element("g", {"transform": f"translate(0 {_ABOVE})"}, graph_svg(graph))
    return Part(max(width, len(words) * _CHAR), height + _ABOVE, joined([label(3, 14, words, "soft"), drawn]))
