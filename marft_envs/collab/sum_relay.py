"""Sum relay: everybody holds some of the numbers, hears its neighbour alone, and the last says what all sum to.

| | |
|---|---|
| id | `collab/sum_relay-v0` |
| agents | `holder_0`, `holder_1`; or any team of two or more of whom the last alone `answers` |
| D | chain: everybody reads the agent just before it |
| observation | the agent's own numbers |
| action | the last: its last line is `47` or `The answer is 47`; the others: any text |
| reward | at the end, to the whole team: 0, or 1 for the right sum; `reward="near"` pays up to half for a wrong one |
| horizon | 1 round, an option; the right sum terminates, as any that is paid for does; the horizon truncates |
| recall | parents |
| levels | easy, standard, hard |
| split | train and test |
| source | numbers drawn at random |
| silent | easy 0.001, standard 0.008, hard 0.0003: whoever answers guesses the likeliest sum of the others' numbers |
| info | `correct`: 1 if the sum is right; `off`: how far the answer is from it, in share of it, 1 at most |
| versions | v0: the first |

Why a team: the others' numbers are independent of one's own, so an agent that hears nothing can only add the likeliest
sum of theirs. That is the best there is, and its probability follows from a convolution: 1 of 999 round numbers; the
peak of three numbers from 10 to 99; that of five from -999 to 999. Longer teams make it smaller.

`reward="near"` is for teams that never hit the sum by chance: a wrong answer earns half of what its relative error
leaves. What a team is worth is still its share of right sums, `correct`; without words, near misses earn something.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any, Literal, Unpack

import numpy as np

from marft_envs.dependencies import Dependencies
from marft_envs.errors import OptionError, TeamFileError
from marft_envs.flex_mg import BaseOptions, FlexMG
from marft_envs.grading.answers import stated_integer
from marft_envs.hooks import MOST_CHOICES, SILENCE
from marft_envs.records import Outcome

TELL = "Tell the next agent the sum of all numbers up to yours."
ANSWER = "What is the sum of all numbers? Reply with only the number."
WRONG = "judge: That is not the sum. Try again."
REWARDS = ("exact", "near")
NEAR = 0.5
"""What a wrong answer earns under `reward="near"`, times the share that its error leaves; under "exact" nothing."""


@dataclass(frozen=True)
class Level:
    """One row of the table of levels."""

    summary: str
    first: range
    """What the first agent's numbers are drawn from."""
    others: range
    """What those of all others are drawn from."""
    count: int
    """Numbers for each agent."""

    @property
    def num_instances(self) -> int:
        """Of a pair, in order: more than there are keys."""
        return int((len(self.first) * len(self.others)) ** self.count)


LEVELS = {
    "easy": Level(
        "one number each: a round one up to 9,990 for the first, 1 to 9 for the others",
        range(10, 10_000, 10),
        range(1, 10),
        1,
    ),
    "standard": Level("three numbers each, from 10 to 99", range(10, 100), range(10, 100), 3),
    "hard": Level("five numbers each, from -999 to 999", range(-999, 1_000), range(-999, 1_000), 5),
}


def listed(numbers: Sequence[int]) -> str:
    """Numbers as their holder is told them."""
    told = ", ".join(map(str, numbers))
    return f"Your number is {told}." if len(numbers) == 1 else f"Your numbers are {told}."


