"""Some episodes of every team and task, as pages of their own: what was said, when, and who read whom.

They are chosen by rule, so that nobody chooses: the first play with the team's lowest score, the first with its
highest, and those of three fixed instances, the same for all teams.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice

import marft_envs
from leaderboard.archive import open_files
from leaderboard.entries import PlayedTask, Team
from leaderboard.errors import MalformedError
from leaderboard.files import MAX_PACKED_BYTES
from leaderboard.logs import episodes_in
from leaderboard.names import log_name
from leaderboard.players import prompts_of
from leaderboard.replaying import environment
from leaderboard.schema import sha256_of
from leaderboard.unpacking import unpacked_lines
from marft_envs import Record, read_episodes, record_of, replay

MOST_PAGE_BYTES = 1_000_000
"""Of a page: where episodes are longer than that the last ones are left out, all but one at most."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """An episode that is shown."""

    place: int
    """In the log, from 0."""
    score: float
    """The mean of the agents' returns in this play."""
    why: tuple[str, ...]
    """By which rules it was chosen."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """A page."""

    html: str
    shown: Sequence[Chosen]
    """In the page's order; its n-th episode is at `#en`."""


def transcript_of(team: Team, played: PlayedTask) -> Transcript:
    """Plays the chosen episodes again, and draws them.

    Raises: MalformedError if the log is no longer the one that was validated; as `marft_envs.replay` does.
    """
    shown = chosen_of(played)
    records = list(_records(team, played, [one.place for one in shown]))
    html = marft_envs.draw_page(records)
    while len(html.encode()) > MOST_PAGE_BYTES and len(records) > 1:
        records.pop()
        html = marft_envs.draw_page(records)
    return Transcript(_with_way_back(html, team, played), shown[: len(records)])


def _with_way_back(html: str, team: Team, played: PlayedTask) -> str:
    """The page, with a line above it that leads to the team's."""
    before, body, rest = html.partition("<body>\n")
    assert body, "a drawn page has a body"
    name = marft_envs.as_html(team.submission.name)
    way = f'<p class="soft"><a href="../../teams/{team.slug}.html">{name}</a> on {escape(played.task.key)}</p>\n'
    return f"{before}{body}{way}{rest}"


def chosen_of(played: PlayedTask) -> list[Chosen]:
    """Which episodes are shown, in the order of the log."""
    scores = played.play_scores
    low, high = min(scores), max(scores)
    whys: dict[int, list[str]] = {scores.index(low): [f"the first with its lowest score, {low:.3f}"]}
    if high > low:
        whys.setdefault(scores.index(high), []).append(f"the first with its highest score, {high:.3f}")
    num = len(played.scores)
    for nth, name in ((0, "first"), (num // 2, "middle"), (num - 1, "last")):
        place = nth * played.result.plays
        whys.setdefault(place, []).append(f"the season's {name} instance")
    return [Chosen(place, scores[place], tuple(dict.fromkeys(why))) for place, why in sorted(whys.items())]


def _records(team: Team, played: PlayedTask, places: Sequence[int]) -> Iterator[Record]:
    """Of the episodes at these places of the log, which are sorted."""
    name = log_name(played.task.key)
    with open_files(team.path) as files:
        packed = files.read(name, MAX_PACKED_BYTES)
    if sha256_of(packed) != played.result.log:
        raise MalformedError(f"{team.path}: {name} has changed since it was validated; validate again", field=name)
    env = environment(played.task, tuple(sorted(prompts_of(played.result.players).items())))
    lines = _at(episodes_in(unpacked_lines(packed, name), name), places)
    for one in lines:
        (episode,) = read_episodes(one, name)
        yield record_of(env, replay(episode, env))


def _at(parts: Iterator[tuple[bytes, ...]], places: Sequence[int]) -> Iterator[tuple[bytes, ...]]:
    before = -1
    for place in places:
        yield next(islice(parts, place - before - 1, None))
        before = place
