"""How often the leaderboard is right, where the truth is known: intervals of teams' scores, shared ranks, separations.

    python benchmarks/board_simulation.py                  # 2,000 boards of every kind
    python benchmarks/board_simulation.py --boards 200     # to see that it runs

A board is what teams of `known_teams.py` score on 200 instances of each task. Told are shares of boards on which an
interval holds the truth, the ranks of a board hold the true ones, or teams are told apart. Two standard errors of 0.95
are 0.01 for 2,000 boards. Shares of successes of one rate also depend on which numbers of 200 there are, so the row of
any rate says more than one of its own.
"""

import argparse
import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.known_teams import KINDS, successes, teams_of
from leaderboard.ranking import Ranking, compare, rank
from leaderboard.statistics import Floats, Interval, cluster_interval, iqm
from leaderboard.team_scores import iqm_interval, mean_interval

RESULTS = Path(__file__).parent / "results" / "board_simulation.json"
NUM_RESAMPLES = 1_000
LEVEL = 0.05

# -- coverage ----------------------------------------------------------------------------------------------------------

ANY_RATE = None
"""Another rate for every board, uniform from 0.05 to 0.95."""
ONE_TASK: Sequence[tuple[str, float | None]] = (
    *(("successes", rate) for rate in (ANY_RATE, 0.55, 0.3, 0.1, 0.05, 0.02, 0.01, 0.005, 0.0, 0.98)),
    *(("partial", rate) for rate in (0.55, 0.1, 0.01)),
    *(("skewed", rate) for rate in (0.55, 0.1, 0.05, 0.02)),
    ("exponential", 1.0),
)
TASKS_OF: Mapping[str, Sequence[float]] = {
    "easy to hard": (0.9, 0.7, 0.55, 0.4, 0.25, 0.1),
    "six at 0.5": (0.5,) * 6,
    "eight at 0.5": (0.5,) * 8,
    "three solved, three not": (0.7, 0.7, 0.7, 0.3, 0.3, 0.3),
    "six at 0.02": (0.02,) * 6,
    "six at 0.01": (0.01,) * 6,
    "five hopeless, one at 0.5": (0.5, 0, 0, 0, 0, 0),
    "near both ends": (0.005, 0.01, 0.02, 0.98, 0.99, 0.995),
    "three at 0, three at 1": (0, 0, 0, 1, 1, 1),
    "six at 0": (0,) * 6,
}
PAIRS: Sequence[tuple[float, float]] = ((0.5, 0.5), (0.65, 0.55), (0.95, 0.5), (0.99, 0.01), (0.02, 0.02), (0.0, 0.0))


@dataclass(frozen=True)
class Coverage:
    """Share of boards whose interval holds the truth, and mean width, by what made the interval."""

    case: str
    shares: dict[str, float]
    widths: dict[str, float]


def one_task(kind: str, rate: float | None, num_boards: int, *, with_bootstrap: bool = True, seed: int = 0) -> Coverage:
    """The mean of one task, with bounds where there are, without them, and by the percentiles of a bootstrap."""
    draw, bounds = KINDS[kind]
    rng = np.random.default_rng(seed)
    found: dict[str, list[tuple[Interval, float]]] = {}
    for board in range(num_boards):
        truth = float(rng.uniform(0.05, 0.95)) if rate is None else rate
        team = teams_of(draw(np.array([[truth]]), rng))[0]
        intervals = {"without bounds": mean_interval(team)}
        if bounds is not None:
            intervals["with bounds"] = mean_interval(team, bounds=bounds)
        if with_bootstrap:
            values: dict[Hashable, list[float]] = {instance: [score] for instance, score in team["0"].items()}
            intervals["bootstrap"] = cluster_interval(values, num_resamples=NUM_RESAMPLES, seed=board)
        for name, interval in intervals.items():
            found.setdefault(name, []).append((interval, truth))
    return _coverage(f"{kind}, {'any' if rate is None else rate}", found)


