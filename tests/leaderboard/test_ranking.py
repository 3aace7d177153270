"""Which teams can be told apart, and which ranks they may have.

1. The test is on differences on the same instance; what does not vary is no certainty, and rounding is no lead.
2. Holm's adjustment rejects what his procedure rejects.
3. Ranks hold a team's place and follow its leads; no order matters; teams that cannot be told apart share a rank.
4. A Pareto front loses who is beaten, and keeps ties.
5. Whoever has not played the same is told.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.ranking import Ranking, compare, holm, pareto_front, rank
from leaderboard.statistics import paired_comparison

UNIT = (0.0, 1.0)
Team = dict[str, dict[int, float]]


def played(**scores: list[float]) -> Team:
    return {task: dict(enumerate(values)) for task, values in scores.items()}


def p_value(one: Team, other: Team) -> float:
    """Of two teams there is one pair, and nothing to adjust."""
    return float(rank({"one": one, "other": other}).p_values[0, 1])


@st.composite
def boards(draw: st.DrawFn) -> dict[str, Team]:
    """Up to six teams on up to three tasks, with leads from none to clear."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    num_tasks, num_instances = draw(st.integers(1, 3)), draw(st.integers(2, 40))
    rates = draw(st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.6, 1.0]), min_size=1, max_size=6))
    succeed_or_fail = draw(st.booleans())

    def scores(rate: float) -> list[float]:
        drawn = rng.random(num_instances)
        return (np.where(drawn < rate, 1.0, 0.0) if succeed_or_fail else rate + 0.3 * drawn).tolist()

    return {
        f"team {place}": played(**{f"t{task}": scores(rate) for task in range(num_tasks)})
        for place, rate in enumerate(rates)
    }


# -- the test ----------------------------------------------------------------------------------------------------------


def test_two_teams_are_compared_by_the_instances_on_which_they_differ() -> None:
    # 10 times the one succeeds alone, twice the other, of 100: D = 0.08, s² = (12 − 100 · 0.08²) / 99 = 0.114747,
    # V = (0.114747 + 0.0064) / 100, z = 0.08 / 0.0348062 = 2.298441 (McNemar: 8 / √12 = 2.309). p = 2 (1 − Φ(z)).
    one = played(a=[1.0] * 10 + [0.0] * 2 + [1.0] * 40 + [0.0] * 48)
    other = played(a=[0.0] * 10 + [1.0] * 2 + [1.0] * 40 + [0.0] * 48)
    assert p_value(one, other) == pytest.approx(0.021536, abs=2e-6)
    assert p_value(one, other) == p_value(other, one)


def test_tasks_may_differ_in_who_leads_without_making_the_mean_less_sure() -> None:
    # a: 8 · +1, 2 · 0, mean 0.8, s² = (8 − 6.4) / 9 = 0.177778; b: −0.6 with s² = (6 − 3.6) / 9 = 0.266667. D = 0.1,
    # V = (0.177778 + 0.01 + 0.266667 + 0.01) / (10 · 4) = 0.0116111, z = 0.1 / 0.107755 = 0.928032.
    one = played(a=[1.0] * 8 + [0.0] * 2, b=[0.0] * 10)
    other = played(a=[0.0] * 10, b=[1.0] * 6 + [0.0] * 4)
    assert p_value(one, other) == pytest.approx(0.353391, abs=2e-6)


def test_it_is_what_becomes_of_flipping_signs_at_random() -> None:
    rng = np.random.default_rng(0)
    differences = np.array([1.0] * 50 + [-1.0] * 35 + [0.0] * 115)
    flipped = np.abs((rng.choice([-1.0, 1.0], size=(20_000, 200)) * differences).sum(axis=1))
    # Sums have steps of 2, so half of those that are as far out as ours belong to the step below.
    share = float(np.mean(flipped > 15) + np.mean(flipped == 15) / 2)
    # z = 15 / √85 = 1.63, p = 0.10; three standard errors of 20,000 are 0.006.
    ours = p_value(played(a=differences.tolist()), played(a=[0.0] * 200))
    assert share == pytest.approx(ours, abs=0.007)
    assert ours == pytest.approx(0.10, abs=0.01)


