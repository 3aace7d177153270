r"""Pipeline: a problem passes through a team of specialists, one of whom answers, until the judge is content.

| | |
|---|---|
| id | `math/pipeline-v0` |
| agents | `reasoner_0`, `actor_0`, `verifier_0`; or the team solo, duo, quartet, octet, or any with one who `answers` |
| D | sequence: everybody reads everybody who stands before them on the team |
| observation | the problem, later the judge's verdict and a request to try again |
| action | any text; who answers ends with the answer: in `\boxed{}`, as `The answer is 12`, or alone on the last line |
| reward | at the end, to the whole team: the share of answers that are right, 0 to 1 |
| horizon | 3 rounds, an option; a right answer terminates, the horizon truncates |
| recall | team by default; with the option parents, nobody is told what was said in earlier rounds |
| levels | one_digit, add_digit, add_digit_long, two_digit, signed, three_terms, expression |
| split | train; test where the source has enough tasks, or a test part of its own |
| source | an option: arithmetic; reasoning_gym:GENERATOR; gsm8k, math or jsonl, from a file, folder or hub (`data`) |
| info | `correct`: share of right answers; `right_value`: the best share so far, if any last integer counted |
| versions | v0: the first |

The shape and the roles of the teams are those of MARFT's mathematics (arXiv 2504.16129): solo (solver), duo (reasoner,
actor), trio (and a verifier), quartet (decomposer, planner, executor, verifier), octet (parser, generator, selector,
solver, numeric, symbolic, verifier, aggregator). A verifier stands behind who answers: it is heard in the next round.
The levels above are those of `arithmetic`; other sources have their own. For data sets `make` takes `all` by default,
while `marft train`, as everywhere, takes the easiest level that has a test split.
An untrained SmolLM2-135M-Instruct answers of 64 held-out problems of add_digit_long (greedy, one round, at most 16 new
tokens): solo 0.16, trio 0.17, quartet 0.05, octet 0.09; intervals are about 0.08 to either side.
Deviates: the wording is ours; the reward goes to the whole team; answers are compared exactly and have to be worked
out (`is_right` in `marft_envs.grading.equality`).
"""

from collections.abc import Mapping
from typing import Any, Literal, Unpack

import numpy as np

from marft_envs.errors import OptionError
from marft_envs.flex_mg import FlexMG
from marft_envs.grading.answers import last_integer, parse_integer
from marft_envs.grading.canonical import canonical_answer, joint_text
from marft_envs.grading.equality import has_form, is_right
from marft_envs.math.judge import RIGHT, TRY_AGAIN, WRONG, check_somebody_answers, share
from marft_envs.math.setting import MathOptions, Solving
from marft_envs.records import Outcome

RECALLS = ("team", "parents")


class Pipeline(Solving, FlexMG):
    """A team has `horizon` rounds to answer one problem; everybody reads those who stand before them."""

    metadata = {"name": "pipeline_v0"}  # noqa: RUF012  # PettingZoo declares it so
    default_team = "trio"

    def __init__(
        self, *, horizon: int = 3, recall: Literal["team", "parents"] = "team", **options: Unpack[MathOptions]
    ) -> None:
        """Raises: OptionError, TeamFileError, DataError.

        Args:
            horizon: Rounds after which an episode is truncated.
            recall: "team": everybody is told what it missed of earlier rounds; "parents": nobody is.
            options: Where problems come from, and the base's.
        """
        if recall not in RECALLS:
            raise OptionError(f"recall is {recall!r}; use 'team' or 'parents'")
        self.recall = recall
        super().__init__(horizon=horizon, **options)
        check_somebody_answers(self.profiles)

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws a problem of the level."""
        super().start(rng, options)
        self._correct: dict[str, bool] = {}
        self._right_value: dict[str, bool] = {}
        self._best_right_value = 0.0

    def view(self, agent: str) -> str:
        """The problem, and for who answers how to write it; then the request to try again."""
        if self.round > 0:
            return TRY_AGAIN
        return self.asked(self.answer_form if self.profiles[agent].answers else "")

    def act(self, agent: str, action: str) -> None:
        """Judges an answer; what the others write is only read."""
        if self.profiles[agent].answers:
            wanted = self.task.answer
            self._correct[agent] = is_right(action, wanted)
            number = parse_integer(wanted)
            self._right_value[agent] = self._correct[agent] or (number is not None and last_integer(action) == number)

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

    def reference_action(self, agent: str) -> str:
        """The answer, boxed by those who answer."""
        return self.task.boxed if self.profiles[agent].answers else f"It is {self.task.answer}."

    def gradable(self, agent: str, action: str) -> bool | None:
        """Whether those who answer state something that can be compared; what the others write is only read."""
        return has_form(action, self.task.answer) if self.profiles[agent].answers else None

    def answer(self) -> str | None:
        """What each of those who answer stated last."""
        return joint_text([canonical_answer(self.last_words(agent) or "") for agent in self._correct])
