"""Plan, code, review: a planner and a coder write a program, and a reviewer's words decide whether it is repaired.

| | |
|---|---|
| id | `coding/plan_code_review-v0` |
| agents | `planner_0`, `coder_0`, `reviewer_0`; or any team with one who `answers`, and reviewers behind it |
| D | the planner, then the coder who reads it; the reviewer; and as long as that asks for a repair, the coder again |
| observation | the task and the visible tests; to the reviewer what the program does on them; a request to repair |
| action | coder: a program; reviewer: text that says `accept`, or anything else to have the program repaired |
| reward | at the end, to the whole team: what the accepted program is worth, 0 to 1, less a tenth for each repair |
| horizon | 6 rounds, an option; accepting terminates, the horizon truncates, and pays nothing |
| recall | team |
| levels | one_step, line, parentheses, arithmetic, two_steps, numbers, strings, lists, mixed |
| split | train; test where the source has enough tasks, or a test part of its own |
| source | an option: synthetic, humaneval, mbpp, apps, livecodebench, codecontests, jsonl (`data`) |
| info | `solved`: 1 if all hidden tests pass; `share` of them; `visible`: share of the visible ones; `repairs` |
| versions | v0: the first |

D depends on an action: who acts next, and whether anybody does, follows from the reviewer's words. Only the reviewer is
told what the program did, and only the coder writes programs, so what it should repair has to be said in words.
The first word that decides counts (`accepts` in `marft_envs.grading.decisions`), and text without one asks for a
repair.
"""

from collections.abc import Mapping
from typing import Any, Unpack

import numpy as np

from marft_envs.coding.canonical import canonical_programs
from marft_envs.coding.judge import judged, told
from marft_envs.coding.setting import REPAIR, WITH_CODE, CodingOptions, Programming, asked, writers
from marft_envs.dependencies import Dependencies
from marft_envs.errors import OptionError, TeamFileError
from marft_envs.flex_mg import FlexMG
from marft_envs.grading.decisions import accepts
from marft_envs.grading.programs import Verdict
from marft_envs.records import Outcome

REPAIR_COST = 0.1
"""Of the reward, for each repair: who asks for one too many pays, and so does who accepts too early."""
PLAN = "Say how to write it."
REVIEW = "Accept the program, or say what to repair."


class PlanCodeReview(Programming, FlexMG):
    """A team writes one program, which is judged when its reviewers accept it."""

    metadata = {"name": "plan_code_review_v0"}  # noqa: RUF012  # PettingZoo declares it so
    default_team = "plan_code_review"

    def __init__(self, *, horizon: int = 6, **options: Unpack[CodingOptions]) -> None:
        """Raises: OptionError, TeamFileError, DataError."""
        super().__init__(horizon=horizon, **options)
        if horizon == 1:
            raise OptionError("horizon is 1, and who reviews the program speaks in round 2; use 2 rounds or more")
        coders = writers(self.profiles)
        self.coder = coders[0]
        place = self.possible_agents.index(self.coder) + 1
        self.writing, self.reviewing = self.possible_agents[:place], self.possible_agents[place:]
        if len(coders) != 1 or not self.reviewing:
            raise TeamFileError(
                f"the team is {', '.join(self.profiles)}; exactly one of it writes the program and 'answers: true', "
                "and who reviews it stands behind that one"
            )

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws a task of the level."""
        super().start(rng, options)
        self._program = ""
        self._visible = Verdict(())
        self._accepted = False
        self._repairs = 0

    def dependencies_for(self, round: int) -> Dependencies:
        """Planners and coder, then reviewers; after their words the coder alone, and the reviewers again."""
        if round % 2:
            return Dependencies.sequence(self.reviewing)
        return Dependencies.sequence(self.writing) if round == 0 else Dependencies([self.coder])

    def view(self, agent: str) -> str:
        """The task, at this agent's first turn; then what it is asked for."""
        request = (
            REVIEW if self.round % 2 else PLAN if agent != self.coder else WITH_CODE if self.round == 0 else REPAIR
        )
        return request if self.round > 1 else f"{asked(self.task)}\n{request}"

    def act(self, agent: str, action: str) -> Outcome | None:
        """Runs a program on the visible tests, which the reviewers are told of; or reads what a reviewer decides."""
        if agent == self.coder:
            self._program = self.program(action)
            self._repairs += self.round > 0
            (self._visible,) = judged(self, self.task, self.task.visible, [self._program], trusts_log=False)
            feedback = dict.fromkeys(self.reviewing, told(self.task, self._visible))
            return Outcome(
                feedback=feedback,
                info={"solved": 0, "share": 0.0, "visible": self._visible.share, "repairs": self._repairs},
            )
        if agent in self.reviewing:
            self._accepted = accepts(action) and (self._accepted or agent == self.reviewing[0])
        return None

    def end_round(self) -> Outcome | None:
        """Pays for the program that all reviewers accepted."""
        if not self._accepted:
            return None
        (hidden,) = judged(self, self.task, self.task.hidden, [self._program])
        return Outcome(
            rewards=self.worth(self._visible, hidden) * max(1.0 - REPAIR_COST * self._repairs, 0.0),
            terminated=True,
            info={"solved": int(hidden.passed and not self._visible.failures), "share": hidden.share},
        )

    def reference_action(self, agent: str) -> str:
        """The reference program; a reviewer accepts what passes. Raises: NotImplementedError without a program."""
        if agent in self.reviewing:
            return "Repair what fails." if self._visible.failures else "accept"
        return self.reference_program()

    def gradable(self, agent: str, action: str) -> bool | None:
        """Whether there is a program in it, of the coder."""
        return self.has_program(action) if agent == self.coder else None

    def answer(self) -> str | None:
        """The program that was accepted."""
        return canonical_programs([self._program])[0] if self._accepted else None
