"""Reason and act: one agent works a problem out, another answers, and a judge lets them try again.

| | |
|---|---|
| id | `math/reason_act-v0` |
| agents | `reasoner_0`, `actor_0`; or any team in which somebody `answers` |
| D | sequence: everybody reads everybody who stands before them on the team |
| observation | the problem, later the judge's verdict and a request to try again |
| action | reasoner: any text; actor: its last line is `12`, `The answer is 12` or an equation `3 + 9 = 12` |
| reward | at the end, to the whole team: the share of answers that are right, 0 to 1 |
| horizon | 3 rounds, an option; a right answer terminates, the horizon truncates |
| recall | team |
| levels | one_digit, add_digit, add_digit_long, two_digit, signed, three_terms, expression |
| split | train; from add_digit_long on also test (the first two levels have too few problems) |
| source | problems made by `marft_envs.math.arithmetic` |
| info | `correct`: share of answers that are right; `right_value`: the best share of any round, if any format counted |
| versions | v0: the first |

The shape is the mathematics duo of MARFT (arXiv 2504.16129): reason, answer, verdict, try again.
Deviates: the reward goes to the whole team, not to its last agent; an answer has a strict form
(`stated_integer` in `marft_envs.grading.answers`), and what a generous reading would find (`last_integer`) is
reported beside it and pays nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from marft_envs.errors import OptionError
from marft_envs.flex_mg import BaseOptions, FlexMG
from marft_envs.grading.answers import last_integer, stated_integer
from marft_envs.grading.canonical import joint_text
from marft_envs.math.arithmetic import LEVELS, QUESTION, SPLIT_LEVELS, Problem, draw, num_instances
from marft_envs.math.judge import RIGHT, TRY_AGAIN, WRONG, check_somebody_answers, share
from marft_envs.records import Outcome


class ReasonAct(FlexMG):
    """A team has `horizon` rounds to answer one arithmetic problem."""

    metadata = {"name": "reason_act_v0"}  # noqa: RUF012  # PettingZoo declares it so
    default_team = "duo"
    levels = tuple(LEVELS)
    recall = "team"
    reward_range = (0.0, 1.0)
    source = "arithmetic"

    problem: Problem
    """This episode's problem."""

    def __init__(self, *, horizon: int = 3, **base: Unpack[BaseOptions]) -> None:
        """Raises: OptionError, TeamFileError."""
        super().__init__(horizon=horizon, **base)
        self._check_split()
        check_somebody_answers(self.profiles)

    def _check_split(self) -> None:
        if self.split == "test" and self.level not in SPLIT_LEVELS:
            count = num_instances(str(self.level))
            raise OptionError(
                f"split is 'test', but level {self.level!r} has only {count} problems, too few to hold some "
                f"out; use split='train', or one of the levels {', '.join(map(repr, SPLIT_LEVELS))}"
            )

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws a problem of the level."""
        self._check_split()  # the level may have come with `reset`
        self.problem = draw(str(self.level), rng)
        self._correct: dict[str, bool] = {}
        self._right_value: dict[str, bool] = {}
        self._best_right_value = 0.0

    def view(self, agent: str) -> str:
        """The problem, then the request to try again; everybody is told the same."""
        return QUESTION.format(problem=self.problem.text) if self.round == 0 else TRY_AGAIN

    def act(self, agent: str, action: str) -> None:
        """Judges an answer; what the others write is only read."""
        if self.profiles[agent].answers:
            self._correct[agent] = stated_integer(action) == self.problem.answer
            self._right_value[agent] = last_integer(action) == self.problem.answer

    def end_round(self) -> Outcome:
        """Pays for right answers; one is enough to end the episode."""
        correct = share(self._correct)
        self._best_right_value = max(self._best_right_value, share(self._right_value))
        return Outcome(
            rewards=correct,
            terminated=correct > 0,
            feedback=RIGHT if correct > 0 else WRONG,
            info={"correct": correct, "right_value": self._best_right_value},
        )

    def hidden(self) -> str:
        """The answer."""
        return str(self.problem.answer)

    def instance_key(self) -> str:
        """The problem, with everything that commutes in sorted order."""
        return self.problem.key

    def reference_action(self, agent: str) -> str:
        """The bare answer from those who answer, the solved equation from the others."""
        answer = str(self.problem.answer)
        return answer if self.profiles[agent].answers else f"{self.problem.text} = {answer}"

    def choices(self, agent: str) -> Sequence[str]:
        """Every answer that there can be at this level, from the least on; a reasoner names one as well."""
        return [str(answer) for answer in LEVELS[str(self.level)].answers]

    def gradable(self, agent: str, action: str) -> bool | None:
        """Whether those who answer state an integer; what the others write is only read."""
        return stated_integer(action) is not None if self.profiles[agent].answers else None

    def answer(self) -> str | None:
        """The integer that each of those who answer stated last."""
        stated = [stated_integer(self.last_words(agent) or "") for agent in self._correct]
        return joint_text([None if number is None else str(number) for number in stated])
