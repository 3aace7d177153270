"""What each page of the site is made of: figures and pictures, put together from a board for the templates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from leaderboard.beside import MOST_BESIDE, Pairs, Untrained, lead_over, pairs_of, untrained_beside
from leaderboard.board import SCALE, Board, scale_of
from leaderboard.entries import Entry, PlayedTask, Team
from leaderboard.pictures.axes import Axis, bar_axis
from leaderboard.pictures.profiles import Profiles, profiles
from leaderboard.pictures.scatter import Scatter, scatter
from leaderboard.pictures.strip import Strip, strip
from leaderboard.players import Player
from leaderboard.rows import Cost, Row, Scope, Section
from leaderboard.schema import Training
from leaderboard.task_facts import TaskFacts
from leaderboard.transcripts import Transcript

PLOTTED: tuple[Cost, ...] = ("chars", "tokens_out", "tokens")
"""Costs against which scores are drawn."""


@dataclass(frozen=True)
class ScopeView:
    """A page of scores: of a track, a family or a task."""

    board: Board
    scope: Scope
    facts: TaskFacts | None
    """Of the task, where it is one."""
    behaviour: str | None
    """Of its environment; None where nobody has played it."""
    sections: Sequence[Section]
    axis: Axis
    """Of the bars in its tables."""
    scale: Mapping[str, float]
    """What the scripts came to."""
    families: Mapping[str, Mapping[tuple[str, str], Row]]
    """On the page of a track: family -> (slug, division) -> row."""
    scatters: Sequence[Scatter]
    profiles: Mapping[str, Profiles]
    """By division."""
    pairs: Mapping[str, Pairs]
    """By division."""

    @property
    def has_ranks(self) -> bool:
        """Whether somebody was re-run."""
        return any(section.ranked for section in self.sections)

    def strip(self, row: Row) -> Strip | None:
        """Its scores on each of the scope's tasks."""
        return strip(row, [self.board.facts[key] for key in self.scope.tasks])

    def families_of(self, section: Section) -> dict[str, Mapping[tuple[str, str], Row]]:
        """Those of which somebody in a section has played all."""
        keys = {(row.entry.team.slug, row.entry.division) for row in section.rows}
        return {name: rows for name, rows in self.families.items() if keys & set(rows)}

    @cached_property
    def leaders(self) -> dict[str, dict[str, Row]]:
        """Task -> division -> the row with the highest mean on it."""
        return {
            scope.name: {one.division: one.whole[0] for one in self.board.sections[scope] if one.whole}
            for scope in self.board.scopes_of("task")
        }

    @cached_property
    def scales(self) -> dict[str, dict[str, float]]:
        """Task -> what the scripts came to."""
        return {scope.name: scale_of(self.board.sections[scope]) for scope in self.board.scopes_of("task")}

    @property
    def scripts(self) -> tuple[str, ...]:
        """Those that somebody has entered on some task of the scope."""
        return tuple(name for name in SCALE if any(name in self.scales[key] for key in self.scope.tasks))

    @property
    def places(self) -> dict[str, int]:
        """Of the board's tasks, in its order."""
        return {key: place for place, key in enumerate(self.board.facts)}

    @property
    def num_teams(self) -> dict[str, int]:
        """Task -> teams that have played it; scripts are none."""
        return {
            key: sum(one.result.division != "scripted" for one in played) for key, played in self.board.played.items()
        }

    @property
    def neighbours(self) -> Sequence[tuple[str, Scope]]:
        """Of a task, those before and behind it in the board's order."""
        tasks = self.board.scopes_of("task")
        place = tasks.index(self.scope)
        found = [("previous", tasks[place - 1])] if place else []
        return [*found, *[("next", one) for one in tasks[place + 1 : place + 2]]]


@dataclass(frozen=True)
class TaskOfTeam:
    """What a team came to on one task."""

    entry: Entry
    row: Row
    played: PlayedTask
    axis: Axis
    scale: Mapping[str, float]
    untrained: Sequence[Untrained]
    """The same models as they came."""
    transcript: Transcript | None
    rerun_mean: float | None


@dataclass(frozen=True)
class LineUp:
    """Tasks that the same players play, trained in the same way."""

    keys: Sequence[str]
    players: Mapping[str, Player]
    training: Training | None