def overall(case: str, num_boards: int, *, with_iqm: bool = True, seed: int = 0) -> Coverage:
    """Mean and interquartile mean over the tasks of `TASKS_OF`, of successes."""
    rates = np.array([TASKS_OF[case]], dtype=np.float64)
    rng = np.random.default_rng(seed)
    found: dict[str, list[tuple[Interval, float]]] = {"mean": []}
    for board in range(num_boards):
        team = teams_of(successes(rates, rng))[0]
        found["mean"].append((mean_interval(team, bounds=(0.0, 1.0)), float(rates.mean())))
        if with_iqm:
            middle = iqm_interval(team, bounds=(0.0, 1.0), num_resamples=NUM_RESAMPLES, seed=board)
            found.setdefault("iqm", []).append((middle, float(iqm(rates[0]))))
    return _coverage(case, found)


def difference(pair: tuple[float, float], num_tasks: int, num_boards: int, *, seed: int = 0) -> Coverage:
    """One team less another, each of one rate on all tasks, of successes."""
    rates = np.repeat(np.array(pair)[:, None], num_tasks, axis=1)
    rng = np.random.default_rng(seed)
    found: dict[str, list[tuple[Interval, float]]] = {"with bounds": [], "without bounds": []}
    for _ in range(num_boards):
        one, other = teams_of(successes(rates, rng))
        truth = pair[0] - pair[1]
        found["with bounds"].append((compare(one, other, bounds=(0.0, 1.0)).difference, truth))
        found["without bounds"].append((compare(one, other).difference, truth))
    return _coverage(f"{pair[0]} less {pair[1]}, {num_tasks} tasks", found)


def _coverage(case: str, found: Mapping[str, Sequence[tuple[Interval, float]]]) -> Coverage:
    slack = 1e-9  # rates as sums of floats
    return Coverage(
        case,
        {
            name: float(np.mean([each.low - slack <= truth <= each.high + slack for each, truth in intervals]))
            for name, intervals in found.items()
        },
        {name: float(np.mean([each.high - each.low for each, _ in intervals])) for name, intervals in found.items()},
    )


# -- boards ------------------------------------------------------------------------------------------------------------


def _level(rates: Sequence[float], num_tasks: int) -> Floats:
    return np.repeat(np.array(rates, dtype=np.float64)[:, None], num_tasks, axis=1)


BOARDS: Mapping[str, tuple[str, Floats]] = {
    "five alike of eight, others 10 points apart": ("successes", _level([0.5] * 5 + [0.6, 0.6, 0.4], 6)),
    "four at 0.55, four at 0.65": ("successes", _level([0.55] * 4 + [0.65] * 4, 6)),
    "fifteen at 0.55, fifteen at 0.65": ("successes", _level([0.55] * 15 + [0.65] * 15, 6)),
    "four at 0.55, four at 0.65, three tasks": ("successes", _level([0.55] * 4 + [0.65] * 4, 3)),
    "four at 0.55, four at 0.65, four attempts": ("partial", _level([0.55] * 4 + [0.65] * 4, 6)),
    "four at 0.55, four at 0.65, skewed": ("skewed", _level([0.55] * 4 + [0.65] * 4, 6)),
    "eight alike at 0.5": ("successes", _level([0.5] * 8, 6)),
    "eight alike at 0.02": ("successes", _level([0.02] * 8, 6)),
    "eight alike, exponential": ("exponential", _level([1.0] * 8, 6)),
    "four good at one half, four at the other": (
        "successes",
        np.array([[0.3] * 3 + [0.7] * 3] * 4 + [[0.7] * 3 + [0.3] * 3] * 4),
    ),
    "two alike at 0.5, one task": ("successes", _level([0.5] * 2, 1)),
    "two alike at 0.02, one task": ("successes", _level([0.02] * 2, 1)),
}
APART = 0.099
"""True means so far from each other should be told apart."""


@dataclass(frozen=True)
class Shares:
    """Of boards, but for `pair_apart`."""

    case: str
    alike_share: float
    """All teams of the same true mean have a rank in common, any two of them."""
    never_apart: float
    """No two teams of the same true mean are told apart."""
    true_ranks: float
    """All true ranks lie within."""
    pair_apart: float | None
    """Of pairs 10 points or more apart, those told apart; None if there are none."""
    all_apart: float | None
    """Every such pair is."""


