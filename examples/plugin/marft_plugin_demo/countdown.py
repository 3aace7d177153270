"""Countdown: two agents count down together, each naming the number below the one it has read.

| | |
|---|---|
| id | `demo/countdown-v0` |
| agents | `counter_0`, `counter_1` |
| D | chain: the second reads the first |
| observation | the number to begin with, for the first agent of a round; what was said |
| action | a number |
| reward | 0.25 to the whole team for every number that is right, at most 1 |
| horizon | 2 rounds |
| recall | team |
| split | train and test, by the number to begin with |
| source | the number itself, 1,000 to 99,999 |
| info | `right`: how many numbers were right |
| versions | v0: the first |
"""

from collections.abc import Mapping
from typing import Any, Unpack

import numpy as np

from marft_envs import Dependencies, FlexMG, Outcome, Profile
from marft_envs.flex_mg import BaseOptions

LOWEST, HIGHEST = 1_000, 99_999


class Countdown(FlexMG):
    """A team has two rounds to count down by four."""

    metadata = {"name": "countdown_v0"}
    reward_range = (0.0, 1.0)
    source = "countdown"

    def __init__(self, *, horizon: int = 2, **base: Unpack[BaseOptions]) -> None:
        """Raises: OptionError, TeamFileError."""
        base.setdefault("team", (Profile("counter", system="Count down."), Profile("counter", system="Count down.")))
        super().__init__(horizon=horizon, **base)

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws the number to begin with."""
        self.first = int(rng.integers(LOWEST, HIGHEST + 1))
        self.num_right = 0

    def dependencies_for(self, round: int) -> Dependencies:
        """The second agent reads the first."""
        return Dependencies.chain(self.possible_agents)

    def view(self, agent: str) -> str:
        """Only the first agent of the first round is told the number."""
        first = self.round == 0 and agent == self.possible_agents[0]
        return f"Begin below {self.first}." if first else "Go on."

    def act(self, agent: str, action: str) -> Outcome:
        """Pays for the right number."""
        right = action.strip() == self._expected(agent)
        self.num_right += right
        share = 1 / (self.horizon * len(self.possible_agents))
        return Outcome(rewards=share * right, info={"right": self.num_right})

    def _expected(self, agent: str) -> str:
        return str(self.first - 1 - self.round * len(self.possible_agents) - self.possible_agents.index(agent))

    def hidden(self) -> str:
        """The number to begin with."""
        return str(self.first)

    def instance_key(self) -> str:
        """The number to begin with."""
        return str(self.first)

    def reference_action(self, agent: str) -> str:
        """The number that is due."""
        return self._expected(agent)
