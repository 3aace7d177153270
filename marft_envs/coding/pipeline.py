"""Pipeline: a task passes through a team of specialists, one of whom writes a program, until the tests shown pass.

| | |
|---|---|
| id | `coding/pipeline-v0` |
| agents | `planner_0`, `coder_0`, `reviewer_0`; or the team solo, duo, quartet, octet, or any with one who `answers` |
| D | sequence: everybody reads everybody who stands before them on the team |
| observation | the task and the visible tests; later what fails on them and a request to repair |
| action | any text; who answers writes a program, alone or in a fenced block |
| reward | at the end, to the whole team: from 0 to 1, all hidden tests or nothing; or the share of them (`reward`) |
| horizon | 3 rounds, an option; passing the visible tests terminates, the horizon truncates (not if a share is paid) |
| recall | team |
| levels | one_step, line, parentheses, arithmetic, two_steps, numbers, strings, lists, mixed |
| split | train; test where the source has enough tasks, or a test part of its own |
| source | an option: synthetic, humaneval, mbpp, apps, livecodebench, codecontests, jsonl (`data`) |
| info | `solved`: share of programs that pass all tests; `share` of hidden tests; `visible`: share of visible ones |
| versions | v0: the first |

The teams: solo (coder), duo (planner, coder), trio (and a reviewer), quartet (analyst, planner, coder, reviewer), octet
(reader, example finder, analyst, planner, coder, tracer, tester, reviewer). Who stands behind the coder is heard in the
next round. Where several answer, each writes a program, and the reward is the mean of what they earn.
Deviates: the roles of MARFT's coding (arXiv 2504.16129) are not published in full; these are ours.
"""

from collections.abc import Mapping
from statistics import fmean
from typing import Any, Unpack

import numpy as np

from marft_envs.coding.canonical import canonical_programs
from marft_envs.coding.judge import FAILED, SOLVED, judged, told
from marft_envs.coding.setting import REPAIR, WITH_CODE, CodingOptions, Programming, asked, writers
from marft_envs.flex_mg import FlexMG
from marft_envs.grading.canonical import joint_text
from marft_envs.records import Outcome

ADVISE = "Help those who write the program."


class Pipeline(Programming, FlexMG):
    """A team has `horizon` rounds to write one program; everybody reads those who stand before them."""

    metadata = {"name": "coding_pipeline_v0"}  # noqa: RUF012  # PettingZoo declares it so
    default_team = "trio"

    def __init__(self, *, horizon: int = 3, **options: Unpack[CodingOptions]) -> None:
        """Raises: OptionError, TeamFileError, DataError."""
        super().__init__(horizon=horizon, **options)
        self.writers = writers(self.profiles)

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws a task of the level."""
        super().start(rng, options)
        self._programs: dict[str, str] = {}

    def view(self, agent: str) -> str:
        """The task; then the request to repair. Who writes is asked for code, and the others to help."""
        answers = self.profiles[agent].answers
        if self.round > 0:
            return REPAIR if answers else ADVISE
        return f"{asked(self.task)}\n{WITH_CODE if answers else ADVISE}"

    def act(self, agent: str, action: str) -> None:
        """Keeps a program for the end of the round; what the others write is only read."""
        if self.profiles[agent].answers:
            self._programs[agent] = self.program(action)

    def end_round(self) -> Outcome:
        """Runs the programs: on the visible tests, and if one passes, or it was the last round, on the hidden ones."""
        task, programs = self.task, [self._programs[agent] for agent in self.writers]
        visible = judged(self, task, task.visible, programs, trusts_log=False)
        passes = [not verdict.failures for verdict in visible]
        shown = fmean(verdict.share for verdict in visible)
        feedback = "\n".join(told(task, verdict) for verdict in visible)
        if not any(passes) and self.round + 1 < self.horizon:
            return Outcome(feedback=feedback, info={"solved": 0.0, "visible": shown})
        hidden = judged(self, task, task.hidden, programs)
        solved = fmean(one.passed and is_shown for one, is_shown in zip(hidden, passes, strict=True))
        return Outcome(
            rewards=fmean(self.worth(*verdicts) for verdicts in zip(visible, hidden, strict=True)),
            terminated=any(passes) or self.reward == "share",  # what is paid for is over: no next state is worth more
            feedback=(SOLVED if solved == 1.0 else FAILED) if all(passes) else feedback,
            info={"solved": solved, "share": fmean(one.share for one in hidden), "visible": shown},
        )

    def reference_action(self, agent: str) -> str:
        """The reference program. Raises: NotImplementedError where the data have none."""
        return self.reference_program()

    def gradable(self, agent: str, action: str) -> bool | None:
        """Whether there is a program in it, of those who write one."""
        return self.has_program(action) if self.profiles[agent].answers else None

    def answer(self) -> str | None:
        """The program that each of those who write one wrote last."""
        return joint_text(canonical_programs([self._programs[agent] for agent in self.writers]))
