"""A lake that several fish in: what it bears, and how they had best fish in it without a word.

Every season the lake bears so many fish for each full barrel in the lowest of the springs, of which everybody sees one.
Springs hold no full barrel, one or two, drawn by `LAW` anew each season. If more is taken than the lake bears, it dies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement, product

import numpy as np
from numpy.typing import NDArray

LAW = (0.1, 0.1, 0.8)
"""Probabilities of 0, 1 and 2 full barrels in a spring. The lake is mostly full, so that taking nothing is dear."""
FULL = len(LAW) - 1
MOST_SILENT = 4
"""Villagers for whom the silent play is searched: more take minutes."""


@dataclass(frozen=True)
class Lake:
    """What everybody knows of it."""

    num_villagers: int
    fish: int
    """That it bears for each full barrel."""
    seasons: int

    @property
    def basket(self) -> int:
        """The most that one may take in a season: a fair share of a full lake, rounded up."""
        return -(-self.fish * FULL // self.num_villagers)

    @property
    def full(self) -> int:
        """Fish in one villager's full baskets of all seasons."""
        return self.basket * self.seasons

    def rule(self, unit: str) -> str:
        """What it bears, as villagers are told."""
        each, left = divmod(self.fish, self.num_villagers)
        bears = f"the lake bears {self.fish} fish in all" if left else f"each can take {each} fish"
        return f"For every full {unit} in the lowest spring, {bears}."

    def fair_share(self, borne: int, place: int, season: int) -> int:
        """What the villager at this place takes if all is taken; what is left over goes around with the seasons."""
        each, left = divmod(borne, self.num_villagers)
        return each + ((place - season) % self.num_villagers < left)


def report(caught: Sequence[int], borne: Sequence[int], *, alive: bool) -> dict[str, float]:
    """How it stands after some seasons: what is kept of all that was borne, whether the lake lives, and how fairly."""
    return {
        "kept": sum(caught) / sum(borne) if sum(borne) else float(alive),
        "alive": int(alive),
        "seasons": len(borne) - 1 + alive,
        "gini": gini(caught),
    }


@dataclass(frozen=True)
class Springs:
    """What springs hold, drawn for all seasons. Shapes: (seasons, villagers)."""

    sizes: tuple[int, ...]
    """Of each villager's barrel, in buckets."""
    barrels: NDArray[np.int64]
    """Full ones."""
    buckets: NDArray[np.int64]

    borne: tuple[int, ...]
    """Fish that the lake bears in each season."""

    def key(self) -> str:
        """Everybody's springs, sorted: villagers are alike."""
        held = zip(self.sizes, self.buckets.T.tolist(), strict=True)
        return " | ".join(sorted(f"{size}: {' '.join(map(str, buckets))}" for size, buckets in held))


def drawn_springs(rng: np.random.Generator, lake: Lake, sizes: range, *, own_sizes: bool) -> Springs:
    """Full barrels by `LAW`, and as many buckets beyond as can be; barrels of one size, or everybody's of another."""
    size = rng.choice(np.array(sizes), size=lake.num_villagers if own_sizes else 1)
    each = np.broadcast_to(size, lake.num_villagers)
    barrels = rng.choice(len(LAW), size=(lake.seasons, lake.num_villagers), p=LAW)
    buckets = barrels * each + rng.integers(each, size=barrels.shape)
    return Springs(tuple(each.tolist()), barrels, buckets, tuple((barrels.min(axis=1) * lake.fish).tolist()))


def gini(amounts: Sequence[float]) -> float:
    """0 if all have the same, near 1 if one has everything: the mean difference, as a share of twice the mean."""
    total = sum(amounts)
    differences = sum(abs(one - other) for one in amounts for other in amounts)
    return differences / (2 * len(amounts) * total) if total else 0.0


@dataclass(frozen=True)
class SilentPlay:
    """What villagers who hear nothing of each other take, by the season and by what all have caught so far."""

    value: float
    """Expected welfare: fish of all together, in the end."""
    harvests: tuple[tuple[tuple[tuple[int, ...], ...], ...], ...]
    """By season, fish caught by all so far, place of the villager, and full barrels in its own spring."""


@lru_cache(maxsize=16)
def silent_play(lake: Lake) -> SilentPlay:
    """The best there is: dynamic programming from the last season back, by trying all that all could plan.

    Springs are drawn anew, and what all have caught is told to everybody, so nothing else can matter to a plan for a
    season: an amount for each number of barrels in one's own spring, never more than it allows at most. Villagers are
    alike, so plans are tried in one order of them only.
    """
    assert lake.num_villagers <= MOST_SILENT, "the caller has seen to it"
    amounts = [range(min(lake.basket, lake.fish * barrels) + 1) for barrels in range(FULL + 1)]
    plans = np.array(list(product(*amounts)), dtype=np.int16)
    teams = np.array(list(combinations_with_replacement(range(len(plans)), lake.num_villagers)), dtype=np.int32)
    springs = np.array(list(product(range(FULL + 1), repeat=lake.num_villagers)))
    taken = sum(plans[teams[:, [place]], springs[:, place]] for place in range(lake.num_villagers))
    assert isinstance(taken, np.ndarray), "there are villagers"
    lives = np.prod(np.array(LAW)[springs], axis=1) * (taken <= lake.fish * springs.min(axis=1))
    most = lake.num_villagers * lake.basket
    values = np.arange(most * (lake.seasons + 1) + 1, dtype=float)
    harvests = []
    for season in reversed(range(lake.seasons)):
        worth = [(lives * values[taken + caught]).sum(axis=1) for caught in range(most * season + 1)]
        best = [int(each.argmax()) for each in worth]
        values = np.array([each[choice] for each, choice in zip(worth, best, strict=True)])
        harvests.append(tuple(tuple(tuple(plans[plan].tolist()) for plan in teams[choice]) for choice in best))
    return SilentPlay(float(values[0]), tuple(reversed(harvests)))
