"""A page that shows episodes, complete in itself: no server, no network, and nothing in it runs but our own script.

The policy in its head allows one style sheet and one script, both by their hash, and forbids everything else: whatever
slipped through the escaping would be shown, and would do nothing. The page says everything without the script, which
adds a choice of agents and opens what a link leads to.
"""

from base64 import b64encode
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from statistics import fmean

from marft_envs.course import timing
from marft_envs.drawing.dependencies_svg import Graph, graph_symbol, graph_use
from marft_envs.drawing.head import agents_table, facts, on_a_line, outcome, returns, team, titles
from marft_envs.drawing.markup import Html, document, element, joined, source
from marft_envs.drawing.record import Record
from marft_envs.drawing.shapes import seconds
from marft_envs.drawing.timeline_svg import legend, timeline_svg
from marft_envs.drawing.transcript import transcript

PAGE_MARK = '<meta name="generator" content="marft render">'
"""Stands in the head of every page: one that has it may be written over."""

_TEXT = dict.fromkeys(("return", "ended", "environment", "level"), "text")
"""The class of columns that hold no plain numbers."""

_MOST_CHARS_OF_TITLE = 200
_STYLES = ("picture.css", "style.css")


def draw_page(records: Sequence[Record], *, first: int = 0, of: int | None = None) -> str:
    """The page of these episodes, the same for the same ones wherever it is made.

    Args:
        records: One or more.
        first: Place of the first in its log, from 0.
        of: How many episodes the log has; by default these are all.
    """
    graphs = _Graphs()
    episodes = [
        _episode(record, first + place + 1, graphs, alone=len(records) == 1, opens=not place)
        for place, record in enumerate(records)
    ]
    title = titles(records)
    body = joined(
        [
            element("a", {"class": "skip", "href": "#content"}, "to the episodes"),
            graphs.definitions(),
            _header(title, records, first, len(records) if of is None else of),
            element("main", {"id": "content"}, *([_list(records, first)] if len(records) > 1 else []), *episodes),
            source("script", _source("script.js")),
        ]
    )
    return document(_head(title), body)


def as_html(words: str) -> str:
    """A text as HTML for other pages: escaped, and marks of the class `unseen` for what cannot be seen in it."""
    return str(joined([words]))


@lru_cache
def _source(*names: str) -> str:
    return "\n".join([Path(__file__).with_name(name).read_text(encoding="utf-8") for name in names])


def _hash(code: str) -> str:
    return "'sha256-" + b64encode(sha256(code.encode()).digest()).decode() + "'"


def _head(title: str) -> Html:
    style = _source(*_STYLES)
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(_source('script.js'))}; "
        "base-uri 'none'; form-action 'none'"
    )
    return joined(
        [
            element("meta", {"charset": "utf-8"}),
            element("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
            element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
            element("meta", {"name": "color-scheme", "content": "light dark"}),
            element("meta", {"name": "referrer", "content": "no-referrer"}),
            element("meta", {"name": "generator", "content": "marft render"}),
            element("title", {}, title[:_MOST_CHARS_OF_TITLE]),
            source("style", style),
        ]
    )


class _Graphs:
    """Every graph is defined once in a page, and shown wherever it comes: sixty rounds may all have the same D."""

    def __init__(self) -> None:
        self._names: dict[Graph, str] = {}

    def show(self, graph: Graph) -> Html:
        return graph_use(graph, self._names.setdefault(graph, f"d{len(self._names)}"))

    def definitions(self) -> Html:
        symbols = [graph_symbol(graph, name) for graph, name in self._names.items()]
        return element("svg", {"class": "definitions", "aria-hidden": "true", "width": 0, "height": 0}, *symbols)


def _header(title: str, records: Sequence[Record], first: int, of: int) -> Html:
    count = len(records)
    parts = [element("h1", {}, on_a_line(title))]
    if count < of:
        which = f"episode {first + 1}" if count == 1 else f"episodes {first + 1:,} to {first + count:,}"
        parts.append(element("p", {"class": "soft"}, f"This page shows {which}; the log has {of - count:,} more."))
    if count > 1:
        mean = fmean(fmean(record.episode.returns.values()) for record in records)
        parts.append(element("p", {"class": "soft"}, f"{count} episodes, mean return {mean:.3f}"))
    return element("header", {"class": "page"}, *parts)


def _list(records: Sequence[Record], first: int) -> Html:
    """A line for each episode."""
    columns = ("return", "ended", "environment", "level", "seed", "turns", "time")
    left_out = {"environment"} if len({record.episode.env_id for record in records}) == 1 else set()
    left_out |= set() if any(record.level for record in records) else {"level"}
    heads = [
        element("th", {"scope": "col", "class": _TEXT.get(name)}, name)
        for name in ("episode", *columns)
        if name not in left_out
    ]
    rows = []
    for number, record in enumerate(records, start=first + 1):
        episode = record.episode
        values = (
            returns(record),
            outcome(record),
            str(episode.env_id),
            record.level or "",
            str(episode.seed),
            str(len(episode.turns)),
            seconds(record.end_us),
        )
        cells = [
            element("td", {"class": _TEXT.get(name)}, on_a_line(value))
            for name, value in zip(columns, values, strict=True)
            if name not in left_out
        ]
        link = element("a", {"href": f"#e{number}"}, f"{number}")
        rows.append(element("tr", {}, element("th", {"scope": "row"}, link), *cells))
    table = element("table", {}, element("thead", {}, element("tr", {}, *heads)), element("tbody", {}, *rows))
    return element("nav", {"aria-label": "Episodes", "class": "scrolls"}, table)


def _episode(record: Record, number: int, graphs: _Graphs, *, alone: bool, opens: bool) -> Html:
    """One episode; among others it is folded, unless it `opens`."""
    prefix = f"e{number}"
    measured = timing(record.episode)
    parts = [
        facts(record, measured),
        element("h3", {}, "Timeline"),
        timeline_svg(record, measured, prefix),
        legend(record, measured),
        agents_table(record, measured),
        team(record),
        element("div", {"class": "scenes"}, transcript(record, measured, prefix, graphs.show)),
        _ending(record),
    ]
    if alone:
        return element("article", {"class": "episode", "id": prefix}, *parts)
    summary = element(
        "summary",
        {},
        element("h2", {}, f"Episode {number}"),
        element(
            "span",
            {"class": "soft"},
            "return ",
            on_a_line(returns(record)),
            f", {outcome(record)}, seed {record.episode.seed}",
        ),
    )
    return element("details", {"class": "episode", "id": prefix, "open": opens}, summary, *parts)


def _ending(record: Record) -> Html:
    return element(
        "p",
        {"class": "ending"},
        f"{outcome(record)} at {seconds(record.end_us)} · return ",
        on_a_line(returns(record)),
    )