def test_a_lead_that_does_not_vary_is_as_sure_as_it_was_often_seen() -> None:
    # On n instances z = D / √(D² / n) = √n: 2 for four of them, whatever D is.
    for lead in (0.25, 1e-6):
        assert p_value(played(a=[0.5 + lead] * 4), played(a=[0.5] * 4)) == pytest.approx(math.erfc(2 / math.sqrt(2)))


def test_rounding_is_no_lead() -> None:
    # 0.4 − 0.3 and 0.2 − 0.3 are 0.1 and −0.1, and as floats their sum is 5e-17.
    assert (0.4 - 0.3) + (0.2 - 0.3) != 0
    assert p_value(played(a=[0.4] * 300, b=[0.2] * 300), played(a=[0.3] * 300, b=[0.3] * 300)) == 1.0


def test_a_difference_is_a_mean_over_tasks_and_so_is_improvement() -> None:
    # a: differences 1, 0, mean 1/2, improvement 3/4; b: −1, 0, 0, 0, mean −1/4, improvement 3/8. Means: 1/8 and 9/16.
    one, other = played(a=[1, 1], b=[0, 1, 1, 1]), played(b=[1, 1, 1, 1], a=[0, 1])
    for comparison in (compare(one, other), compare(one, other, bounds=UNIT)):
        assert comparison.difference.estimate == pytest.approx(0.125)
        assert comparison.improvement == pytest.approx(9 / 16)
        assert comparison.num_pairs == 6
        assert not comparison.can_be_told_apart


@given(teams=boards())
def test_without_bounds_an_interval_leaves_0_out_where_the_test_rejects(teams: dict[str, Team]) -> None:
    for one, other in itertools.combinations(teams.values(), 2):
        assert compare(one, other).can_be_told_apart == (p_value(one, other) < 0.05)


def test_an_interval_of_a_difference_agrees_with_the_bootstrap_where_scores_vary() -> None:
    rng = np.random.default_rng(3)
    one, other = (played(a=(rng.random(400) < rate).astype(float).tolist()) for rate in (0.6, 0.5))
    drawn = paired_comparison(one["a"], other["a"])
    for comparison in (compare(one, other), compare(one, other, bounds=UNIT)):
        found = comparison.difference
        assert (found.estimate, comparison.improvement) == pytest.approx((drawn.difference.estimate, drawn.improvement))
        assert (found.low, found.high) == pytest.approx((drawn.difference.low, drawn.difference.high), abs=0.004)


@pytest.mark.parametrize(("one", "low", "high"), [(0.0, -0.018845, 0.018845), (1.0, 1 - 2 * 0.018845, 1.0)])
def test_two_teams_that_always_differ_alike_are_not_certain(one: float, low: float, high: float) -> None:
    # As of scores, z² / (200 + z²) = 0.018845 of the differences may be elsewhere between −1 and 1.
    found = compare(played(a=[one] * 200), played(a=[0.0] * 200), bounds=UNIT).difference
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-6)


# -- many pairs --------------------------------------------------------------------------------------------------------


def test_p_values_are_adjusted_in_their_order() -> None:
    # Smallest first: 4 · 0.005 = 0.02, 3 · 0.01 = 0.03, 2 · 0.03 = 0.06, and 1 · 0.04, but no less than 0.06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])
    assert holm([]).shape == (0,)


@given(
    p_values=st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.01, 0.02])), max_size=12),
    level=st.sampled_from([0.01, 0.05, 0.2]),
)
def test_what_is_below_the_level_is_what_holms_procedure_rejects(p_values: list[float], level: float) -> None:
    # Reject the smallest, one after another, as long as the k-th of m is at most level / (m − k + 1).
    rejected = list(
        itertools.takewhile(
            lambda ranked: ranked[1][0] * (len(p_values) - ranked[0]) <= level,
            enumerate(sorted((p, place) for place, p in enumerate(p_values))),
        )
    )
    assert {place for place, p in enumerate(holm(p_values)) if p <= level} == {place for _, (_, place) in rejected}


