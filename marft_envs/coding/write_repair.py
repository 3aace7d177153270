"""Write and repair: one agent writes a program, another is shown what fails, and repairs it.

| | |
|---|---|
| id | `coding/write_repair-v0` |
| agents | `coder_0`, `repairer_0`; or `coder_0` alone, the team write_repair_solo; or any who all `answers` |
| D | one agent a round: the first of the team writes, the others repair, in turns |
| observation | the task and the visible tests; from the second round on the program so far and what fails |
| action | a program, alone or in a fenced block |
| reward | at the end, to the whole team: 1 if the program passes all hidden tests, else 0; or the share (`reward`) |
| horizon | 3 rounds, an option; a program that passes the visible tests terminates, the horizon truncates |
| recall | team |
| levels | one_step, line, two_steps, numbers, strings, lists, mixed |
| split | train; test where the source has enough tasks, or a test part of its own |
| source | an option: synthetic, humaneval, mbpp, apps, livecodebench, codecontests, jsonl (`data`) |
| info | `solved`: 1 if all hidden tests pass, else 0; `share` of them; `visible`: share of the visible ones |
| versions | v0: the first |

The visible tests are three of many; the hidden ones have other inputs, and nobody is ever told of them. A program is
run on them once, when it passes the visible tests or the horizon is there.
Deviates: MARFT's coding (arXiv 2504.16129) has one round and a sequence of roles, as `coding/pipeline-v0` has here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Unpack

import numpy as np

from marft_envs.coding.judge import FAILED, RUNTIME, SOLVED, judged, paid, told
from marft_envs.coding.replies import has_program, program_in
from marft_envs.coding.setting import REPAIR, WITH_CODE, asked, check_reward, check_split, use_source, writers
from marft_envs.coding.task import Task
from marft_envs.coding.tasks.synthetic import LEVELS
from marft_envs.dependencies import Dependencies
from marft_envs.errors import TeamFileError
from marft_envs.flex_mg import BaseOptions, FlexMG
from marft_envs.records import Outcome


class WriteRepair(FlexMG):
    """A team has `horizon` rounds to write one program that passes tests which it never sees."""

    metadata = {"name": "write_repair_v0"}  # noqa: RUF012  # PettingZoo declares it so
    default_team = "write_repair"
    levels = tuple(LEVELS)
    reward_range = (0.0, 1.0)
    runtime = RUNTIME

    task: Task
    """This episode's task."""

    def __init__(
        self,
        *,
        horizon: int = 3,
        source: str = "synthetic",
        data: str | Path | None = None,
        reward: Literal["all", "share"] = "all",
        **base: Unpack[BaseOptions],
    ) -> None:
        """Raises: OptionError, TeamFileError, DataError.

        Args:
            horizon: Rounds after which an episode is truncated.
            source: Where tasks come from; see `marft_envs.coding.sources`.
            data: For data sets: a file, a folder, or an id on the Hugging Face Hub.
            reward: "all": 1 for a program that passes all hidden tests, else 0; "share": the share that it passes.
        """
        check_reward(reward)
        self.reward = reward
        self._source = use_source(self, source, data, base)
        super().__init__(horizon=horizon, **base)
        check_split(self, self._source)
        self.writers = writers(self.profiles)
        if self.writers != self.possible_agents:
            raise TeamFileError(
                f"the team is {', '.join(self.profiles)}, and everybody in it has to write programs; write "
                "'answers: true' in every profile, or play coding/pipeline-v0"
            )

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws a task of the level."""
        if options.get("level") is not None:
            check_split(self, self._source)
        self.task = self._source.draw(self.level, rng, self.split)

    def dependencies_for(self, round: int) -> Dependencies:
        """The first of the team writes; then the others repair, in turns."""
        repairers = self.writers[1:] or self.writers
        return Dependencies([self.writers[0] if round == 0 else repairers[(round - 1) % len(repairers)]])

    def view(self, agent: str) -> str:
        """The task, at this agent's first turn; then the request to repair."""
        is_new = not any(turn.agent == agent for turn in self.turns)
        return "\n".join([*([asked(self.task)] if is_new else []), WITH_CODE if self.round == 0 else REPAIR])

    def act(self, agent: str, action: str) -> Outcome:
        """Runs the program: on the visible tests, and if they pass, or there is no other try, on the hidden ones."""
        program = program_in(action, self.task.entry_point)
        (visible,) = judged(self, self.task, self.task.visible, [program])
        passes = not visible.failures
        if not passes and self.round + 1 < self.horizon:
            return Outcome(feedback=told(self.task, visible), info={"solved": 0, "visible": visible.share})
        (hidden,) = judged(self, self.task, self.task.hidden, [program])
        solved = passes and hidden.passed
        return Outcome(
            rewards=paid(hidden, self.reward) if passes or self.reward == "share" else 0.0,
            terminated=passes,
            feedback=(SOLVED if solved else FAILED) if passes else told(self.task, visible),
            info={"solved": int(solved), "share": hidden.share, "visible": visible.share},
        )

    def hidden(self) -> str:
        """A program that is right, where there is one."""
        return self.task.reference

    def instance_key(self) -> str:
        """The task, in a form that is the same for tasks that teach the same."""
        return self.task.key

    def instance_split(self) -> str | None:
        """The part of the data that it stands in, where the data are split."""
        return self.task.split

    def reference_action(self, agent: str) -> str:
        """The reference program. Raises: NotImplementedError where the data have none."""
        return self.task.reference or super().reference_action(agent)

    def gradable(self, agent: str, action: str) -> bool | None:
        """Whether there is a program in it."""
        return has_program(action, self.task.entry_point)
