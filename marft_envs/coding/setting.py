"""The setting of coding environments: where their tasks come from, who writes programs, and what they are asked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Unpack

import numpy as np

from marft_envs.coding.replies import has_program, program_in
from marft_envs.coding.sources import find_source
from marft_envs.coding.task import Task
from marft_envs.coding.tasks.synthetic import LEVELS
from marft_envs.errors import OptionError, TeamFileError
from marft_envs.flex_mg import BaseOptions
from marft_envs.grading.failures import call, literal, report
from marft_envs.grading.programs import CallTest, Test, Verdict
from marft_envs.grading.verdicts import judge
from marft_envs.hooks import Hooks
from marft_envs.profiles import Profile
from marft_envs.sandbox.jail.plain import encode
from marft_envs.sandbox.pool import default_sandbox
from marft_envs.task_sources.drawing import check_split, take_up

REWARDS = ("all", "share")
WITH_CODE = "Reply with only the code."
"""Ends every request for a program: without it an untrained SmolLM2-135M-Instruct often writes about one."""
REPAIR = f"Repair the program. {WITH_CODE}"


class CodingOptions(BaseOptions, total=False):
    """The options that every coding environment takes, besides `horizon` and its own."""

    source: str
    data: str | Path | None
    reward: Literal["all", "share"]


class Programming(Hooks):
    """What every environment has that draws a `Task`: to be named before `FlexMG`, which does the rest.

    class WriteRepair(Programming, FlexMG): ...
    """

    levels = tuple(LEVELS)
    reward_range = (0.0, 1.0)

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
        if reward not in REWARDS:
            raise OptionError(f"reward is {reward!r}; use 'all' (of the hidden tests, or nothing) or 'share' (of them)")
        self.reward = reward
        self._source = find_source(source, data)
        take_up(self, self._source, base)
        super().__init__(horizon=horizon, **base)  # type: ignore[call-arg, misc]  # FlexMG's, behind it
        check_split(self, self._source)

    @property
    def runtime(self) -> str:  # type: ignore[override]  # it is the sandbox's, and is asked for when an episode is made
        """Which Python runs the programs. Raises: SandboxUnavailableError."""
        return default_sandbox().runtime

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws a task of the level."""
        if options.get("level") is not None:
            check_split(self, self._source)
        self.task = self._source.draw(self.level, rng, self.split)

    def program(self, reply: str) -> str:
        """The program in a reply."""
        return program_in(reply, self.task.entry_point)

    def has_program(self, reply: str) -> bool:
        """Whether there is one, right or wrong."""
        return has_program(reply, self.task.entry_point)

    def worth(self, visible: Verdict, hidden: Verdict) -> float:
        """What a program is worth, 0 to 1. For "all" it has to pass the visible tests, too."""
        if self.reward == "share":
            return hidden.share
        return float(hidden.passed and not visible.failures)

    def hidden(self) -> str:
        """A program that is right, where there is one."""
        return self.task.reference

    def instance_key(self) -> str:
        """The task, in a form that is the same for tasks that teach the same."""
        return self.task.key

    def instance_split(self) -> str | None:
        """The part of the data that it stands in, where the data are split."""
        return self.task.split

    def reference_program(self) -> str:
        """What a perfect agent would write. Raises: NotImplementedError where the data have none."""
        if not self.task.reference:
            raise NotImplementedError(f"the data have no program for {self.task.key!r:.80}")
        return self.task.reference

    def flaw(self) -> str:
        """What is wrong with the task: a reference that fails its own tests, tests that decide nothing."""
        return flaw_of(self.task)


def writers(profiles: Mapping[str, Profile]) -> list[str]:
    """Those who write programs, in the order of the team. Raises: TeamFileError for a team without any."""
    found = [agent for agent, profile in profiles.items() if profile.answers]
    if not found:
        raise TeamFileError(
            f"nobody in the team ({', '.join(profiles)}) answers, so there is no program to run; "
            "write 'answers: true' in at least one profile"
        )
    return found


def asked(task: Task) -> str:
    """The task as everybody reads it: what to write, and what it should do on the visible tests."""
    examples = [
        f"{call(task.entry_point, test.arguments)} should be {literal(test.expected)}."
        for test in task.visible
        if isinstance(test, CallTest) and not task.rules.property
    ]
    return "\n".join([task.description, *examples])


def flaw_of(task: Task) -> str:
    """What is wrong with a task, in words; empty if nothing is."""
    if not task.hidden:
        return f"{task.key!r} has no hidden test, so nothing decides; give it some"
    shown = {_input_of(test) for test in task.visible}
    if any(_input_of(test) in shown for test in task.hidden):
        return f"{task.key!r} has a hidden test with the input of a visible one; give it another input"
    answers = [test.expected if isinstance(test, CallTest) else None for test in task.hidden]
    if len(answers) > 1 and all(isinstance(answer, bool) for answer in answers) and len(set(answers)) == 1:
        return f"{task.key!r} is a question, and all hidden tests have the answer {answers[0]}; add one of the others"
    if not task.reference:
        return ""
    tests = (*task.visible, *task.hidden)
    verdict = judge(task.reference, task.entry_point, tests, task.rules)
    if verdict.passed:
        return ""
    return f"the reference of {task.key!r} fails its own tests: {report(verdict, task.entry_point, visible=tests)}"


def _input_of(test: Test) -> bytes:
    return encode(test.arguments if isinstance(test, CallTest) else test.stdin)
