r"""Routed: an orchestrator reads a problem, calls one or several specialists, and accepts an answer or calls again.

| | |
|---|---|
| id | `math/routed-v0` |
| agents | `orchestrator_0`, `algebraist_0`, `calculator_0`, `geometer_0`; or any team in which all but one answer |
| D | the orchestrator alone, then those it called, together, and so on |
| observation | the problem; the orchestrator also who can be called, and then what they answered |
| action | orchestrator: `call: calculator_0`, `accept: calculator_0` or `done`; a specialist ends with its answer |
| reward | at the end, to the whole team: 0, or 1 for a right answer, less a tenth for every further specialist's turn |
| horizon | 6 rounds, an option; accepting terminates, the horizon truncates, and pays nothing |
| recall | team |
| levels | one_digit, add_digit, add_digit_long, two_digit, signed, three_terms, expression |
| split | train; test where the source has enough tasks, or a test part of its own |
| source | an option: arithmetic; reasoning_gym:GENERATOR; gsm8k, math or jsonl, from a file, folder or hub (`data`) |
| info | `correct`: 1 if what is accepted is right; `answers`: turns of specialists; `any_right`: 1 if any of them is |
| versions | v0: the first |

What the orchestrator decides is whom to ask and whom to believe. It accepts somebody's answer and writes none itself,
or else it would need nobody, and routing would be worth nothing. `done` accepts the answer that came last; of several
that came together, that of who stands first on the team. A line that begins with `accept` and names one specialist who
has answered accepts that one's latest answer. A wrong answer that is accepted ends the episode: the judge is asked
once, so that a second opinion may be worth its tenth, and guessing on is not. Words that decide nothing lose a round.
An answer has the form that `math/pipeline-v0` asks for, and is compared in the same way; so are levels and sources.
Source: the orchestrator that calls agents is the picture of a team in MARFT (arXiv 2504.16129); the task is ours.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from marft_envs.dependencies import Dependencies
from marft_envs.errors import TeamFileError
from marft_envs.flex_mg import FlexMG
from marft_envs.grading.canonical import canonical_answer
from marft_envs.grading.equality import has_form, is_right
from marft_envs.math.judge import RIGHT, TRY_AGAIN, WRONG
from marft_envs.math.routing import Decision, decided
from marft_envs.math.setting import MathOptions, Solving
from marft_envs.records import Outcome

COST = 0.1
"""Of the reward, for every turn of a specialist but the first."""
LOST = "judge: That calls nobody, and accepts nobody who has answered."


class Routed(Solving, FlexMG):
    """An orchestrator has `horizon` rounds to have one problem answered by specialists."""

    metadata = {"name": "routed_v0"}  # noqa: RUF012  # PettingZoo declares it so
    default_team = "routed"
    recall = "team"

    def __init__(self, *, horizon: int = 6, **options: Unpack[MathOptions]) -> None:
        """Raises: OptionError, TeamFileError, DataError."""
        super().__init__(horizon=horizon, **options)
        leaders = [agent for agent, profile in self.profiles.items() if not profile.answers]
        self.specialists = [agent for agent in self.possible_agents if agent not in leaders]
        if len(leaders) != 1 or not self.specialists:
            raise TeamFileError(
                f"the team is {', '.join(self.profiles)}; exactly one of it, the orchestrator, does not answer; write "
                "'answers: true' in all other profiles, of which there is one at least"
            )
        self.leader = leaders[0]

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws a problem of the level."""
        super().start(rng, options)
        self._called: list[str] = []
        self._answers: dict[str, str] = {}
        self._came_last = ""
        self._num_answers = 0
        self._accepted = ""

    def dependencies_for(self, round: int) -> Dependencies:
        """Those whom the orchestrator has just called, or the orchestrator."""
        return Dependencies.together(self._called or [self.leader])

    def view(self, agent: str) -> str:
        """The problem at this agent's first turn, and what it is asked for."""
        if agent == self.leader:
            request = f"Reply with call: and one or more of {', '.join(self.specialists)}"
            request += "; or with accept: and one of those who answered." if self._answers else "."
        else:
            request = TRY_AGAIN if self.has_acted(agent) else self.answer_form
        return request if self.has_acted(agent) else self.asked(request)

    def act(self, agent: str, action: str) -> Outcome | None:
        """Reads what the orchestrator decides, or keeps a specialist's answer."""
        if agent != self.leader:
            self._came_last = agent if self._called else self._came_last
            self._called = []
            self._answers[agent] = action
            self._num_answers += 1
            any_right = self.info.get("any_right", 0) or is_right(action, self.task.answer)
            return Outcome(info={"correct": 0, "answers": self._num_answers, "any_right": int(any_right)})
        decision = decided(action, self.specialists)
        if decision is None or not self._has_effect(decision):
            return Outcome(feedback={agent: LOST})
        if not decision.accepts:
            self._called = list(decision.agents)
            return None
        self._accepted = self._answers[self._whom(decision)]
        return self._ended(is_right(self._accepted, self.task.answer))

    def _whom(self, decision: Decision) -> str:
        """Whose answer is accepted: that of the one who is named, or else of whoever came last."""
        return self._came_last if not decision.agents else decision.agents[0]

    def _has_effect(self, decision: Decision) -> bool:
        """Whether it calls somebody, or accepts one answer that there is."""
        return not decision.accepts or (len(decision.agents) <= 1 and self._whom(decision) in self._answers)

    def _ended(self, correct: bool) -> Outcome:
        return Outcome(
            rewards=max(1.0 - COST * (self._num_answers - 1), 0.0) if correct else 0.0,
            terminated=True,
            feedback=RIGHT if correct else WRONG,
            info={"correct": int(correct)},
        )

    def reference_action(self, agent: str) -> str:
        """One call, the answer, and its acceptance."""
        if agent != self.leader:
            return self.task.boxed
        return f"accept: {self._came_last}" if self._came_last else f"call: {self.specialists[0]}"

    def choices(self, agent: str) -> Sequence[str]:
        """For the orchestrator calls of each and of all, and whom it accepts; for specialists every answer there is."""
        answers = super().choices(agent)
        if agent != self.leader:
            return answers
        calls = [*(f"call: {name}" for name in self.specialists), f"call: {', '.join(self.specialists)}"]
        return [*calls, *(f"accept: {name}" for name in self.specialists), "done"]

    def gradable(self, agent: str, action: str) -> bool | None:
        """Whether the orchestrator decides something, and a specialist states something that can be compared."""
        if agent != self.leader:
            return has_form(action, self.task.answer)
        decision = decided(action, self.specialists)
        return decision is not None and self._has_effect(decision)

    def answer(self) -> str | None:
        """What was accepted."""
        return canonical_answer(self._accepted)
