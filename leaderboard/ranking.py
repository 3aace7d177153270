"""Which teams can be told apart, and which ranks each may have; who is worth its cost.

All teams have played the same public instances, so what is compared are differences on the same instance: that one is
hard is hard for both, and cancels. As in `team_scores.py`, these are claims about teams, and tasks are strata.

**The test.** D is the mean over K tasks of the mean difference of each. If the truth is 0, D itself is chance, so a
task of n instances, whose differences have the variance s², adds (s² + D²) / (n K²) to the variance V of D, and
z = D / √V is compared with a normal. It is what becomes of flipping the sign of each difference at random, and of one
task that succeeds or fails it is McNemar's test, but for the n − 1 in s². No distribution of Student's is needed: z is
never more than the root of the number of instances, so differences that do not vary are no certainty by themselves.

**Ranks.** p-values of all pairs are adjusted together by Holm, so that on 95 of 100 boards no lead is false. A team's
rank is at least 1 + the number of those significantly better, and at most n − the number of those significantly worse
(Mogstad and others). √V is a norm of the differences; so where A leads B and B leads C, A leads C at least as clearly
as in the less clear of the two. Leads have no cycles, and teams that cannot be told apart have a rank in common.

**How often it is right** (`benchmarks/board_simulation.py`, 2,000 boards of each kind; a test repeats some). With 200
instances a task, of boards with eight teams of which four or more are the same policy, none of these were told apart on
95 to 97 of 100, also at a rate of 0.02, and where each is good at other tasks; of two teams alone on 94 to 96. Teams
at 0.55 and 0.65 are told apart in 99.9 of 100 pairs on six tasks, and all sixteen pairs of a board on 99 boards; on
three tasks 92 pairs are, and all sixteen on 51 boards. Where there are thirty teams it is 99 of 100 pairs on six tasks.

Sources: McNemar, Note on the Sampling Error of the Difference Between Correlated Proportions or Percentages (1947);
Efron, Student's t-Test Under Symmetry Conditions (1969); Holm, A Simple Sequentially Rejective Multiple Test Procedure
(1979); Mogstad, Romano, Shaikh and Wilhelm, Inference for Ranks, Review of Economic Studies 91 (2024).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from leaderboard.statistics import CONFIDENCE, Comparison, Floats, tails
from leaderboard.team_scores import Bounds, Instance, Played, mean_of_strata, strata_of

_ROUNDING = 1e-12
"""Differences smaller than this part of the largest score are rounding, and none."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A team's place on the board. Any rank from `best` to `worst` may be its true one."""

    team: str
    mean: float
    """Over tasks, of the means over instances."""
    best: int
    worst: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """A board."""

    standings: tuple[Standing, ...]
    """The highest mean first; equal ones by name."""
    p_values: Floats
    """(n, n): of each pair, adjusted for all of them, teams as in `standings`; 1 on the diagonal."""


def rank(teams: Mapping[str, Played[Instance]], *, confidence: float = CONFIDENCE) -> Ranking:
    """Teams with the ranks that they may have. Does not depend on any order in the mappings.

    With a probability of about `confidence` the true ranks of all teams are within.

    Raises: ValueError for no team, for teams that have not played the same, as `team_scores.mean_interval`.
    """
    names, tasks = _aligned(teams)
    means = np.mean([scores.mean(axis=-1) for scores in tasks], axis=0)
    order = sorted(range(len(names)), key=lambda place: (-means[place], names[place]))
    p_values = _adjusted([scores[order] for scores in tasks])
    # In this order nobody leads who stands below.
    leads = np.triu(p_values <= 2 * tails(confidence)[0], k=1)
    better, worse = leads.sum(axis=0), leads.sum(axis=1)
    return Ranking(
        tuple(
            Standing(names[place], float(means[place]), 1 + int(better[at]), len(names) - int(worse[at]))
            for at, place in enumerate(order)
        ),
        p_values,
    )


def compare(
    scores: Played[Instance], than: Played[Instance], *, bounds: Bounds | None = None, confidence: float = CONFIDENCE
) -> Comparison:
    """One team less another, mean over tasks; for one task, give that alone. `improvement`, too, is a mean over tasks.

    `bounds` are those of scores. Without them the interval leaves 0 out where the test of this pair alone has a p-value
    below 1 − confidence. With them it is closer to the truth near −1 and 1, wider where a task has always the same
    difference, and else differs by about 1 % of its width: `rank` decides. Improvement is over pairs of scores on the
    same instance; runs of algorithms have no such partners, so `probability_of_improvement` is over all pairs.

    Raises: ValueError as `rank`.
    """
    if bounds is not None:
        for played in (scores, than):
            strata_of(played, bounds)
    _, tasks = _aligned({"the first": scores, "the second": than})
    differences = [np.sort(one - other) for one, other in tasks]
    reach = None if bounds is None else (bounds[0] - bounds[1], bounds[1] - bounds[0])
    improvement = np.mean([(np.sign(values).mean() + 1) / 2 for values in differences])
    return Comparison(
        mean_of_strata(differences, reach, confidence), float(improvement), sum(len(values) for values in differences)
    )