@dataclass(frozen=True)
class TeamView:
    """The page of a team."""

    board: Board
    team: Team
    tasks: Mapping[str, TaskOfTeam]
    """By key, in the board's order."""
    over: Sequence[tuple[Scope, Row]]
    """Scopes of several tasks, all of which it has played."""

    @property
    def is_scripted(self) -> bool:
        """Whether no model plays anywhere."""
        return all(entry.division == "scripted" for entry in self.team.entries)

    @property
    def has_untrained(self) -> bool:
        """Whether somebody played with the same models as they came."""
        return any(one.untrained for one in self.tasks.values())

    @property
    def has_transcripts(self) -> bool:
        """Whether some are shown."""
        return any(one.transcript is not None for one in self.tasks.values())

    @property
    def line_ups(self) -> Sequence[LineUp]:
        """In the order of their first tasks."""
        found: list[LineUp] = []
        for key, one in self.tasks.items():
            result = one.played.result
            for place, other in enumerate(found):
                if (other.players, other.training) == (result.players, result.training):
                    found[place] = replace(other, keys=(*other.keys, key))
                    break
            else:
                found.append(LineUp((key,), result.players, result.training))
        return found


def scope_view(board: Board, scope: Scope) -> ScopeView:
    """Everything on a page of scores."""
    sections, bounds = board.sections[scope], board.bounds[scope]
    facts = board.facts[scope.name] if scope.kind == "task" else None
    played = board.played[scope.name] if scope.kind == "task" else ()
    teams = [section for section in sections if section.division != "scripted"]
    lines = {section.division: profiles(section, bounds, len(scope.tasks)) for section in teams}
    pairs = {section.division: pairs_of(section, bounds) for section in teams}
    scale = scale_of(sections)
    plots = [scatter(sections, cost, bounds, scale) for cost in PLOTTED]
    return ScopeView(
        board=board,
        scope=scope,
        facts=facts,
        behaviour=played[0].result.behaviour if played else None,
        sections=sections,
        axis=bar_axis(bounds, sections),
        scale=scale,
        families=_family_rows(board) if scope.kind == "track" else {},
        scatters=[one for one in plots if one is not None],
        profiles={division: one for division, one in lines.items() if one is not None},
        pairs={division: one for division, one in pairs.items() if one is not None},
    )


def _family_rows(board: Board) -> dict[str, dict[tuple[str, str], Row]]:
    return {
        scope.name: {
            (row.entry.team.slug, row.entry.division): row for section in board.sections[scope] for row in section.whole
        }
        for scope in board.scopes_of("family")
    }


class TeamViews:
    """Makes the pages of teams; knows who played each task with which models as they came."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._scopes = {scope.name: scope for scope in board.scopes_of("task")}
        self._untrained = {key: untrained_beside(board, key) for key in board.facts}
        self._rows = {
            (row.entry.team.slug, key): row
            for key, scope in self._scopes.items()
            for section in board.sections[scope]
            for row in section.rows
        }

    def of(self, team: Team, transcripts: Mapping[str, Transcript]) -> TeamView:
        """The page of a team."""
        wide = [scope for scope in self._board.scopes if scope.kind != "task"]
        over = [
            (scope, row)
            for scope in wide
            for section in self._board.sections[scope]
            for row in section.whole
            if row.entry.team is team
        ]
        tasks = {
            key: self._task(entry, key, transcripts.get(key))
            for key in self._board.facts
            for entry in team.entries
            if key in entry.tasks
        }
        return TeamView(self._board, team, tasks, over)

    def _task(self, entry: Entry, key: str, transcript: Transcript | None) -> TaskOfTeam:
        scope, played = self._scopes[key], entry.tasks[key]
        sections, bounds = self._board.sections[scope], self._board.bounds[scope]
        beside = self._untrained[key].get(played.models, ()) if entry.division == "trained" else ()
        rerun = entry.team.rerun_scores.get(key)
        return TaskOfTeam(
            entry=entry,
            row=self._rows[entry.team.slug, key],
            played=played,
            axis=bar_axis(bounds, sections),
            scale=scale_of(sections),
            untrained=[lead_over(played, other, untrained, bounds) for other, untrained in beside[:MOST_BESIDE]],
            transcript=transcript,
            rerun_mean=sum(rerun.values()) / len(rerun) if rerun else None,
        )
