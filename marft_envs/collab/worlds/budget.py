"""The world of budget: what there is to share, what it is worth to whom, and how well silent parties can share it.

A pool is how many items there are of each kind, a claim how many of each a party takes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from marft_envs.grading.answers import last_line

TOTAL = 20
"""What all that there is is worth to either party."""
NEEDED = 12
"""What a party's part has to be worth to it: more than half, so that no equal shares of everything will do."""
NAMES = ("hat", "ball", "book", "cup", "key", "lamp", "ring", "pen", "drum", "coin")
"""Of kinds; with an s they are many."""
SILENT_SEEDS: dict[tuple[int, ...], int] = {
    (1, 1, 1): 1175,
    (1, 1, 2): 1130,
    (1, 1, 1, 2): 341,
    (1, 1, 1, 3): 401,
    (1, 1, 2, 2): 47,
    (1, 1, 2, 3): 364,
    (1, 2, 2, 3): 1152,
    (1, 2, 3, 4): 3195,
    (2, 2, 3, 3): 128,
}
"""By pool: the start from which alternating best replies went farthest, of 500 (large pools) to 10,000 (small)."""

Pool = tuple[int, ...]
Rule = NDArray[np.intp]
"""For each of `values`, the place of a claim among `claims`."""


@dataclass(frozen=True)
class Level:
    """One row of the table of levels."""

    summary: str
    pools: tuple[Pool, ...]
    """How many there are of each kind: one of these is drawn."""
    num_talks: int
    """Rounds before the claims."""


LEVELS = {
    "easy": Level("three kinds, three or four items; one round of talk", ((1, 1, 1), (1, 1, 2)), 1),
    "standard": Level(
        "four kinds, five to seven items; two rounds of talk",
        ((1, 1, 1, 2), (1, 1, 1, 3), (1, 1, 2, 2), (1, 1, 2, 3)),
        2,
    ),
    "hard": Level(
        "four kinds, eight to ten items; three rounds of talk", ((1, 2, 2, 3), (1, 2, 3, 4), (2, 2, 3, 3)), 3
    ),
}


