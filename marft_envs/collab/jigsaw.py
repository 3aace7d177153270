"""Jigsaw: the clues to a puzzle are spread over the team, and only all of them together solve it.

| | |
|---|---|
| id | `collab/jigsaw-v0` |
| agents | `holder_0`, `holder_1`, `solver_0`; or any team of three or more of whom the last alone `answers` |
| D | the holders at once, then the solver, who reads all of them |
| observation | the things that stand in a row, and the agent's own clues to where |
| action | the solver: its last line names all things from left to right; the holders: any text |
| reward | at the end, to the whole team: 0, or 1 for the right row |
| horizon | 1 round, an option; the right row terminates, the horizon truncates |
| recall | team |
| levels | easy, standard, hard |
| split | train and test |
| source | things, their row and the clues drawn at random |
| silent | easy 0.333, standard 0.0054, hard 0.000099: the solver guesses a row that its own clues allow |
| info | `correct`: 1 if the row is right; `share`: of the things that stand where the answer has them |
| versions | v0: the first |

Why a team: what the solver is told answers one or two questions, such as whether the cup is next to the hat, that were
drawn before the row mattered. So all rows with these answers are equally likely, and a guess is right once in as many
times as there are. The probability is the mean over all questions that may be drawn of (number of possible answers) /
(number of rows), and nothing that a holder keeps to itself changes it. All clues together leave one row. What one
holder and the solver know leaves several, so everybody has to speak.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np

from marft_envs.collab.worlds.rows import THINGS, RowTable, row_table, stated_row
from marft_envs.dependencies import Dependencies
from marft_envs.errors import TeamFileError
from marft_envs.flex_mg import BaseOptions, FlexMG
from marft_envs.hooks import MOST_CHOICES, SILENCE
from marft_envs.records import Outcome

TELL = "Tell the solver all that you know."
ANSWER = "What is the row? Reply with only the things, from left to right."
LEAST_HOLDERS = 2
WRONG = "judge: That is not the row. Try again."


@dataclass(frozen=True)
class Level:
    """One row of the table of levels."""

    summary: str
    size: int
    """Things in the row."""
    kinds: tuple[str, ...]
    """What clues may be about."""
    own_kinds: tuple[str, ...]
    """What the solver's own may be about."""
    num_own: int
    """How many the solver has."""
    by_name: bool = False
    """Whether the same clues to other things are another instance: where there are few."""


PLAIN = ("left", "next", "place")
SUBTLE = ("left", "apart", "between", "nearer")
LEVELS = {
    "easy": Level("three things, one clue each", 3, PLAIN, ("left",), 1, by_name=True),
    "standard": Level("six things", 6, PLAIN, PLAIN, 2),
    "hard": Level("eight things, and clues that tell little", 8, SUBTLE, SUBTLE, 2),
}


