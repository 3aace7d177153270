"""Teams beside each other: the leaders pair by pair, and a trained team beside its own models untrained.

Everything here is paired: differences on the same instance, so that one that is hard is hard for both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leaderboard.board import Board
from leaderboard.entries import Entry, PlayedTask
from leaderboard.ranking import compare, rank
from leaderboard.rows import Row, Section
from leaderboard.statistics import CONFIDENCE, Comparison, Interval
from leaderboard.team_scores import Bounds, mean_interval

MOST_LEADERS = 8
"""Whose pairs are shown: of more the table is no table any more."""
MOST_BESIDE = 6
"""Untrained teams that are shown beside a trained one, on one task."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One team less another."""

    comparison: Comparison
    can_be_told_apart: bool
    """After Holm, among all pairs of the table."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Of the leaders of a section."""

    rows: Sequence[Row]
    """The best first."""
    cells: Sequence[Sequence[Pair | None]]
    """Row by row, the row's team less the column's; None on the diagonal."""
    num_more: int
    """Teams with scores that are not shown."""


@dataclass(frozen=True, slots=True)
class Untrained:
    """A team of the same models as they came, on the same task."""

    entry: Entry
    played: PlayedTask
    mean: Interval
    lead: Comparison
    """Of the trained one over it."""


def pairs_of(section: Section, bounds: Bounds | None) -> Pairs | None:
    """None where there are fewer than two teams to compare."""
    rows = section.whole[:MOST_LEADERS]
    if len(rows) < 2:  # noqa: PLR2004  # a pair
        return None
    ranking = rank({row.entry.team.slug: row.scores for row in rows})
    places = {standing.team: place for place, standing in enumerate(ranking.standings)}
    cells: list[list[Pair | None]] = []
    for one in rows:
        line: list[Pair | None] = []
        for other in rows:
            p_value = ranking.p_values[places[one.entry.team.slug], places[other.entry.team.slug]]
            comparison = compare(one.scores, other.scores, bounds=bounds)
            line.append(None if one is other else Pair(comparison, bool(p_value <= 1 - CONFIDENCE)))
        cells.append(line)
    return Pairs(rows, cells, len(section.whole) - len(rows))


def untrained_beside(board: Board, key: str) -> Mapping[tuple[str, ...], Sequence[tuple[Entry, PlayedTask]]]:
    """Models -> who played a task with them as they came: first once each, then by votes, alone, with examples."""
    found: dict[tuple[str, ...], list[tuple[Entry, PlayedTask]]] = {}
    for entry in board.entries:
        if entry.division == "frozen" and key in entry.tasks:
            found.setdefault(entry.tasks[key].models, []).append((entry, entry.tasks[key]))
    for entries in found.values():
        entries.sort(key=lambda one: (len(one[1].way), one[1].way, one[0].name.casefold(), one[0].team.slug))
    return found


def lead_over(trained: PlayedTask, entry: Entry, untrained: PlayedTask, bounds: Bounds | None) -> Untrained:
    """How much better a trained team does than an untrained one."""
    key = trained.task.key
    lead = compare({key: trained.scores}, {key: untrained.scores}, bounds=bounds)
    return Untrained(entry, untrained, mean_interval({key: untrained.scores}, bounds=bounds), lead)