@dataclass(frozen=True)
class Game:
    """All that two parties may value and claim of a pool. Shapes: n values, c claims, k kinds."""

    pool: Pool

    @cached_property
    def values(self) -> NDArray[np.int64]:
        """(n, k): what one item of each kind can be worth to a party, so that all items are worth `TOTAL`."""
        worths = product(*[range(TOTAL // count + 1) for count in self.pool[1:]])
        left = [(TOTAL - sum(np.multiply(self.pool[1:], worth)), worth) for worth in worths]
        return np.array([(rest // self.pool[0], *w) for rest, w in left if rest >= 0 and rest % self.pool[0] == 0])

    @cached_property
    def claims(self) -> NDArray[np.int64]:
        """(c, k): all parts of the pool. The c-th from the end is what the c-th leaves."""
        return np.array(list(product(*[range(count + 1) for count in self.pool])))

    @cached_property
    def worth(self) -> NDArray[np.float64]:
        """(n, c): what each claim is worth to a party of these values; 0 where it is not enough."""
        worth = self.values @ self.claims.T
        return np.where(worth >= NEEDED, worth, 0).astype(np.float64)

    @cached_property
    def pairs(self) -> NDArray[np.float64]:
        """(n, n): 1 where both parties may have these values, all as likely: where there is a deal."""
        enough = (self.worth > 0).astype(np.float64)
        return (enough @ enough[:, ::-1].T > 0).astype(np.float64)

    def best_reply(self, rule: Rule) -> tuple[Rule, float]:
        """What the other party does best against a rule, and what both earn so, summed over all pairs of values."""
        kept = self.worth[np.arange(len(rule)), rule]
        leaves = np.zeros_like(self.worth)  # (n, c): whether that party leaves exactly this claim
        leaves[np.arange(len(rule)), len(self.claims) - 1 - rule] = kept > 0
        earned = (self.pairs @ leaves) * self.worth + (self.pairs @ (leaves * kept[:, None])) * (self.worth > 0)
        return earned.argmax(axis=1), float(earned.max(axis=1).sum())

    def improved(self, rule: Rule) -> tuple[Rule, Rule, float]:
        """Alternating best replies from the second party's rule, until neither gains."""
        reached = -1.0
        while True:
            first, _ = self.best_reply(rule)
            rule, earned = self.best_reply(first)
            if earned <= reached:  # whole numbers
                return first, rule, earned / self.pairs.sum()
            reached = earned


@lru_cache(maxsize=16)
def game(pool: Pool) -> Game:
    """The game about a pool, with what was found out about it."""
    return Game(pool)


@lru_cache(maxsize=16)
def silent_rules(pool: Pool) -> tuple[Rule, Rule, float]:
    """The best pair of rules that was found for parties that know their own values alone, and what both earn so.

    Alternating best replies from the start that `SILENT_SEEDS` names. Not proven to be the best.
    """
    about = game(pool)
    start = np.random.default_rng(SILENT_SEEDS[pool]).integers(len(about.claims), size=len(about.values))
    return about.improved(start)


@dataclass(frozen=True)
class Deal:
    """A division that suits both: two claims that make up the pool."""

    claims: tuple[tuple[int, ...], tuple[int, ...]]
    worths: tuple[int, int]


def deals(pool: Pool, places: Sequence[int]) -> list[Deal]:
    """All of them between parties whose values stand at these places of `Game.values`, in the order of claims."""
    about = game(pool)
    first, second = about.worth[places[0]], about.worth[places[1], ::-1]
    return [
        Deal(
            (tuple(about.claims[claim].tolist()), tuple(about.claims[-1 - claim].tolist())),
            (int(first[claim]), int(second[claim])),
        )
        for claim in np.flatnonzero((first > 0) & (second > 0)).tolist()
    ]


def drawn_places(rng: np.random.Generator, pool: Pool) -> list[int]:
    """Where the values of either party stand, so that they have a deal."""
    while True:
        places: list[int] = rng.integers(len(game(pool).values), size=2).tolist()
        if deals(pool, places):
            return places


def best_deal(among: Sequence[Deal]) -> Deal:
    """The greatest sum; among these the least difference; among these the first."""
    return max(among, key=lambda deal: (sum(deal.worths), -abs(deal.worths[0] - deal.worths[1])))


def qualities(made: Deal, among: Sequence[Deal]) -> dict[str, float]:
    """How good a deal is among all that were possible: efficient (Pareto), fair, and for both together."""
    is_better = [min(np.subtract(deal.worths, made.worths)) >= 0 and deal.worths != made.worths for deal in among]
    return {
        "efficient": int(not any(is_better)),
        "nash": prod(made.worths) / max(prod(deal.worths) for deal in among),
        "poorer": min(made.worths) / sum(made.worths),
        "welfare": sum(made.worths) / sum(best_deal(among).worths),
    }


def listed(claim: Sequence[int], kinds: Sequence[str]) -> str:
    """Items in words, as a claim states them."""
    some = [f"{count} {kind}{'s' * (count > 1)}" for count, kind in zip(claim, kinds, strict=True) if count]
    return ", ".join(some) or "nothing"


def stated_claim(reply: str, kinds: Sequence[str]) -> tuple[int, ...] | None:
    """How many of each kind the last line that is not blank names, a kind without a number being one; None for none.

    A line that names a kind twice states nothing, and neither does one without any, except `nothing`.
    """
    line = last_line(reply).lower()
    named = re.findall(rf"(?<!\w)(?:([0-9]++)\s++)?({'|'.join(kinds)})s?(?!\w)", line)
    counts = {kind: min(int(number[:4] or 1), 1_000) for number, kind in named}
    if len(counts) < len(named) or not (named or re.fullmatch(r"\W*nothing\W*", line)):
        return None
    return tuple(counts.get(kind, 0) for kind in kinds)
