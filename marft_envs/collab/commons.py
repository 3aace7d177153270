"""Commons: villagers fish in one lake, and what it bears follows only from what all of them see.

| | |
|---|---|
| id | `collab/commons-v0` |
| agents | `villager_0`, `villager_1`, `villager_2`; or any team of two to eight who all `answers` |
| D | together: in one round all talk, in the next all fish, having heard what was said |
| observation | talking: how much the agent's own spring holds; fishing: what the lake bears for it, and the request |
| action | talking: any text; fishing: its last line is how many fish one takes; anything else takes none |
| reward | to each its own catch, in shares of full baskets in all seasons: 0 to 1; if the lake dies, it is taken back |
| horizon | 8 rounds, an option: two a season; the last season terminates, and so does the lake's death |
| recall | team |
| levels | easy, standard, hard |
| split | train and test |
| source | springs drawn at random |
| silent | easy 0.239, standard 0.177, hard 0.177: a plan by one's own spring and the catch so far |
| info | `kept`: the catch, in share of what the lake bore; `alive`; `seasons` it lived through; `gini` of the catches |
| versions | v0: the first |

Why a team: the lowest spring decides, and who sees a full one does not know whether another is dry. The best silent
play is found by dynamic programming over everything that villagers can plan. Springs are drawn anew each season, and
the catch of all is told to everybody, so nothing else can matter, and it is proven to be the best. What it earns falls
with every season, because the lake may die in each. The reference earns 0.621, 0.552 and 0.579 on average.

Interests differ: who tells of a dry spring makes the others take less, and may take what they leave. All catches
together are at most what the lake bears, which is `best_welfare`, and the reference shares it out fairly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np

from marft_envs.collab.worlds.lake import FULL, MOST_SILENT, Lake, drawn_springs, report, silent_play
from marft_envs.dependencies import Dependencies
from marft_envs.errors import OptionError, TeamFileError
from marft_envs.flex_mg import BaseOptions, FlexMG
from marft_envs.grading.answers import stated_integer
from marft_envs.hooks import SILENCE, filled
from marft_envs.records import Outcome

LEAST, MOST = 2, 8  # villagers


@dataclass(frozen=True)
class Level:
    """One row of the table of levels."""

    summary: str
    seasons: int
    share: int
    """Fish for each villager that the lake bears for a barrel."""
    over: int
    """Fish that it bears beyond; where there is one, they cannot be shared out evenly."""
    buckets: range
    """What the buckets in a barrel are drawn from."""
    own_barrels: bool = False
    """Whether everybody's buckets are of another size."""


LEVELS = {
    "easy": Level("three seasons, a fish each for every full ten buckets", 3, 1, 0, range(10, 11)),
    "standard": Level("four seasons, fish that cannot be shared out evenly", 4, 1, 1, range(6, 20)),
    "hard": Level("four seasons, more fish, and buckets of everybody's own size", 4, 2, 1, range(6, 30), True),
}


