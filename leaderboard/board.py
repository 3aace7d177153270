"""What a board says: of one track and season, who came to what, over all tasks, over a family, and on each task.

An overall score have only teams that have played every task of the track, a family's score those that have played all
of it. Divisions are never in one list. The order of a list is that of scores, and no rank: ranks have only entries that
were re-run, from what the re-run came to (`reruns.py`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from leaderboard.entries import DIVISIONS, Entry, Listed, PlayedTask, Team, teams_of
from leaderboard.errors import MalformedError
from leaderboard.reruns import Rerun
from leaderboard.rows import Scope, Section, row_of, section_of
from leaderboard.task_facts import TaskFacts, facts_of
from leaderboard.team_scores import Bounds
from leaderboard.tracks import OPEN, SEASONS, TRACKS, tasks_of

SCALE = ("random", "silent", "reference")
"""The scripts whose scores give all others a scale."""


@dataclass(frozen=True)
class Board:
    """One track in one season."""

    track: str
    season: str
    facts: Mapping[str, TaskFacts]
    """Of every task, by key, in the track's order; of an open track, of those that somebody has played."""
    teams: tuple[Team, ...]
    """By name."""

    @property
    def is_fixed(self) -> bool:
        """Whether its tasks are given, so that there is a score over all of them."""
        return self.track != OPEN

    @property
    def folder(self) -> str:
        """Of its pages."""
        return f"{self.track}-{self.season}"

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """Of all divisions."""
        return tuple(entry for team in self.teams for entry in team.entries)

    @cached_property
    def played(self) -> Mapping[str, tuple[PlayedTask, ...]]:
        """By whomever, task by task."""
        return {key: tuple(entry.tasks[key] for entry in self.entries if key in entry.tasks) for key in self.facts}

    @cached_property
    def scopes(self) -> tuple[Scope, ...]:
        """The track; families, unless they are of one task; every task."""
        families: dict[str, list[str]] = {}
        for key, facts in self.facts.items():
            families.setdefault(facts.task.family, []).append(key)
        return (
            Scope("track", self.track, tuple(self.facts), self.is_fixed),
            *[Scope("family", name, tuple(keys)) for name, keys in families.items() if self.is_fixed and len(keys) > 1],
            *[Scope("task", key, (key,)) for key in self.facts],
        )

    def scopes_of(self, kind: str) -> tuple[Scope, ...]:
        """Of one kind."""
        return tuple(scope for scope in self.scopes if scope.kind == kind)

    @cached_property
    def bounds(self) -> Mapping[Scope, Bounds | None]:
        """Of every scope, the least and the greatest score on each of its tasks; None where these differ.

        None, too, where a score lies outside of what the environment says: profiles may make turns cost something.
        """
        return {scope: self._bounds(scope) for scope in self.scopes}

    def _bounds(self, scope: Scope) -> Bounds | None:
        found = {self.facts[key].bounds for key in scope.tasks}
        bounds = found.pop() if len(found) == 1 else None
        if bounds is None:
            return None
        scores = [score for key in scope.tasks for one in self.played[key] for score in one.scores.values()]
        return bounds if all(bounds[0] <= score <= bounds[1] for score in scores) else None

    @cached_property
    def sections(self) -> Mapping[Scope, tuple[Section, ...]]:
        """Of every scope, the divisions in which somebody has played something of it."""
        return {scope: tuple(self._sections(scope)) for scope in self.scopes}

    def _sections(self, scope: Scope) -> Iterator[Section]:
        bounds = self.bounds[scope]
        for division in DIVISIONS:
            entries = [entry for entry in self.entries if entry.division == division]
            rows = [row for entry in entries if (row := row_of(entry, scope, bounds)) is not None]
            if rows:
                yield section_of(division, rows, scope, bounds)


def scale_of(sections: Iterable[Section]) -> dict[str, float]:
    """What the scripts came to that give a score its scale, by their names; of several entries the highest."""
    scripted = [row for section in sections if section.division == "scripted" for row in section.whole]
    found: dict[str, float] = {}
    for name in SCALE:
        for row in scripted:
            if row.entry.script == name and row.mean is not None:
                found.setdefault(name, row.mean.estimate)
    return found


def boards_of(submissions: Sequence[Listed], reruns: Sequence[Rerun] = ()) -> tuple[Board, ...]:
    """A board for every season and track, be it empty: seasons from the newest on, tracks in their order.

    Raises: SubmissionError for a submission that is given twice; MalformedError for a re-run that fits none of them.
    """
    digests = {one.submission.digest for one in submissions}
    for rerun in reruns:
        if rerun.submission not in digests:
            raise MalformedError(
                f"{rerun.submission} was re-run, and no submission has this digest; give it, or leave the re-run out",
                field="submission",
            )
    return tuple(_board(track, season, submissions, reruns) for season in reversed(SEASONS) for track in TRACKS)


def _board(track: str, season: str, submissions: Sequence[Listed], reruns: Sequence[Rerun]) -> Board:
    here = [one for one in submissions if (one.submission.track, one.submission.season) == (track, season)]
    teams = teams_of(here, reruns, tasks_of(track))
    tasks = {task.key: task for task in tasks_of(track)}
    entered = {key: one.task for team in teams for key, one in team.tasks.items()}
    tasks |= {key: entered[key] for key in sorted(entered) if key not in tasks}
    return Board(track, season, {key: facts_of(task, season) for key, task in tasks.items()}, teams)
