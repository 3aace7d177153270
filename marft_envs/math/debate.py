r"""Debate: agents answer on their own, read each other and answer again, and a judge gives the answer that counts.

| | |
|---|---|
| id | `math/debate-v0` |
| agents | `debater_0`, `debater_1`, `debater_2`, `judge_0`; or any with one who `answers`, and two debaters or more |
| D | the debaters, none of whom reads another within a round; in the last round the judge alone |
| observation | the problem, later what the others wrote a round before; to the judge all of that, and the problem |
| action | any text that ends with the answer: in `\boxed{}`, as `The answer is 12`, or alone on the last line |
| reward | at the end, to the whole team: 0, or 1 if the judge's answer is right |
| horizon | 3 rounds, an option: the last of them is the judge's, which terminates, and all before it are of debate |
| recall | team |
| levels | one_digit, add_digit, add_digit_long, two_digit, signed, three_terms, expression |
| split | train; test where the source has enough tasks, or a test part of its own |
| source | an option: arithmetic; reasoning_gym:GENERATOR; gsm8k, math or jsonl, from a file, folder or hub (`data`) |
| info | `first`, `last`: share of debaters right in the first, the latest round; `majority`, `kept`, `correct` |
| versions | v0: the first |

`majority` is 1 if more than half of the debaters gave one answer in the latest round, `kept` is 1 if the judge gave it,
too, and `correct` is 1 if the judge's answer is right. So where `kept` is below `majority`, judges overrule.
The scheme is multiagent debate (Du et al., arXiv 2305.14325), here with three agents and two rounds: independent
answers, and one in which each has read the others. With a horizon of 2 nobody reads another, and the judge alone brings
the answers together.
Deviates: a judge reads the debate and answers, and is trained, where the paper takes what the debaters end with; the
wording is ours.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from marft_envs.dependencies import Dependencies
from marft_envs.errors import OptionError, TeamFileError
from marft_envs.flex_mg import FlexMG
from marft_envs.grading.canonical import canonical_answer
from marft_envs.grading.equality import has_form, is_right, same_answer
from marft_envs.grading.stating import stated_answer
from marft_envs.math.judge import share
from marft_envs.math.setting import MathOptions, Solving
from marft_envs.records import Outcome

REVISE = "Read the answers of the others, and answer again."
DECIDE = "Read the answers above, and give the right one."
_LEAST_DEBATERS = 2


def majority(answers: Sequence[str | None]) -> str | None:
    """The answer that more than half state, in one of its forms; None if there is none. None states nothing."""
    for one in answers:
        if one is not None:
            alike = sum(other is not None and same_answer(other, one) for other in answers)
            if 2 * alike > len(answers):
                return one
    return None


class Debate(Solving, FlexMG):
    """Debaters have all rounds but the last for one problem; then a judge answers it, once."""

    metadata = {"name": "debate_v0"}  # noqa: RUF012  # PettingZoo declares it so
    default_team = "debate"

    def __init__(self, *, horizon: int = 3, **options: Unpack[MathOptions]) -> None:
        """Raises: OptionError, TeamFileError, DataError."""
        super().__init__(horizon=horizon, **options)
        if horizon == 1:
            raise OptionError(
                "horizon is 1, which is the judge's round; use 2 rounds or more, so that there is a debate"
            )
        judges = [agent for agent, profile in self.profiles.items() if profile.answers]
        self.debaters = [agent for agent in self.possible_agents if agent not in judges]
        if len(judges) != 1 or len(self.debaters) < _LEAST_DEBATERS:
            raise TeamFileError(
                f"the team is {', '.join(self.profiles)}; a debate takes one judge, who 'answers: true', and two "
                "debaters or more, who do not"
            )
        self.judge = judges[0]

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws a problem of the level."""
        super().start(rng, options)
        self._answers: dict[str, str | None] = {}
        self._right: dict[str, bool] = {}
        self._first = 0.0
        self._favoured: str | None = None

    def dependencies_for(self, round: int) -> Dependencies:
        """The debaters, who read what was said in earlier rounds only; in the last round the judge."""
        return Dependencies([self.judge]) if round >= self.horizon - 1 else Dependencies.together(self.debaters)

    def view(self, agent: str) -> str:
        """The problem, to the judge with what to do; to the debaters later the request to revise."""
        if agent == self.judge:
            return self.asked(DECIDE, self.answer_form)
        return self.asked(self.answer_form) if self.round == 0 else REVISE

    def act(self, agent: str, action: str) -> Outcome | None:
        """Reads a debater's answer, which pays nothing; judges the judge's."""
        answer, right = stated_answer(action), is_right(action, self.task.answer)
        if agent != self.judge:
            self._answers[agent], self._right[agent] = answer, right
            return None
        kept = self._favoured is not None and answer is not None and same_answer(answer, self._favoured)
        return Outcome(rewards=float(right), terminated=True, info={"correct": int(right), "kept": int(kept)})

    def end_round(self) -> Outcome | None:
        """Tells how many debaters are right, and whether most agree."""
        if self.dependencies.agents == (self.judge,):
            return None
        last = share(self._right)
        if self.round == 0:
            self._first = last
        self._favoured = majority([*self._answers.values()])
        return Outcome(info={"first": self._first, "last": last, "majority": int(self._favoured is not None)})

    def reference_action(self, agent: str) -> str:
        """The answer, boxed."""
        return self.task.boxed

    def gradable(self, agent: str, action: str) -> bool:
        """Whether it states something that can be compared: debaters' answers are counted, the judge's is paid for."""
        return has_form(action, self.task.answer)

    def answer(self) -> str | None:
        """What the judge stated."""
        return canonical_answer(self.last_words(self.judge) or "")
