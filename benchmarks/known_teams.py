"""Teams whose true rates are known, playing the same instances of the same tasks, once each.

An instance has a difficulty, drawn from a normal and met by all teams. A team succeeds where what it can do, less the
difficulty, less luck of its own, is positive; the difficulty is `CORRELATION` of the variance. So a rate is exact, two
teams of the same rates are the same policy playing twice, and what is hard for one is hard for all. Scores that are no
successes are the share of four such attempts at an instance, or continuous, with a quantile that two teams share with
that probability: x^((1 − rate) / rate) of a uniform x, which is skewed, and an exponential, which has no upper bound.
"""

from collections.abc import Callable, Mapping
from statistics import NormalDist

import numpy as np

from leaderboard.statistics import Floats
from leaderboard.team_scores import Bounds

NUM_INSTANCES = 200
CORRELATION = 0.5
ATTEMPTS = 4

Draw = Callable[[Floats, np.random.Generator], Floats]
"""(teams, tasks) true rates -> (teams, tasks, instances) scores."""


def successes(rates: Floats, rng: np.random.Generator) -> Floats:
    """1 or 0."""
    return _attempts(rates, 1, rng)


def partial(rates: Floats, rng: np.random.Generator) -> Floats:
    """The share of a few attempts at each instance that succeed, such as tests that pass."""
    return _attempts(rates, ATTEMPTS, rng)


def skewed(rates: Floats, rng: np.random.Generator) -> Floats:
    """Any number from 0 to 1."""
    return np.asarray(_uniforms(rates, rng) ** ((1 - rates) / rates)[..., None])


def exponential(rates: Floats, rng: np.random.Generator) -> Floats:
    """Any number from 0."""
    return np.asarray(-np.log1p(-_uniforms(rates, rng)) * rates[..., None])


def _attempts(rates: Floats, num: int, rng: np.random.Generator) -> Floats:
    quantile = np.vectorize(NormalDist().inv_cdf)
    certain = np.where(rates > 0, np.inf, -np.inf)
    able = np.where((rates > 0) & (rates < 1), quantile(np.clip(rates, 1e-9, 1 - 1e-9)), certain)
    difficulty = rng.normal(size=(1, rates.shape[1], NUM_INSTANCES, 1))
    luck = rng.normal(size=(*rates.shape, NUM_INSTANCES, num))
    passed = np.sqrt(CORRELATION) * difficulty + np.sqrt(1 - CORRELATION) * luck < able[..., None, None]
    return np.asarray(passed.mean(axis=-1))


def _uniforms(rates: Floats, rng: np.random.Generator) -> Floats:
    shared = rng.random(size=(1, rates.shape[1], NUM_INSTANCES))
    own = rng.random(size=(*rates.shape, NUM_INSTANCES))
    # Both of two teams have the shared one with the probability CORRELATION.
    return np.where(rng.random(size=own.shape) < np.sqrt(CORRELATION), shared, own)


KINDS: Mapping[str, tuple[Draw, Bounds | None]] = {
    "successes": (successes, (0.0, 1.0)),
    "partial": (partial, (0.0, 1.0)),
    "skewed": (skewed, (0.0, 1.0)),
    "exponential": (exponential, None),
}

Team = dict[str, dict[int, float]]
"""Task -> instance -> score."""


def teams_of(scores: Floats) -> list[Team]:
    """(teams, tasks, instances) -> as the leaderboard takes them."""
    return [{str(task): dict(enumerate(row.tolist())) for task, row in enumerate(rows)} for rows in scores]
