"""What was told, said and paid, scene by scene."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from marft_envs.course import Timing, reads
from marft_envs.drawing.dependencies_svg import Graph, graph_of_round, graph_of_turns
from marft_envs.drawing.markup import Html, element, joined
from marft_envs.drawing.record import Record, Scene
from marft_envs.drawing.shapes import colour_of, seconds, span
from marft_envs.history import told_to
from marft_envs.records import RewardEvent, Turn

FOLDED = 2400
"""Longer texts are folded behind their beginning, in characters."""
_BEGINNING = 1600
_FOLDED_LINES, _BEGINNING_LINES = 48, 32
MOST_CHARS = 100_000
"""Of one text; what a page leaves out of it is in the log."""

GraphDrawer = Callable[[Graph], Html]
"""Shows a graph; a page shows one that comes again from a single definition."""


@dataclass(frozen=True, slots=True)
class _Teller:
    record: Record
    prefix: str
    draw: GraphDrawer
    read: Sequence[tuple[int, ...]]
    critical: frozenset[int]
    """The turns of the critical path; none where it has all of them, since then it tells nobody apart."""
    unread: frozenset[int]

    @property
    def team(self) -> list[str]:
        return list(self.record.profiles)


def transcript(record: Record, timing: Timing, prefix: str, draw: GraphDrawer) -> Html:
    """All scenes. Turns have the ids `<prefix>t<index>`, scenes `<prefix>s<number>`."""
    teller = _Teller(
        record=record,
        prefix=prefix,
        draw=draw,
        read=reads(record.episode),
        critical=frozenset(timing.critical_path if len(timing.critical_path) < len(record.episode.turns) else ()),
        unread=frozenset(timing.unread),
    )
    scenes = [_scene(teller, number, scene) for number, scene in enumerate(record.scenes)]
    return joined([*scenes, *([_unfinished(teller)] if record.episode.cuts else [])])


def words(text: str) -> Html:
    """What somebody wrote or was told, in its own lines; a long one is folded."""
    if not text:
        return element("p", {"class": "nothing"}, "nothing: the text is empty")
    place = _end_of_beginning(text)
    parts = [_block(text[:place])]
    rest = text[place:MOST_CHARS]
    if rest:
        summary = element("summary", {}, f"{_count(len(rest), 'more character')}")
        parts.append(element("details", {"class": "more"}, summary, _block(rest)))
    if len(text) > MOST_CHARS:
        left = _count(len(text) - MOST_CHARS, "further character")
        parts.append(element("p", {"class": "nothing"}, f"{left} of this text: see the log"))
    return joined(parts)


def _block(text: str) -> Html:
    return element("div", {"class": "words", "dir": "auto"}, text)


def _end_of_beginning(text: str) -> int:
    """How much of a text is shown at once: all of it, or up to the end of a line or a word near the limit."""
    lines = text[:FOLDED].splitlines(keepends=True)
    if len(text) <= FOLDED and len(lines) <= _FOLDED_LINES:
        return len(text)
    place = min(_BEGINNING, sum(map(len, lines[:_BEGINNING_LINES])))
    for end in ("\n", " "):
        found = text.rfind(end, place * 3 // 4, place)
        if found >= 0:
            return found + 1
    return place


def _scene(teller: _Teller, number: int, scene: Scene) -> Html:
    told = [_told(scene.views, teller.team, "told ")] if scene.views else []
    said = [_turn(teller, turn) for turn in scene.turns]
    answers = [_told(feedback, teller.team, "feedback to ") for feedback in scene.feedback]
    paid = [_paid(scene.rewards, teller.team)] if scene.rewards else []
    on_clock = teller.record.episode.on_clock
    order = (
        [*_graph(teller, scene), *said, *answers, *paid, *told]
        if on_clock
        else [*told, *_graph(teller, scene), *said, *answers, *paid]
    )
    hidden = [_hidden(scene.hidden)] if scene.hidden else []
    lasts = "" if on_clock else span(scene.start_us, scene.end_us)
    name = f"{teller.prefix}s{number}"
    head = element(
        "header",
        {},
        element("h3", {"id": f"{name}h"}, scene.title),
        element("span", {"class": "soft"}, lasts),
    )
    return element("section", {"class": "scene", "id": name, "aria-labelledby": f"{name}h"}, head, *hidden, *order)


def _graph(teller: _Teller, scene: Scene) -> list[Html]:
    """D; on the clock only where somebody had been told something, since a turn alone says nothing."""
    turns, episode = scene.turns, teller.record.episode
    if not turns or (episode.on_clock and not any(turn.parents for turn in turns)):
        return []
    graph = (
        graph_of_turns(turns, episode.turns, teller.team) if episode.on_clock else graph_of_round(turns, teller.team)
    )
    return [
        element(
            "div",
            {"class": "scrolls", "tabindex": 0, "role": "region", "aria-label": "Who reads whom"},
            teller.draw(graph),
        )
    ]


def _told(texts: Mapping[str, str], team: Sequence[str], what: str) -> Html:
    return joined(
        element(
            "div",
            {"class": f"told {what.partition(' ')[0]}"},
            element("p", {"class": "to"}, what, _name(names)),
            words(text),
        )
        for names, text in told_to(texts, team)
    )


def _hidden(text: str) -> Html:
    return element("details", {"class": "hidden"}, element("summary", {}, "Hidden from the team"), words(text))


def _turn(teller: _Teller, turn: Turn) -> Html:
    name = f"{teller.prefix}t{turn.index}"
    facts = [
        element("a", {"class": "index", "href": f"#{name}", "aria-label": f"turn {turn.index}"}, f"#{turn.index}"),
        element("span", {"class": "soft"}, span(turn.start_us, turn.finish_us)),
    ]
    if read := teller.read[turn.index]:
        links = [element("a", {"href": f"#{teller.prefix}t{index}"}, f"#{index}") for index in read]
        facts.append(element("span", {"class": "soft"}, "read ", *_spaced(links)))
    facts += [
        element("span", {"class": "sign"}, sign)
        for sign, is_so in (
            (f"{_count(turn.shortened, 'character')} dropped", turn.shortened),
            ("critical path", turn.index in teller.critical),
            ("never read", turn.index in teller.unread),
        )
        if is_so
    ]
    head = element("header", {}, element("strong", {"id": f"{name}h"}, _name(turn.agent)), *facts)
    style = f"said-by {colour_of(teller.team.index(turn.agent))}"
    attributes = {"class": style, "id": name, "data-agent": turn.agent, "aria-labelledby": f"{name}h"}
    return element("article", attributes, head, words(turn.action))


def _unfinished(teller: _Teller) -> Html:
    """The turns that the end cut off, with their words as far as there were any."""
    name = f"{teller.prefix}unfinished"
    cuts = []
    for cut in teller.record.episode.cuts:
        since = element("span", {"class": "soft"}, f"from {seconds(cut.start_us)}")
        said = words(cut.action) if cut.action is not None else element("p", {"class": "nothing"}, "not known")
        attributes = {"class": f"said-by unfinished {colour_of(teller.team.index(cut.agent))}", "data-agent": cut.agent}
        who = element("header", {}, element("strong", {}, _name(cut.agent)), since)
        cuts.append(element("article", attributes, who, said))
    head = element("header", {}, element("h3", {"id": name}, "Cut off by the end"))
    return element("section", {"class": "scene", "aria-labelledby": name}, head, *cuts)


def _spaced(parts: Iterable[Html]) -> Iterable[str]:
    for number, part in enumerate(parts):
        yield from (" ", part) if number else (part,)


def _paid(events: Sequence[RewardEvent], team: Sequence[str]) -> Html:
    """What a scene paid: one number where everybody got the same."""
    totals: dict[str, float] = {}
    for event in events:
        totals[event.agent] = totals.get(event.agent, 0.0) + event.amount
    amounts = set(totals.values())
    if len(totals) == len(team) > 1 and len(amounts) == 1:
        totals = {"each": amounts.pop()}
    signs = [
        element(
            "li", {"class": "gain" if amount > 0 else "loss" if amount < 0 else ""}, _name(agent), f" {amount:+.6g}"
        )
        for agent, amount in totals.items()
    ]
    return element("ul", {"class": "paid", "aria-label": "rewards"}, element("li", {"class": "soft"}, "reward"), *signs)


def _name(agent: str) -> Html:
    return element("bdi", {}, agent)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
