"""Budget: two parties share what there is; what it is worth to them, each knows for itself alone.

| | |
|---|---|
| id | `collab/budget-v0` |
| agents | `red_0`, `blue_0`; or any two who `answer` |
| D | while they talk a sequence: the second reads the first; when they claim nobody reads anybody |
| observation | what there is, what it is worth to the agent, and what its part has to be worth; a request |
| action | talk: any text; claim: a last line such as `1 hat, 2 balls`, or `nothing` |
| reward | at the end, to each its own: 0 without a deal, or the worth of its claim, where 1 is that of all there is |
| horizon | 4 rounds, an option, 2 or more; claims come after 1, 2 or 3 rounds of talk, by level, and terminate |
| recall | team |
| levels | easy, standard, hard |
| split | train and test |
| source | pools and values drawn at random |
| silent | easy 0.368, standard 0.338, hard 0.375: the best rules of what to claim that were found; not proven |
| info | `deal`: 0 or 1; then `efficient`, `nash` (share of the best), `poorer` (its share of both), `welfare` |
| versions | v0: the first |

Interests differ: what one gets the other does not. All items are worth 20 to either party, as 10 in Lewis et al. 2017
(arXiv 1706.05125). A deal needs two things. The claims make up exactly what there is, so nothing is wanted twice and
nothing is left. And both parts are worth 12 or more to whoever gets them: more than half, so it takes knowing who wants
what. Every instance has such a deal. `best_welfare` is the greatest sum of a deal; the reference attains it, with the
least difference between the two that it allows (else the first in order of the first party's claim): on average each
has 0.777, 0.769, 0.775.

Why a team: who claims without a word knows its own values alone, while parts have to fit each other exactly, and to be
worth enough to a stranger. The silent numbers are those of the best pair of rules (from own values to a claim, for each
pool) that alternating best replies find from many starts. That is a lower bound of the best. An upper bound is proven:
were the second party to read the first one's mind, and only the first claimed without hearing anything, they would
have 0.665, 0.608, 0.603.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from marft_envs.collab.worlds.budget import (
    LEVELS,
    NAMES,
    NEEDED,
    TOTAL,
    best_deal,
    deals,
    drawn_places,
    game,
    listed,
    qualities,
    silent_rules,
    stated_claim,
)
from marft_envs.dependencies import Dependencies
from marft_envs.errors import OptionError, TeamFileError
from marft_envs.flex_mg import BaseOptions, FlexMG
from marft_envs.hooks import filled
from marft_envs.records import Outcome

TALK = "Say what you want."
CLAIM = "What do you take? Reply with only that, such as '{example}'."


class Budget(FlexMG):
    """Two parties talk, then both claim at once."""

    metadata = {"name": "budget_v0"}  # noqa: RUF012  # PettingZoo declares it so
    default_team = "budget"
    levels = tuple(LEVELS)
    reward_range = (0.0, 1.0)
    mixed_motives = True
    source = "budget"

    def __init__(self, *, horizon: int = 4, **base: Unpack[BaseOptions]) -> None:
        """Raises: OptionError, TeamFileError."""
        super().__init__(horizon=horizon, **base)
        if horizon == 1:
            raise OptionError("horizon is 1, and the parties talk before they claim; use 2 rounds or more")
        if [profile.answers for profile in self.profiles.values()] != [True, True]:
            raise TeamFileError(f"the team is {', '.join(self.profiles)}; two share, and both 'answers: true'")

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws what there is, its names, and what it is worth to both."""
        level = LEVELS[str(self.level)]
        self.pool = level.pools[int(rng.integers(len(level.pools)))]
        self.kinds = rng.permutation(NAMES)[: len(self.pool)].tolist()
        self._places = drawn_places(rng, self.pool)
        self.values = dict(zip(self.possible_agents, game(self.pool).values[self._places].tolist(), strict=True))
        self.deals = deals(self.pool, self._places)
        self.claims_at = min(level.num_talks, self.horizon - 1)
        self._claims: list[tuple[int, ...] | None] = []

    def dependencies_for(self, round: int) -> Dependencies:
        """One after the other while they talk; at once when they claim."""
        return self.sequence if round < self.claims_at else Dependencies.together(self.possible_agents)

    def view(self, agent: str) -> str:
        """What there is, and what it is worth to this party; then what it is asked for."""
        request = TALK if self.round < self.claims_at else CLAIM.format(example=f"1 {self.kinds[0]}")
        if self.round > 0:
            return request
        pool = listed(self.pool, self.kinds)
        return f"Share all of this: {pool}.\nTo you {self._worth(agent)}. Both of you need {NEEDED} or more.\n{request}"

    def _worth(self, agent: str) -> str:
        told = [f"a {kind} is worth {value}" for kind, value in zip(self.kinds, self.values[agent], strict=True)]
        return ", ".join(told)

    def _tells(self, agent: str) -> str:
        return f"To me {self._worth(agent)}. And to you?"

    def act(self, agent: str, action: str) -> Outcome | None:
        """Reads a claim; talk is only heard."""
        if self.round == self.claims_at:
            self._claims.append(stated_claim(action, self.kinds))
        return None

    def end_round(self) -> Outcome | None:
        """Pays for the claims, if they are a deal."""
        if not self._claims:
            return None
        made = next((deal for deal in self.deals if [*deal.claims] == self._claims), None)
        if made is None:
            return Outcome(terminated=True, info={"deal": 0})
        return Outcome(
            rewards={agent: worth / TOTAL for agent, worth in zip(self.possible_agents, made.worths, strict=True)},
            terminated=True,
            info={"deal": 1, **qualities(made, self.deals)},
        )

    def hidden(self) -> str:
        """The best deal."""
        return " | ".join(listed(claim, self.kinds) for claim in best_deal(self.deals).claims)

    def instance_key(self) -> str:
        """Counts and values, whatever the kinds are called, and whoever of the two has which values."""
        one, other = self.values.values()
        sides = [sorted(zip(self.pool, *pair, strict=True)) for pair in ((one, other), (other, one))]
        return str(min(sides))

    def best_welfare(self) -> float:
        """The greatest sum of a deal."""
        return sum(best_deal(self.deals).worths) / TOTAL

    def reference_action(self, agent: str) -> str:
        """The first tells its values, the second answers with the best deal, and both claim what it says."""
        party = self.possible_agents.index(agent)
        if self.round == 0 and party == 0:
            return self._tells(agent)
        claims = [listed(claim, self.kinds) for claim in best_deal(self.deals).claims]
        if self.round == self.claims_at:
            return claims[party]
        return f"I take {claims[party]}. You take {claims[1 - party]}."

    def silent_action(self, agent: str) -> str:
        """What its rule claims for its own values: `silent_rules`, found by search, not proven to be the best."""
        if self.round < self.claims_at:
            return "I say nothing."
        party = self.possible_agents.index(agent)
        first, second, _ = silent_rules(self.pool)
        claim = (first, second)[party][self._places[party]]
        return listed(game(self.pool).claims[claim].tolist(), self.kinds)

    def choices(self, agent: str) -> Sequence[str]:
        """Claiming: any part of what there is; talking: any division of it, or first what everything is worth to it."""
        claims = [listed(claim, self.kinds) for claim in game(self.pool).claims.tolist()]
        divisions = zip(claims[1:], claims[-2::-1], strict=True)
        talks = [self._tells(agent), *(f"I take {own}. You take {other}." for own, other in divisions)]
        most = max(len(game(pool).claims) for pool in LEVELS[str(self.level)].pools)
        return filled(talks if self.round < self.claims_at else claims, most)

    def gradable(self, agent: str, action: str) -> bool | None:
        """Whether it states a claim; talk is only heard."""
        return stated_claim(action, self.kinds) is not None if self.round == self.claims_at else None

    def answer(self) -> str | None:
        """What each claims, deal or not; none unless both do."""
        claims = [claim for claim in self._claims if claim is not None]
        if len(claims) < len(self.possible_agents):
            return None
        told = [listed(claim, self.kinds) for claim in claims]
        return "; ".join(f"{agent}: {claim}" for agent, claim in zip(self.possible_agents, told, strict=True))