class Commons(FlexMG):
    """Villagers have up to half of `horizon` seasons to live off a lake."""

    metadata = {"name": "commons_v0"}  # noqa: RUF012  # PettingZoo declares it so
    default_team = "commons"
    levels = tuple(LEVELS)
    reward_range = (0.0, 1.0)
    mixed_motives = True
    source = "commons"

    def __init__(self, *, horizon: int = 8, **base: Unpack[BaseOptions]) -> None:
        """Raises: OptionError, TeamFileError."""
        super().__init__(horizon=horizon, **base)
        if horizon == 1:
            raise OptionError("horizon is 1, and a season takes 2 rounds: one to talk, one to fish; use 2 or more")
        if not LEAST <= len(self.profiles) <= MOST or not all(each.answers for each in self.profiles.values()):
            raise TeamFileError(
                f"the team is {', '.join(self.profiles)}; {LEAST} to {MOST} villagers fish, and all 'answers: true'"
            )

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws what all springs hold in all seasons."""
        self.setting = LEVELS[str(self.level)]
        fish = self.setting.share * (num := len(self.possible_agents)) + self.setting.over
        self.lake = Lake(num, fish, min(self.setting.seasons, self.horizon // 2))
        self.springs = drawn_springs(rng, self.lake, self.setting.buckets, own_sizes=self.setting.own_barrels)
        self.caught = dict.fromkeys(self.possible_agents, 0)
        self.taken: dict[str, int] = {}

    def dependencies_for(self, round: int) -> Dependencies:
        """All at once; what is said is heard when the next round opens."""
        return Dependencies.together(self.possible_agents)

    def view(self, agent: str) -> str:
        """Its own spring and a request to talk, or what the lake bears for how much and a request to fish."""
        place, own = self.possible_agents.index(agent), self.setting.own_barrels
        size = self.springs.sizes[place]
        rule = self.lake.rule("barrel" if own else f"{size} buckets")
        if self.round % 2:
            return f"{rule}\nHow many fish do you take, 0 to {self.lake.basket}? Reply with only the number."
        barrel = f" {size} of your buckets make a barrel." if own else ""
        told = f"Your spring holds {self.springs.buckets[self.round // 2, place]} buckets.{barrel}\nTell the others."
        return told if self.round else f"{rule}\n{told}"

    def act(self, agent: str, action: str) -> Outcome | None:
        """Notes what is taken; what is said is only heard."""
        if self.round % 2:
            amount = stated_integer(action)
            self.taken[agent] = amount if amount is not None and 0 <= amount <= self.lake.basket else 0
        return None

    def end_round(self) -> Outcome | None:
        """Pays what was taken, or takes everything back."""
        if self.round % 2 == 0:
            return None
        num_past, taken, before = self.round // 2 + 1, sum(self.taken.values()), self.caught
        borne = self.springs.borne[:num_past]
        alive = taken <= borne[-1]
        self.caught = {agent: (before[agent] + self.taken[agent]) * alive for agent in before}
        told = f"all together {taken}. The lake bore {borne[-1]}{' and lives' if alive else ', and it is dead'}."
        return Outcome(
            rewards={agent: (self.caught[agent] - before[agent]) / self.lake.full for agent in before},
            terminated=not alive or num_past == self.lake.seasons,
            feedback={agent: f"judge: You took {self.taken[agent]} fish, {told}" for agent in before},
            info=report([*self.caught.values()], borne, alive=alive),
        )

    def hidden(self) -> str:
        """What the lake bears in each season."""
        return f"The lake bears {', '.join(map(str, self.springs.borne))} fish."

    def instance_key(self) -> str:
        """Everybody's springs."""
        return self.springs.key()

    def best_welfare(self) -> float | None:
        """All that the lake bears."""
        return sum(self.springs.borne) / self.lake.full

    def reference_action(self, agent: str) -> str:
        """Tells the truth, and who begins to take what is left over; then takes a fair share of all that is borne."""
        place, season = self.possible_agents.index(agent), self.round // 2
        if self.round % 2:
            return str(self.lake.fair_share(self.springs.borne[season], place, season))
        first = self.possible_agents[season % self.lake.num_villagers]
        left = f" What cannot be shared goes to {first} first." if self.setting.over else ""
        barrels = f", full barrels: {self.springs.barrels[season, place]}" * self.setting.own_barrels
        return f"My spring holds {self.springs.buckets[season, place]} buckets{barrels}.{left}"

    def silent_action(self, agent: str) -> str:
        """What the best plan says, proven so by `silent_play`. Raises: NotImplementedError for more than four."""
        if len(self.possible_agents) > MOST_SILENT:
            raise NotImplementedError(f"the silent play of more than {MOST_SILENT} villagers has not been found")
        place, season = self.possible_agents.index(agent), self.round // 2
        plans = silent_play(self.lake).harvests[season][sum(self.caught.values())]
        return str(plans[place][self.springs.barrels[season, place]]) if self.round % 2 else ""

    def choices(self, agent: str) -> Sequence[str]:
        """Talking: how many full barrels its spring holds, true or not, or nothing; fishing: how many it takes."""
        takes = [str(amount) for amount in range(self.lake.basket + 1)]
        tells = [*(f"My spring holds {number} full barrels." for number in range(FULL + 1)), SILENCE]
        return filled(takes if self.round % 2 else tells, max(len(takes), len(tells)))

    def gradable(self, agent: str, action: str) -> bool | None:
        """Whether it states an integer, when fishing; what is said is only heard."""
        return stated_integer(action) is not None if self.round % 2 else None
