"""What stands above an episode: what was played, by whom, how it ended, and how everybody's time was spent."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from marft_envs.course import AgentTiming, Timing
from marft_envs.drawing.markup import Html, element
from marft_envs.drawing.record import Record
from marft_envs.drawing.shapes import colour_of, seconds
from marft_envs.drawing.transcript import words
from marft_envs.profiles import Profile
from marft_envs.records import shown

_SHOWN_ELSEWHERE = frozenset({"team", "split", "level", "horizon"})
_WIDE = 48
_MOST_CHARS = 300
"""Of a fact: the rest of a longer one is in the log."""


def outcome(record: Record) -> str:
    """How it ended, in a word."""
    episode = record.episode
    return "terminated" if episode.terminated else "truncated" if episode.truncated else "unfinished"


def returns(record: Record) -> str:
    """`1 each`, or every agent's."""
    found = record.episode.returns
    amounts = set(found.values())
    if len(amounts) == 1:
        return f"{amounts.pop():.6g}" + (" each" if len(found) > 1 else "")
    return ", ".join(f"{agent} {amount:.6g}" for agent, amount in found.items())


def facts(record: Record, timing: Timing) -> Html:
    """Names and values, two columns of them where there is room."""
    episode = record.episode
    turns = len(episode.turns)
    share = timing.critical_path_us / record.end_us if record.end_us else 0.0
    found = (
        ("return", returns(record)),
        ("ended", outcome(record)),
        *[(name, f"{value:.6g}") for name, value in episode.info.items()],
        ("seed", str(episode.seed)),
        ("split", record.split),
        ("level", record.level or ""),
        ("horizon", record.horizon),
        ("recall", "" if episode.on_clock else "everybody" if episode.recall == "team" else "parents only"),
        ("options", _options(episode.options)),
        ("reset", _options(episode.reset_options)),
        ("ran with", episode.runtime),
        ("simulated time", seconds(record.end_us)),
        ("work in it", f"{seconds(timing.work_us)} in {turns} {'turn' if turns == 1 else 'turns'}"),
        ("speed-up", f"{timing.speed_up:.2f}× one at a time"),
        ("critical path", f"{seconds(timing.critical_path_us)} ({share:.0%})" if turns else ""),
    )
    pairs = [
        element(
            "div",
            {"class": _width(name, value)},
            element("dt", {}, on_a_line(name)),
            element("dd", {}, on_a_line(value)),
        )
        for name, value in found
        if value
    ]
    return element("dl", {"class": "facts"}, *pairs)


def _width(name: str, value: str) -> str | None:
    """The class of a fact: how it ended stands out, and what is long has a line of its own."""
    return "first" if name in ("return", "ended") else "wide" if len(value) > _WIDE else None


def agents_table(record: Record, timing: Timing) -> Html:
    """How everybody's time was spent."""
    unread = Counter(record.episode.turns[index].agent for index in timing.unread)
    columns = {
        "agent": "",
        "turns": "",
        "characters": "Written, as recorded",
        "working": "Within its turns",
        "waiting": "Before its turns: for others, or for a round to open",
        "idle": "After its last turn",
        "staleness": "How old the words of others were when it began to act on them, on average",
        "missed": "Words of others that were said while it acted, so that it acted without them",
        "never read": "Its turns whose words nobody else ever read",
        "return": "",
    }
    heads = [element("th", {"scope": "col", "title": title or None}, name) for name, title in columns.items()]
    rows = [
        _row(place, agent, one, unread[agent], record.episode.returns[agent])
        for place, (agent, one) in enumerate(timing.agents.items())
    ]
    table = element(
        "table", {"class": "agents"}, element("thead", {}, element("tr", {}, *heads)), element("tbody", {}, *rows)
    )
    return element(
        "div", {"class": "scrolls", "tabindex": 0, "role": "region", "aria-label": "Time of every agent"}, table
    )


def _row(place: int, agent: str, one: AgentTiming, unread: int, amount: float) -> Html:
    cells = (
        f"{one.turns:,}",
        f"{one.chars:,}",
        seconds(one.working_us),
        seconds(one.waiting_us),
        seconds(one.idle_us),
        seconds(one.staleness_us),
        f"{one.missed:,}",
        f"{unread:,}",
        f"{amount:.6g}",
    )
    name = element(
        "th", {"scope": "row", "class": colour_of(place)}, element("span", {"class": "swatch"}), on_a_line(agent)
    )
    return element("tr", {}, name, *[element("td", {}, cell) for cell in cells])


def team(record: Record) -> Html:
    """Every profile, folded."""
    profiles = [_profile(place, *item) for place, item in enumerate(record.profiles.items())]
    summary = element("summary", {}, "Team: what everybody was told about its part")
    return element("details", {"class": "team"}, summary, *profiles)


def _profile(place: int, agent: str, profile: Profile) -> Html:
    told = [
        f"a turn takes {seconds(profile.base_us)}",
        f"and {profile.per_char_us / 1000:g} ms a character" if profile.per_char_us else "",
        f"· {profile.max_action_chars:,} characters at most",
        f"· it is heard {seconds(profile.latency_us)} later" if profile.latency_us else "",
        "" if profile.hears is None else f"· it hears {', '.join(profile.hears) or 'nobody'}",
        f"· a turn costs {profile.cost_per_turn:g}" if profile.cost_per_turn else "",
        f"· a character costs {profile.cost_per_char:g}" if profile.cost_per_char else "",
        "· its action is graded" if profile.answers else "",
    ]
    head = element(
        "header",
        {},
        element("strong", {}, on_a_line(agent)),
        element("span", {"class": "soft"}, " ".join(filter(None, told))),
    )
    system = words(profile.system) if profile.system else element("p", {"class": "nothing"}, "no system message")
    return element("div", {"class": f"said-by {colour_of(place)}"}, head, system, *_examples(profile))


def _examples(profile: Profile) -> Iterator[Html]:
    """The turns that it was shown before its first."""
    for number, example in enumerate(profile.examples, start=1):
        yield element("p", {"class": "nothing"}, f"example {number}: told, and says")
        yield words(example.told)
        yield words(example.says)


def _options(options: Mapping[str, object]) -> str:
    given = {name: value for name, value in options.items() if name not in _SHOWN_ELSEWHERE and value is not None}
    return ", ".join(f"{name} {_value(value)}" for name, value in given.items())


def _value(value: object) -> str:
    try:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=shown)
    except (ValueError, RecursionError):
        return shown(value)


def on_a_line(words: str) -> Html:
    """Text beside other text, which its writing direction leaves alone; only the beginning of a long one."""
    left = len(words) - _MOST_CHARS
    return element("bdi", {}, words if left <= 0 else f"{words[:_MOST_CHARS]} … and {left:,} more characters")


def titles(records: Sequence[Record]) -> str:
    """What the page is about: the environment, or how many."""
    ids = {str(record.episode.env_id or "an environment that is not registered"): None for record in records}
    return next(iter(ids)) if len(ids) == 1 else f"{len(ids)} environments"
