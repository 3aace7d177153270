r"""Solve and verify: a solver answers, and a verifier's words decide whether that stands or is sent back.

| | |
|---|---|
| id | `math/solve_verify-v0` |
| agents | `solver_0`, `verifier_0`; or any team with one who `answers`, and verifiers behind it |
| D | the solver, and whoever stands before it; the verifier; and as long as that does not accept, the solver again |
| observation | the problem; to the verifier what the solver wrote; to the solver later what the verifier wrote |
| action | solver: text that ends with the answer, as in `math/pipeline-v0`; verifier: `accept`, or what is wrong |
| reward | at the end, to the whole team: 0, or 1 if the accepted answer is right, less a tenth for each repetition |
| horizon | 6 rounds, an option; accepting terminates, the horizon truncates, and pays nothing |
| recall | team |
| levels | one_digit, add_digit, add_digit_long, two_digit, signed, three_terms, expression |
| split | train; test where the source has enough tasks, or a test part of its own |
| source | an option: arithmetic; reasoning_gym:GENERATOR; gsm8k, math or jsonl, from a file, folder or hub (`data`) |
| info | `first`, `last`: 1 if the solver's first, latest answer is right; `fitting`, `repetitions`, `correct` |
| versions | v0: the first |

D depends on an action, as in `coding/plan_code_review-v0`: whether anybody acts next follows from the verifier's words.
The first word that decides counts (`accepts` in `marft_envs.grading.decisions`), and text without one sends the answer
back. Nobody tells the verifier whether the answer is right: it works the problem out, or believes.
`fitting` is the share of verdicts that accepted what is right or sent back what is wrong, `repetitions` how often an
answer was repeated, and `correct` 1 if the accepted one is right.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from marft_envs.dependencies import Dependencies
from marft_envs.errors import OptionError, TeamFileError
from marft_envs.flex_mg import FlexMG
from marft_envs.grading.canonical import canonical_answer
from marft_envs.grading.decisions import accepts
from marft_envs.grading.equality import has_form, is_right
from marft_envs.math.judge import RIGHT, WRONG
from marft_envs.math.setting import MathOptions, Solving
from marft_envs.records import Outcome

REPETITION_COST = 0.1
"""Of the reward, for each repetition: who sends back what is right pays, and so does who accepts what is wrong."""
# Chosen by measuring: of 40 replies of an untrained SmolLM2-135M-Instruct at temperature 1, 9 accept; with the request
# "Accept the answer above if it is right. Else say what is wrong." 2 of 40 do.
VERIFY = "Do you accept the answer? Reply with accept, or say what is wrong."
REPEAT = "Answer again."


class SolveVerify(Solving, FlexMG):
    """A solver answers one problem until its verifiers accept."""

    metadata = {"name": "solve_verify_v0"}  # noqa: RUF012  # PettingZoo declares it so
    default_team = "solve_verify"

    def __init__(self, *, horizon: int = 6, **options: Unpack[MathOptions]) -> None:
        """Raises: OptionError, TeamFileError, DataError."""
        super().__init__(horizon=horizon, **options)
        if horizon == 1:
            raise OptionError("horizon is 1, and who verifies the answer speaks in round 2; use 2 rounds or more")
        solvers = [agent for agent, profile in self.profiles.items() if profile.answers]
        place = self.possible_agents.index(solvers[0]) + 1 if solvers else 0
        self.solving, self.verifying = self.possible_agents[:place], self.possible_agents[place:]
        if len(solvers) != 1 or not self.verifying:
            raise TeamFileError(
                f"the team is {', '.join(self.profiles)}; exactly one of it 'answers: true', and who verifies that "
                "stands behind it"
            )
        self.solver = solvers[0]

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws a problem of the level."""
        super().start(rng, options)
        self._rights: list[bool] = []
        self._num_fitting = 0
        self._accepted = False

    def dependencies_for(self, round: int) -> Dependencies:
        """Whoever plans and the solver, then the verifiers; after their words the solver alone, and they again."""
        if round % 2:
            return Dependencies.sequence(self.verifying)
        return Dependencies.sequence(self.solving) if round == 0 else Dependencies([self.solver])

    def view(self, agent: str) -> str:
        """The problem, at this agent's first turn; then what it is asked for."""
        if agent in self.verifying:
            return self.asked(VERIFY) if self.round == 1 else VERIFY
        if self.round > 0:
            return REPEAT
        return self.asked(self.answer_form if agent == self.solver else "")

    def act(self, agent: str, action: str) -> None:
        """Judges the solver's answer, and tells nobody; or reads what a verifier decides."""
        if agent == self.solver:
            self._rights.append(is_right(action, self.task.answer))
        elif agent in self.verifying:
            self._accepted = accepts(action) and (self._accepted or agent == self.verifying[0])

    def end_round(self) -> Outcome:
        """Pays for the answer that all verifiers accepted."""
        right, repetitions = self._rights[-1], len(self._rights) - 1
        info: dict[str, float] = {"first": int(self._rights[0]), "last": int(right), "repetitions": repetitions}
        if self.round % 2 == 0:
            return Outcome(info={**info, "correct": 0})
        self._num_fitting += self._accepted == right
        info["fitting"] = self._num_fitting / len(self._rights)
        if not self._accepted:
            return Outcome(info=info)
        return Outcome(
            rewards=right * max(1.0 - REPETITION_COST * repetitions, 0.0),
            terminated=True,
            feedback=RIGHT if right else WRONG,
            info={**info, "correct": int(right)},
        )

    def reference_action(self, agent: str) -> str:
        """The answer, boxed by the solver; a verifier accepts what is right."""
        if agent in self.verifying:
            return "accept" if self._rights[-1] else f"reject: it is {self.task.answer}."
        return self.task.boxed if agent == self.solver else f"It is {self.task.answer}."

    def choices(self, agent: str) -> Sequence[str]:
        """For a verifier: it accepts, or says which answer it would be; for all others as in every such environment."""
        answers = super().choices(agent)
        if agent not in self.verifying:
            return answers
        return ["accept", *(f"reject: it is {answer}." for answer in self._source.answers(self.level))]

    def gradable(self, agent: str, action: str) -> bool | None:
        """Whether the solver states something that can be compared; what the others write is only read."""
        return has_form(action, self.task.answer) if agent == self.solver else None

    def answer(self) -> str | None:
        """What was accepted."""
        return canonical_answer(self.last_words(self.solver) or "") if self._accepted else None
