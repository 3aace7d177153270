"""Where the truth is known, the leaderboard is right as often as its modules say.

1. The teams of the simulation have the rates that they should have, and share what is hard.
2. Intervals hold the truth in 93 to 97 cases of 100, where a bootstrap does not.
3. The same policy twice shares a rank; ten points are seen.
4. What is counted is what is told.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import board_simulation as simulation
from benchmarks.known_teams import KINDS, NUM_INSTANCES
from leaderboard.ranking import Ranking, Standing

COVERED = pytest.approx(0.95, abs=0.02)
"""Of 1,500 boards three standard errors of 0.95 are 0.017."""
NUM_BOARDS = 1_500


@pytest.mark.parametrize("kind", KINDS)
def test_scores_have_the_rate_that_is_called_their_truth(kind: str) -> None:
    rates = np.repeat([[0.1, 0.55], [0.9, 0.55]], 200, axis=1)
    scores = KINDS[kind][0](rates, np.random.default_rng(0))
    means = scores.reshape(2, 2, 200 * NUM_INSTANCES).mean(axis=-1)
    # 40,000 instances: a score varies by 1 at most (an exponential one by its rate), four standard errors are 0.02.
    assert means == pytest.approx(np.array([[0.1, 0.55], [0.9, 0.55]]), abs=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_hard_for_one_is_hard_for_all(kind: str) -> None:
    scores = KINDS[kind][0](np.full((2, 100), 0.5), np.random.default_rng(0)).reshape(2, -1)
    # 0.5 of continuous ones; of successes (2 / π) arcsin 0.5 = 1/3, of four attempts (1/3) / (1/4 + 3/4 · 1/3) = 2/3.
    assert 0.3 < np.corrcoef(scores)[0, 1] < 0.7


def test_nobody_succeeds_at_rate_0_and_everybody_at_rate_1() -> None:
    scores = KINDS["successes"][0](np.array([[0.0, 1.0]]), np.random.default_rng(0))
    assert scores.mean(axis=-1).tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize(
    ("kind", "rate"),
    [
        ("successes", None),
        ("successes", 0.55),
        ("successes", 0.02),
        ("successes", 0.98),
        ("partial", 0.01),
        ("skewed", 0.1),
    ],
)
def test_within_bounds_an_interval_holds_the_mean_of_a_task(kind: str, rate: float | None) -> None:
    found = simulation.one_task(kind, rate, NUM_BOARDS, with_bootstrap=False)
    assert found.shares["with bounds"] == COVERED


@pytest.mark.parametrize(("kind", "rate"), [("successes", None), ("skewed", 0.55), ("exponential", 1.0)])
def test_without_bounds_it_does_so_away_from_the_ends(kind: str, rate: float | None) -> None:
    found = simulation.one_task(kind, rate, NUM_BOARDS, with_bootstrap=False)
    assert found.shares["without bounds"] == COVERED


def test_near_an_end_neither_a_bootstrap_nor_an_interval_without_bounds_does() -> None:
    # 0.87 of 2,000, says the module; two standard errors of it are 0.035 for 400.
    found = simulation.one_task("successes", 0.01, 400)
    assert found.shares["bootstrap"] == pytest.approx(0.87, abs=0.035)
    assert found.shares["without bounds"] == pytest.approx(0.87, abs=0.035)
    assert found.shares["with bounds"] == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("case", ["easy to hard", "six at 0.5", "six at 0.02"])
def test_an_interval_holds_the_mean_over_tasks(case: str) -> None:
    assert simulation.overall(case, NUM_BOARDS, with_iqm=False).shares["mean"] == COVERED


def test_an_interval_holds_the_interquartile_mean_over_tasks() -> None:
    found = simulation.overall("easy to hard", 400)
    assert found.shares["iqm"] == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("case", ["three at 0, three at 1", "six at 0"])
def test_where_nothing_varies_an_interval_holds_the_truth_and_has_a_width(case: str) -> None:
    found = simulation.overall(case, 2)
    assert found.shares == {"mean": 1.0, "iqm": 1.0}
    assert min(found.widths.values()) > 0.005


@pytest.mark.parametrize(("pair", "num_tasks"), [((0.65, 0.55), 6), ((0.5, 0.5), 1), ((0.99, 0.01), 1)])
def test_an_interval_holds_the_difference_of_two_teams(pair: tuple[float, float], num_tasks: int) -> None:
    found = simulation.difference(pair, num_tasks, NUM_BOARDS)
    assert found.shares["with bounds"] == COVERED


@pytest.mark.parametrize(
    "case",
    ["five alike of eight, others 10 points apart", "eight alike at 0.02", "four good at one half, four at the other"],
)
def test_the_same_policy_shares_a_rank_on_95_of_100_boards(case: str) -> None:
    found = simulation.boards(case, 400)
    # 0.96 in the module; a level that is not held, such as without Holm, falls far below: eight alike are 28 pairs.
    assert found.never_apart >= 0.94
    assert found.true_ranks >= 0.94
    assert found.alike_share >= found.never_apart


def test_teams_ten_points_apart_are_told_apart_on_90_of_100_boards() -> None:
    found = simulation.boards("four at 0.55, four at 0.65", 200)
    assert found.pair_apart is not None and found.pair_apart >= 0.99
    assert found.all_apart is not None and found.all_apart >= 0.95
    found = simulation.boards("four at 0.55, four at 0.65, three tasks", 200)
    assert found.pair_apart == pytest.approx(0.92, abs=0.04)
    assert found.all_apart == pytest.approx(0.51, abs=0.11)


def test_a_board_is_judged_by_what_is_true() -> None:
    ranking = Ranking(
        (Standing("a", 0.7, 1, 2), Standing("b", 0.6, 1, 2), Standing("c", 0.5, 3, 3)),
        np.array([[1.0, 0.3, 0.001], [0.3, 1.0, 0.01], [0.001, 0.01, 1.0]]),
    )
    # All 10 points apart in truth: of (a, b), (a, c), (b, c) two were told apart, and the ranks are 1, 2, 3.
    assert simulation.judged(ranking, {"a": 0.7, "b": 0.6, "c": 0.5}) == (True, True, True, pytest.approx(2 / 3))
    # b and c alike: they were told apart and share no rank; b's true ranks are 2 and 3, and it has 1 and 2.
    assert simulation.judged(ranking, {"a": 0.7, "b": 0.5, "c": 0.5}) == (False, False, False, 0.5)


def test_the_tables_are_printed_and_the_numbers_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "results" / "board_simulation.json"
    simulation.main(["--boards", "2", "--out", str(out)])
    kept = json.loads(out.read_text(encoding="utf-8"))
    assert [row["case"] for row in kept["ranks"]] == list(simulation.BOARDS)
    assert [row["case"] for row in kept["all tasks"]] == list(simulation.TASKS_OF)
    assert len(kept["one task"]) == len(simulation.ONE_TASK)
    assert len(kept["differences"]) == 2 * len(simulation.PAIRS)
    assert "intervals of one task" in capsys.readouterr().out
