"""Entries in a scope: what they came to over these tasks, or that they have not played all of them.

A score stands only where all tasks of the scope were played. Nothing is filled in, and nothing is extrapolated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from leaderboard.entries import Costs, Division, Entry, PlayedTask
from leaderboard.names import LOGS, log_name
from leaderboard.ranking import Standing, pareto_front, rank
from leaderboard.reruns import Rerun
from leaderboard.scores import mean
from leaderboard.statistics import Interval
from leaderboard.team_scores import Bounds, iqm_interval, mean_interval

LEAST_TASKS_FOR_IQM = 4
"""Of fewer it is the mean."""
Cost: TypeAlias = Literal["chars", "tokens_out", "tokens", "simulated_s", "critical_path_s"]
"""Fields of `Costs`, and `tokens`: read and written together."""
COSTS: tuple[Cost, ...] = get_args(Cost)


@dataclass(frozen=True)
class Scope:
    """Over which tasks scores are told."""

    kind: Literal["track", "family", "task"]
    name: str
    """Of the track, the family, or the task's key."""
    tasks: tuple[str, ...]
    """Keys."""
    has_scores: bool = True
    """Whether there is a score over all of it: not over an open track, whose tasks are any."""

    @property
    def file(self) -> str:
        """Of its page, below the folder of the track and season."""
        if self.kind == "task":
            return f"tasks/{stem_of(self.name)}.html"
        return "index.html" if self.kind == "track" else f"families/{self.name}.html"


def stem_of(key: str) -> str:
    """Of the names of a task's files."""
    return log_name(key).removeprefix(f"{LOGS}/").removesuffix(".jsonl.gz")


@dataclass(frozen=True)
class Row:
    """An entry in a scope. All figures are None unless it has played all of the scope's tasks."""

    entry: Entry
    played: Mapping[str, PlayedTask]
    """What it has played of them, by key."""
    mean: Interval | None = None
    """Over tasks of the mean over instances."""
    iqm: Interval | None = None
    """Over tasks; None also where there are too few."""
    costs: Mapping[Cost, float] | None = None
    """Means over tasks; one that is not known of every task is left out."""

    @property
    def models(self) -> tuple[str, ...]:
        """Bases that play, each once, sorted."""
        return tuple(sorted({model for one in self.played.values() for model in one.models}))

    @property
    def algorithms(self) -> tuple[str, ...]:
        """By which it was trained, each once, sorted."""
        trainings = [one.result.training for one in self.played.values()]
        return tuple(sorted({training.algorithm for training in trainings if training is not None}))

    @property
    def ways(self) -> tuple[str, ...]:
        """How it was played, where that is not one play of each instance by the whole team."""
        return tuple(sorted({way for one in self.played.values() for way in one.way}))

    @property
    def scores(self) -> dict[str, Mapping[int, float]]:
        """Task -> instance -> score."""
        return {key: one.scores for key, one in self.played.items()}


@dataclass(frozen=True)
class RankedRow:
    """An entry that was re-run, in a scope all of which was."""

    row: Row
    rerun: Rerun
    mean: Interval
    """Of the re-run."""
    standing: Standing


@dataclass(frozen=True)
class Section:
    """One division in one scope."""

    division: Division
    rows: tuple[Row, ...]
    """Those with scores first, the highest mean first; equal ones by name."""
    ranked: Mapping[str, tuple[RankedRow, ...]]
    """Season of the re-run -> those of its ranking, the best first."""

    @property
    def whole(self) -> tuple[Row, ...]:
        """Rows that have scores."""
        return tuple(row for row in self.rows if row.mean is not None)

    def front(self, cost: Cost) -> tuple[Row, ...]:
        """Rows than which none is as good and as cheap, and better in one of them; the cheapest first.

        Those whose cost is not known are left out.
        """
        rows, scores, costs = {}, {}, {}
        for row in self.whole:
            if row.mean is not None and row.costs is not None and cost in row.costs:
                slug = row.entry.team.slug
                rows[slug], scores[slug], costs[slug] = row, row.mean.estimate, row.costs[cost]
        return tuple(rows[slug] for slug in pareto_front(scores, costs)) if rows else ()


def row_of(entry: Entry, scope: Scope, bounds: Bounds | None) -> Row | None:
    """None if it has played nothing of it."""
    played = entry.over(scope.tasks)
    if not played:
        return None
    if len(played) < len(scope.tasks) or not scope.has_scores:
        return Row(entry, played)
    scores = {key: one.scores for key, one in played.items()}
    return Row(
        entry,
        played,
        mean=mean_interval(scores, bounds=bounds),
        iqm=iqm_interval(scores, bounds=bounds) if len(played) >= LEAST_TASKS_FOR_IQM else None,
        costs=_mean_costs([one.costs for one in played.values()]),
    )


def section_of(division: Division, rows: list[Row], scope: Scope, bounds: Bounds | None) -> Section:
    """Rows of one division, in order, and the rankings of those that were re-run."""
    return Section(division, tuple(sorted(rows, key=_order)), _rankings(rows, scope, bounds))


def _order(row: Row) -> tuple[float, int, str, str]:
    score = float("inf") if row.mean is None else -row.mean.estimate
    return score, -len(row.played), row.entry.name.casefold(), row.entry.team.slug


def _mean_costs(costs: list[Costs]) -> dict[Cost, float]:
    """Of one answer, every task weighing the same."""
    found: dict[Cost, float] = {}
    for name in COSTS:
        values = [cost_of(one, name) for one in costs]
        known = [value for value in values if value is not None]
        if len(known) == len(values):
            found[name] = mean(known)
    return found


def cost_of(costs: Costs, name: Cost) -> float | None:
    """One of them; None where it is not known."""
    if name == "tokens":
        known = costs.tokens_in is not None and costs.tokens_out is not None
        return (costs.tokens_in or 0.0) + (costs.tokens_out or 0.0) if known else None
    found: float | None = getattr(costs, name)
    return found


def _rankings(rows: list[Row], scope: Scope, bounds: Bounds | None) -> dict[str, tuple[RankedRow, ...]]:
    """Entries are ranked among those that were re-run on the same seeds, over all of the scope's tasks."""
    by_season: dict[str, dict[str, Row]] = {}
    for row in rows:
        team = row.entry.team
        # A task of a trained team may be re-run while another division's is not asked for.
        if team.rerun is not None and row.mean is not None and set(scope.tasks) <= set(team.rerun_scores):
            by_season.setdefault(team.rerun.season, {})[team.slug] = row
    found = {}
    for season, ranked in sorted(by_season.items()):
        scores = {slug: {key: row.entry.team.rerun_scores[key] for key in scope.tasks} for slug, row in ranked.items()}
        found[season] = tuple(
            _ranked(ranked[standing.team], mean_interval(scores[standing.team], bounds=bounds), standing)
            for standing in rank(scores).standings
        )
    return found


def _ranked(row: Row, mean: Interval, standing: Standing) -> RankedRow:
    assert row.entry.team.rerun is not None
    return RankedRow(row, row.entry.team.rerun, mean, standing)