def holm(p_values: ArrayLike) -> Floats:
    """(m,) -> (m,): p-values that may all be compared with one level, whatever their dependence.

    The k-th smallest of m times m − k + 1, but no less than the one before, and at most 1.

    Raises: ValueError for what is no probability.
    """
    found = np.asarray(p_values, dtype=np.float64)
    if not ((found >= 0) & (found <= 1)).all():
        raise ValueError(f"p-values are {found.tolist()}; each lies between 0 and 1")
    order = np.argsort(found, kind="stable")
    adjusted = np.empty_like(found)
    adjusted[order] = np.minimum(np.maximum.accumulate(found[order] * np.arange(len(found), 0, -1)), 1.0)
    return adjusted


def pareto_front(scores: Mapping[str, float], costs: Mapping[str, float]) -> tuple[str, ...]:
    """Teams than which none is as good and as cheap, and better in one of them; the cheapest first.

    Teams with both numbers equal stand or fall together.

    Raises: ValueError for teams with one of the two numbers alone, or one that is not finite.
    """
    if set(scores) != set(costs):
        odd = ", ".join(sorted(set(scores) ^ set(costs)))
        raise ValueError(f"{odd} have a score or a cost alone; leave them out, or give both")
    names = sorted(scores, key=lambda name: (costs[name], name))
    score, cost = (np.array([numbers[name] for name in names], dtype=np.float64) for numbers in (scores, costs))
    if not (np.isfinite(score).all() and np.isfinite(cost).all()):
        odd = ", ".join(name for name in names if not math.isfinite(scores[name] + costs[name]))
        raise ValueError(f"{odd} have a score or a cost that is not finite; leave them out")
    as_good = (score[:, None] >= score) & (cost[:, None] <= cost)
    beaten = np.any(as_good & ~as_good.T, axis=0).tolist()
    return tuple(name for name, is_beaten in zip(names, beaten, strict=True) if not is_beaten)


# ----------------------------------------------------------------------------------------------------------------------


def _aligned(teams: Mapping[str, Played[Instance]]) -> tuple[list[str], list[Floats]]:
    """Names, and (teams, instances) scores of each task."""
    if not teams:
        raise ValueError("there is nobody to rank; give one team at least")
    names = sorted(teams)
    first = teams[names[0]]
    for name in names:
        strata_of(teams[name])
        if set(teams[name]) != set(first):
            odd = ", ".join(sorted(set(teams[name]) ^ set(first)))
            raise ValueError(f"only one of {names[0]} and {name} has played {odd}; rank who has played the same tasks")
        for task in first:
            if teams[name][task].keys() != first[task].keys():
                num_odd = len(teams[name][task].keys() ^ first[task].keys())
                raise ValueError(
                    f"{num_odd} instances of {task!r} have a score of one of {names[0]} and {name} alone; "
                    "compare on instances that both have played"
                )
    tasks = []
    for task in sorted(first):
        instances = sorted(first[task], key=repr)
        tasks.append(np.array([[teams[name][task][instance] for instance in instances] for name in names], np.float64))
    return names, tasks


def _adjusted(tasks: Sequence[Floats]) -> Floats:
    """(n, n) p-values of all pairs of rows."""
    num_teams = len(tasks[0])
    z = np.stack([_z_against(place, tasks) for place in range(num_teams)])
    pairs = np.triu_indices(num_teams, k=1)
    p_values = np.ones((num_teams, num_teams))
    p_values[pairs] = holm([math.erfc(abs(value) / math.sqrt(2)) for value in z[pairs]])
    return np.minimum(p_values, p_values.T)


def _z_against(place: int, tasks: Sequence[Floats]) -> Floats:
    """(n,): the statistic of one team's lead over each."""
    differences = [scores[place] - scores for scores in tasks]
    lead = np.mean([values.mean(axis=-1) for values in differences], axis=0)
    largest = max(float(np.abs(scores).max()) for scores in tasks)
    lead[np.abs(lead) <= _ROUNDING * largest] = 0.0
    added = [(values.var(axis=-1, ddof=1) + lead**2) / values.shape[-1] for values in differences]
    spread = np.sqrt(np.sum(added, axis=0)) / len(tasks)
    return np.asarray(np.divide(lead, spread, out=np.zeros_like(lead), where=lead != 0))