@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_adjusted_p_values_are_no_smaller_and_keep_their_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert (adjusted >= np.array(p_values)).all() and (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p_values, kind="stable")]) >= 0).all()


# -- ranks -------------------------------------------------------------------------------------------------------------


def test_ranks_of_three_teams_of_which_two_are_alike() -> None:
    # 0.9 and 0.8 of 20 differ on two instances (z = 1.4), both lead 0.1 on 14 and more (z > 3.7; p · 3 < 0.001).
    teams = {
        "poor": played(a=[1.0] * 2 + [0.0] * 18),
        "good": played(a=[1.0] * 16 + [0.0] * 4),
        "better": played(a=[1.0] * 18 + [0.0] * 2),
    }
    found = [(standing.team, standing.mean, standing.best, standing.worst) for standing in rank(teams).standings]
    assert found == [("better", 0.9, 1, 2), ("good", 0.8, 1, 2), ("poor", 0.1, 3, 3)]


def test_a_team_alone_is_first() -> None:
    ranking = rank({"only": played(a=[0.0, 1.0])})
    assert [(standing.best, standing.worst) for standing in ranking.standings] == [(1, 1)]
    assert ranking.p_values.tolist() == [[1.0]]


def test_teams_with_the_same_scores_have_every_rank_and_stand_by_name() -> None:
    ranking = rank(dict.fromkeys(["c", "a", "b"], played(a=[0.0, 1.0, 1.0], b=[1.0, 1.0])))
    assert [(standing.team, standing.best, standing.worst) for standing in ranking.standings] == [
        ("a", 1, 3),
        ("b", 1, 3),
        ("c", 1, 3),
    ]


def leads(ranking: Ranking) -> set[tuple[int, int]]:
    pairs = itertools.combinations(range(len(ranking.standings)), 2)
    return {pair for pair in pairs if ranking.p_values[pair] <= 0.05}


@given(teams=boards())
def test_ranks_hold_the_place_on_the_board_and_follow_means(teams: dict[str, Team]) -> None:
    standings = rank(teams).standings
    for place, standing in enumerate(standings, start=1):
        assert 1 <= standing.best <= place <= standing.worst <= len(teams)
    for above, below in itertools.pairwise(standings):
        assert (above.mean, above.team) != (below.mean, below.team)
        assert above.mean > below.mean or (above.mean == below.mean and above.team < below.team)


@given(teams=boards())
def test_teams_that_cannot_be_told_apart_share_a_rank_and_leads_have_no_cycles(teams: dict[str, Team]) -> None:
    ranking = rank(teams)
    found, standings = leads(ranking), ranking.standings
    for one, other in itertools.combinations(range(len(standings)), 2):
        if (one, other) in found:
            assert standings[one].best < standings[other].best and standings[one].worst < standings[other].worst
        else:
            assert standings[other].best <= standings[one].worst
    assert all((one, last) in found for one, middle in found for other, last in found if middle == other)


@given(teams=boards(), seed=st.integers(0, 100))
def test_the_order_of_teams_tasks_and_instances_does_not_matter(teams: dict[str, Team], seed: int) -> None:
    rng = np.random.default_rng(seed)
    shuffled = {name: teams[name] for name in rng.permutation(list(teams)).tolist()}
    turned = {
        name: {task: dict(reversed(values.items())) for task, values in reversed(team.items())}
        for name, team in shuffled.items()
    }
    before, after = rank(teams), rank(turned)
    assert before.standings == after.standings
    assert np.array_equal(before.p_values, after.p_values)


@given(teams=boards())
def test_scores_counted_from_the_other_end_turn_the_board_round(teams: dict[str, Team]) -> None:
    turned = {
        name: {task: {instance: 1 - score for instance, score in values.items()} for task, values in team.items()}
        for name, team in teams.items()
    }
    before = {standing.team: (standing.best, standing.worst) for standing in rank(teams).standings}
    after = {standing.team: (standing.best, standing.worst) for standing in rank(turned).standings}
    size = len(teams)
    assert {name: (size + 1 - worst, size + 1 - best) for name, (best, worst) in before.items()} == after