def boards(case: str, num_boards: int, *, seed: int = 0) -> Shares:
    """What ranks say of boards of one kind."""
    kind, rates = BOARDS[case]
    rng = np.random.default_rng(seed)
    truth = dict(zip((str(place) for place in range(len(rates))), rates.mean(axis=1).round(9).tolist(), strict=True))
    rows = []
    for _ in range(num_boards):
        teams = dict(zip(truth, teams_of(KINDS[kind][0](rates, rng)), strict=True))
        rows.append(judged(rank(teams, confidence=1 - LEVEL), truth))
    alike, never, inside, apart = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    has_apart = not np.isnan(apart).any()
    found = (float(apart.mean()), float((apart == 1).mean())) if has_apart else (None, None)
    return Shares(case, float(alike.mean()), float(never.mean()), float(inside.mean()), *found)


def judged(ranking: Ranking, truth: Mapping[str, float]) -> tuple[bool, bool, bool, float]:
    """What `Shares` counts, of one board; the last is a share of pairs, or no number."""
    standings, means = ranking.standings, [truth[standing.team] for standing in ranking.standings]
    pairs = [(one, other) for other in range(len(means)) for one in range(other)]
    alike = [pair for pair in pairs if means[pair[0]] == means[pair[1]]]
    far = [ranking.p_values[pair] <= LEVEL for pair in pairs if abs(means[pair[0]] - means[pair[1]]) > APART]
    within = all(
        standing.best <= 1 + sum(other > mine for other in means)
        and standing.worst >= len(means) - sum(other < mine for other in means)
        for standing, mine in zip(standings, means, strict=True)
    )
    share = all(
        max(standings[one].best, standings[other].best) <= min(standings[one].worst, standings[other].worst)
        for one, other in alike
    )
    never = all(ranking.p_values[pair] > LEVEL for pair in alike)
    return share, never, within, float(np.mean(far)) if far else float("nan")


# ----------------------------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate, print tables, keep the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boards", type=int, default=2_000, help="of every kind (default: 2000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(arguments)
    tables = {
        "one task": [one_task(kind, rate, args.boards, seed=args.seed) for kind, rate in ONE_TASK],
        "all tasks": [overall(case, args.boards, seed=args.seed) for case in TASKS_OF],
        "differences": [difference(pair, tasks, args.boards, seed=args.seed) for tasks in (1, 6) for pair in PAIRS],
    }
    shares = [boards(case, args.boards, seed=args.seed) for case in BOARDS]
    console = Console()
    for title, rows in tables.items():
        _print_coverage(console, title, rows)
    _print_boards(console, shares)
    kept = {title: [asdict(row) for row in rows] for title, rows in tables.items()}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    told = {"boards": args.boards, "seed": args.seed, **kept, "ranks": [asdict(row) for row in shares]}
    args.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _print_coverage(console: Console, title: str, rows: Sequence[Coverage]) -> None:
    columns = sorted({name for row in rows for name in row.shares})
    table = Table("case", *columns, *(f"width, {name}" for name in columns), title=f"intervals of {title}")
    for row in rows:
        shares = (f"{row.shares[name]:.3f}" if name in row.shares else "" for name in columns)
        widths = (f"{row.widths[name]:.4f}" if name in row.widths else "" for name in columns)
        table.add_row(row.case, *shares, *widths)
    console.print(table)


def _print_boards(console: Console, rows: Sequence[Shares]) -> None:
    heads = ("alike share a rank", "alike never apart", "true ranks within", "pairs told apart", "all told apart")
    table = Table("boards", *heads, title="ranks")
    for row in rows:
        numbers = (row.alike_share, row.never_apart, row.true_ranks, row.pair_apart, row.all_apart)
        table.add_row(row.case, *("" if number is None else f"{number:.3f}" for number in numbers))
    console.print(table)


if __name__ == "__main__":
    main()