class Jigsaw(FlexMG):
    """A team puts its clues together, and its last member says in which row things stand."""

    metadata = {"name": "jigsaw_v0"}  # noqa: RUF012  # PettingZoo declares it so
    default_team = "jigsaw"
    levels = tuple(LEVELS)
    reward_range = (0.0, 1.0)
    source = "jigsaw"

    things: list[str]
    """Sorted, as everybody is told them."""
    row: int
    """How they stand: the row's number in the table."""
    clues: dict[str, list[int]]
    """Everybody's clues: the numbers, in the table, of the questions that they answer."""

    def __init__(self, *, horizon: int = 1, **base: Unpack[BaseOptions]) -> None:
        """Raises: OptionError, TeamFileError."""
        super().__init__(horizon=horizon, **base)
        *self.holders, self.solver = self.possible_agents
        answering = [agent for agent, profile in self.profiles.items() if profile.answers]
        if len(self.holders) < LEAST_HOLDERS or answering != [self.solver]:
            raise TeamFileError(
                f"the team is {', '.join(self.profiles)}; a jigsaw takes three or more agents, of whom only the last "
                "'answers: true'"
            )

    @property
    def table(self) -> RowTable:
        """All rows, and what is true of them."""
        return row_table(LEVELS[str(self.level)].size, LEVELS[str(self.level)].kinds)

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws what the solver is told about, the row, and clues for the others that single it out."""
        level = LEVELS[str(self.level)]
        self.things = sorted(THINGS[place] for place in rng.choice(len(THINGS), level.size, replace=False).tolist())
        allowed = [place for place, each in enumerate(self.table.questions) if each.kind in level.own_kinds]
        own = sorted(rng.choice(allowed, level.num_own, replace=False).tolist())
        self.row = int(rng.integers(len(self.table.rows)))
        dealt = self.table.dealt(own, self.row, len(self.holders), rng)
        self.clues = dict(zip(self.possible_agents, [*dealt, own], strict=True))

    def dependencies_for(self, round: int) -> Dependencies:
        """The same in every round."""
        return Dependencies(self.possible_agents, [(holder, self.solver) for holder in self.holders])

    def _told(self, agent: str) -> str:
        return self.table.told(self.clues[agent], self.row, self.things)

    def view(self, agent: str) -> str:
        """The things, its own clues, and what it is asked for; later only that."""
        request = ANSWER if agent == self.solver else TELL
        if self.round > 0:
            return request
        return f"In a row, in unknown order: {', '.join(self.things)}.\nYou know: {self._told(agent)}\n{request}"

    def _named(self, row: int) -> list[str]:
        return [self.things[thing] for thing in self.table.rows[row]]

    def act(self, agent: str, action: str) -> Outcome | None:
        """Judges the solver's row; what the others write is only read."""
        if agent != self.solver:
            return None
        answer, row = stated_row(action, self.things), self._named(self.row)
        correct = answer == row
        right = sum(one == other for one, other in zip(answer, row, strict=False))
        return Outcome(
            rewards=float(correct),
            terminated=correct,
            feedback=None if correct else WRONG,
            info={"correct": int(correct), "share": right / len(row)},
        )

    def hidden(self) -> str:
        """The row."""
        return ", ".join(self._named(self.row))

    def instance_key(self) -> str:
        """All clues, whoever holds them, with places for names; the names as well where there are few clues."""
        row = self.table.rows[self.row].tolist()
        keys = sorted({self.table.questions[clue].key(row) for clues in self.clues.values() for clue in clues})
        return "; ".join([*self._named(self.row), *keys] if LEVELS[str(self.level)].by_name else keys)

    def reference_action(self, agent: str) -> str:
        """The holders tell all their clues; with them and its own the solver knows the row."""
        return ", ".join(self._named(self.row)) if agent == self.solver else self._told(agent)

    def silent_action(self, agent: str) -> str:
        """The first of all rows that fit its own clues. Proven: all of them are as likely, see above."""
        return ", ".join(self._named(int(self.table.fitting(self.clues[agent], self.row).argmax())))

    def choices(self, agent: str) -> Sequence[str]:
        """A holder tells all its clues, or says nothing; the solver names one of all rows, in the order of the table.

        Raises: NotImplementedError at hard, where there are 40,320 rows.
        """
        if (num_rows := len(self.table.rows)) > MOST_CHOICES:
            raise NotImplementedError(
                f"at level {self.level!r} there are {num_rows:,} rows to choose from, and {MOST_CHOICES:,} are the most"
            )
        if agent != self.solver:
            return (self._told(agent), SILENCE)
        return [", ".join(self._named(row)) for row in range(num_rows)]

    def gradable(self, agent: str, action: str) -> bool | None:
        """Whether the solver names all things in its last line; what the others write is only read."""
        return bool(stated_row(action, self.things)) if agent == self.solver else None

    def answer(self) -> str | None:
        """The row that the solver named last."""
        return ", ".join(stated_row(self.last_words(self.solver) or "", self.things)) or None