@given(teams=boards())
def test_more_confidence_never_narrows_ranks(teams: dict[str, Team]) -> None:
    sure = {standing.team: standing for standing in rank(teams, confidence=0.99).standings}
    for standing in rank(teams, confidence=0.8).standings:
        assert sure[standing.team].best <= standing.best and standing.worst <= sure[standing.team].worst


def test_one_team_more_makes_a_lead_less_clear() -> None:
    # Ten of 30 are solved by the good one alone: D = 1/3, z = 3.13, p = 0.0018. Of three pairs two have it, times 3.
    good, poor = played(a=[1.0] * 14 + [0.0] * 16), played(a=[1.0] * 4 + [0.0] * 26)
    alone = rank({"good": good, "poor": poor}).p_values[0, 1]
    assert rank({"good": good, "poor": poor, "same": poor}).p_values[0, 1] == pytest.approx(3 * alone)


# -- Pareto ------------------------------------------------------------------------------------------------------------


def test_a_front_has_who_is_not_beaten_in_score_and_cost() -> None:
    scores = {"cheap": 0.2, "same price, worse": 0.1, "middle": 0.5, "dear": 0.9, "dearer, no better": 0.9}
    costs = {"cheap": 1, "same price, worse": 1, "middle": 10, "dear": 100, "dearer, no better": 101}
    assert pareto_front(scores, costs) == ("cheap", "middle", "dear")


def test_teams_with_the_same_score_and_cost_are_on_the_front_together_or_not_at_all() -> None:
    scores = {"b": 0.5, "a": 0.5, "d": 0.4, "c": 0.4}
    costs = {"b": 2.0, "a": 2.0, "d": 3.0, "c": 3.0}
    assert pareto_front(scores, costs) == ("a", "b")


@given(st.dictionaries(st.text(max_size=2), st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=9))
def test_whoever_is_not_on_the_front_is_beaten_by_somebody_on_it(points: dict[str, tuple[int, int]]) -> None:
    scores, costs = ({name: float(point[axis]) for name, point in points.items()} for axis in (0, 1))
    front = pareto_front(scores, costs)

    def beats(one: str, other: str) -> bool:
        as_good = scores[one] >= scores[other] and costs[one] <= costs[other]
        return as_good and (scores[one], costs[one]) != (scores[other], costs[other])

    assert not any(beats(one, other) for one in points for other in front)
    assert all(any(beats(one, other) for one in front) for other in set(points) - set(front))
    assert list(front) == sorted(front, key=lambda name: (costs[name], name))


# -- mistakes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: rank({}), "nobody to rank"),
        (lambda: rank({"x": {}}), "nothing to summarise"),
        (lambda: rank({"x": played(a=[0, 1]), "y": played(b=[0, 1])}), "only one of x and y has played a, b"),
        (lambda: rank({"x": played(a=[0, 1]), "y": played(a=[0, 1, 1])}), "1 instances of 'a' .* x and y alone"),
        (lambda: rank({"x": played(a=[0, 1]), "y": played(a=[0, math.nan])}), "instance 1 of 'a' is nan"),
        (lambda: rank({"x": played(a=[0, 1])}, confidence=2.0), "confidence is 2.0"),
        (lambda: compare(played(a=[0, 1]), played(a=[0, 1, 1])), "1 instances of 'a'"),
        (lambda: compare(played(a=[0, 1]), played(a=[0, 2]), bounds=UNIT), "is 2; it must be between"),
        (lambda: holm([0.5, 1.5]), "each lies between 0 and 1"),
        (lambda: holm([math.nan]), "each lies between 0 and 1"),
        (lambda: pareto_front({"x": 1.0}, {"y": 1.0}), "x, y have a score or a cost alone"),
        (lambda: pareto_front({"x": 1.0, "y": math.nan}, {"x": 1.0, "y": 1.0}), "y have .* not finite"),
    ],
)
def test_what_cannot_be_ranked_is_told(call: Callable[[], Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        call()
