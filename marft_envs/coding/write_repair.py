"""Write and repair: one agent writes a program, another is shown what fails, and repairs it.

| | |
|---|---|
| id | `coding/write_repair-v0` |
| agents | `coder_0`, `repairer_0`; or the team solo, or any in which everybody `answers` |
| D | one agent a round: the first of the team writes, the others repair, in turns |
| observation | the task; to the coder the visible tests; to the repairer the program so far and what fails |
| action | a program, alone or in a fenced block |
| reward | at the end, to the whole team: from 0 to 1, all hidden tests or nothing; or the share of them (`reward`) |
| horizon | 3 rounds, an option; passing the visible tests terminates, the horizon truncates (not if a share is paid) |
| recall | team |
| levels | one_step, line, parentheses, arithmetic, two_steps, numbers, strings, lists, mixed |
| split | train; test where the source has enough tasks, or a test part of its own |
| source | an option: synthetic, humaneval, mbpp, apps, livecodebench, codecontests, jsonl (`data`) |
| info | `solved`: 1 if all hidden tests pass, else 0; `share` of them; `visible`: share of the visible ones |
| versions | v0: the first |

Few tests are visible, three of a synthetic task; the hidden ones have other inputs, and nobody is ever told of them. A
program is run on them once, when it passes the visible tests or the horizon is there.
Deviates: MARFT's coding (arXiv 2504.16129) has one round and a sequence of roles, as `coding/pipeline-v0` has here.
"""

from typing import Unpack

from marft_envs.coding.canonical import canonical_programs
from marft_envs.coding.judge import FAILED, SOLVED, judged, told
from marft_envs.coding.setting import REPAIR, WITH_CODE, CodingOptions, Programming, asked, writers
from marft_envs.dependencies import Dependencies
from marft_envs.errors import TeamFileError
from marft_envs.flex_mg import FlexMG
from marft_envs.records import Outcome


class WriteRepair(Programming, FlexMG):
    """A team has `horizon` rounds to write one program that passes tests which it never sees."""

    metadata = {"name": "write_repair_v0"}  # noqa: RUF012  # PettingZoo declares it so
    default_team = "write_repair"

    def __init__(self, *, horizon: int = 3, **options: Unpack[CodingOptions]) -> None:
        """Raises: OptionError, TeamFileError, DataError."""
        super().__init__(horizon=horizon, **options)
        self.writers = writers(self.profiles)
        if self.writers != self.possible_agents:
            raise TeamFileError(
                f"the team is {', '.join(self.profiles)}, and everybody in it has to write programs; write "
                "'answers: true' in every profile, or play coding/pipeline-v0"
            )

    def dependencies_for(self, round: int) -> Dependencies:
        """The first of the team writes; then the others repair, in turns."""
        repairers = self.writers[1:] or self.writers
        return Dependencies([self.writers[0] if round == 0 else repairers[(round - 1) % len(repairers)]])

    def view(self, agent: str) -> str:
        """The task and the visible tests; who only repairs is told the task, for what fails it reads from the judge."""
        if self.round == 0:
            return f"{asked(self.task)}\n{WITH_CODE}"
        return REPAIR if self.has_acted(agent) else f"{self.task.description}\n{REPAIR}"

    def act(self, agent: str, action: str) -> Outcome:
        """Runs the program: on the visible tests, and if they pass, or there is no other try, on the hidden ones."""
        program = self.program(action)
        (visible,) = judged(self, self.task, self.task.visible, [program], trusts_log=False)
        passes = not visible.failures
        if not passes and self.round + 1 < self.horizon:
            return Outcome(feedback=told(self.task, visible), info={"solved": 0, "visible": visible.share})
        (hidden,) = judged(self, self.task, self.task.hidden, [program])
        solved = passes and hidden.passed
        return Outcome(
            rewards=self.worth(visible, hidden),
            terminated=passes or self.reward == "share",  # what is paid for is over, and no next state is worth more
            feedback=(SOLVED if solved else FAILED) if passes else told(self.task, visible),
            info={"solved": int(solved), "share": hidden.share, "visible": visible.share},
        )

    def reference_action(self, agent: str) -> str:
        """The reference program. Raises: NotImplementedError where the data have none."""
        return self.reference_program()

    def gradable(self, agent: str, action: str) -> bool | None:
        """Whether there is a program in it."""
        return self.has_program(action)

    def answer(self) -> str | None:
        """The program that was written last."""
        return canonical_programs([self.program(turn.action) for turn in self.turns[-1:]])[0]