class SumRelay(FlexMG):
    """A chain of agents sums up what all of them hold."""

    metadata = {"name": "sum_relay_v0"}  # noqa: RUF012  # PettingZoo declares it so
    default_team = "pair"
    levels = tuple(LEVELS)
    recall = "parents"
    reward_range = (0.0, 1.0)
    source = "sum_relay"

    numbers: dict[str, list[int]]
    """What everybody holds."""

    def __init__(
        self, *, horizon: int = 1, reward: Literal["exact", "near"] = "exact", **base: Unpack[BaseOptions]
    ) -> None:
        """Raises: OptionError, TeamFileError."""
        if reward not in REWARDS:
            raise OptionError(f"reward is {reward!r}; use 'exact' (right or nothing) or 'near' (half for coming near)")
        self._near = NEAR if reward == "near" else 0.0
        super().__init__(horizon=horizon, **base)
        *others, last = [profile.answers for profile in self.profiles.values()]
        if not others or any(others) or not last:
            raise TeamFileError(
                f"the team is {', '.join(self.profiles)}; a relay takes two or more agents, of whom only the last "
                "'answers: true'"
            )

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws everybody's numbers."""
        level = LEVELS[str(self.level)]
        self.numbers = {}
        for agent in self.possible_agents:
            among = level.others if self.numbers else level.first
            self.numbers[agent] = [among[place] for place in rng.integers(len(among), size=level.count).tolist()]
        self.total = sum(map(sum, self.numbers.values()))

    def dependencies_for(self, round: int) -> Dependencies:
        """The same chain in every round."""
        return Dependencies.chain(self.possible_agents)

    def view(self, agent: str) -> str:
        """Its own numbers, and what it is asked for; later only that."""
        request = ANSWER if self.profiles[agent].answers else TELL
        return f"{listed(self.numbers[agent])}\n{request}" if self.round == 0 else request

    def act(self, agent: str, action: str) -> Outcome | None:
        """Judges the last agent's sum; what the others write is only read."""
        if not self.profiles[agent].answers:
            return None
        answer = stated_integer(action)
        correct = answer == self.total
        off = 1.0 if answer is None else min(abs(answer - self.total) / max(abs(self.total), 1), 1.0)
        return Outcome(
            rewards=1.0 if correct else self._near * (1.0 - off),
            terminated=correct or self._near > 0,
            feedback=None if correct else WRONG,
            info={"correct": int(correct), "off": off},
        )

    def hidden(self) -> str:
        """The sum."""
        return str(self.total)

    def instance_key(self) -> str:
        """All numbers, sorted: whoever holds which, the sum is the same."""
        return " ".join(map(str, sorted(number for numbers in self.numbers.values() for number in numbers)))

    def reference_action(self, agent: str) -> str:
        """The sum of all numbers up to its own."""
        place = self.possible_agents.index(agent)
        return str(sum(sum(self.numbers[other]) for other in self.possible_agents[: place + 1]))

    def silent_action(self, agent: str) -> str:
        """Its own sum and the likeliest of the others'. Proven: nothing else that it is told depends on theirs.

        Sums of many draws from one range are likeliest in the middle; where each has one number, all are as likely.
        """
        sums = self._sums_before(agent)
        return str(sum(self.numbers[agent]) + (sums[0] + sums[-1]) // 2)

    def choices(self, agent: str) -> Sequence[str]:
        """Its own sum and, one after the other, all that the sum before it can be; who does not answer may say nothing.

        Raises: NotImplementedError where that are too many: at hard, and for longer chains at easy.
        """
        last = self.possible_agents[-1]
        if (num := len(self._sums_before(last))) > MOST_CHOICES:
            raise NotImplementedError(
                f"at level {self.level!r} {last} has {num:,} sums to choose from, and {MOST_CHOICES:,} are the most"
            )
        own = sum(self.numbers[agent])
        silence = [] if self.profiles[agent].answers else [SILENCE]
        return [*(str(own + before) for before in self._sums_before(agent)), *silence]

    def _sums_before(self, agent: str) -> range:
        """What the numbers of all who stand before the agent can come to."""
        level = LEVELS[str(self.level)]
        before = [level.first, *[level.others] * (len(self.possible_agents) - 1)][: self.possible_agents.index(agent)]
        least, most = (sum(among[end] for among in before) * level.count for end in (0, -1))
        return range(least, most + 1, gcd(*(among.step for among in before)) or 1)

    def gradable(self, agent: str, action: str) -> bool | None:
        """Whether the last agent states an integer; what the others write is only read."""
        return stated_integer(action) is not None if self.profiles[agent].answers else None

    def answer(self) -> str | None:
        """The sum that the last agent stated last."""
        stated = stated_integer(self.last_words(self.possible_agents[-1]) or "")
        return None if stated is None else str(stated)
