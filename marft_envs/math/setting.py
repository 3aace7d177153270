"""The setting of mathematical environments: where their problems come from, and how an answer is asked for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from marft_envs.flex_mg import BaseOptions
from marft_envs.hooks import Hooks
from marft_envs.math.arithmetic import LEVELS
from marft_envs.math.source import Task, boxed
from marft_envs.math.sources import find_source
from marft_envs.task_sources.drawing import check_split, take_up


class MathOptions(BaseOptions, total=False):
    """The options that every environment with a `Task` takes, besides its own."""

    source: str
    data: str | Path | None


class Solving(Hooks):
    """What every environment has that draws a `Task`: to be named before `FlexMG`, which does the rest.

    class Pipeline(Solving, FlexMG): ...
    """

    levels = tuple(LEVELS)
    reward_range = (0.0, 1.0)

    task: Task
    """This episode's problem."""

    def __init__(
        self,
        *,
        horizon: int = 3,
        source: str = "arithmetic",
        data: str | Path | None = None,
        **base: Unpack[BaseOptions],
    ) -> None:
        """Raises: OptionError, TeamFileError, DataError.

        Args:
            horizon: Rounds after which an episode is truncated.
            source: Where problems come from: `arithmetic`, `reasoning_gym:GENERATOR`, `gsm8k`, `math` or `jsonl`.
            data: For the last three: a file, a folder, or an id on the Hugging Face Hub.
        """
        self._source = find_source(source, data)
        take_up(self, self._source, base)
        super().__init__(horizon=horizon, **base)  # type: ignore[call-arg, misc]  # FlexMG's, behind it
        check_split(self, self._source)

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws a problem of the level."""
        if options.get("level") is not None:
            check_split(self, self._source)
        self.task = self._source.draw(self.level, rng, self.split)

    @property
    def answer_form(self) -> str:
        """How an answer is to be written; empty where the question needs no such line."""
        return self._source.answer_form

    def asked(self, *requests: str) -> str:
        """The problem, and below it what is asked for; empty requests are left out."""
        return "\n".join([self.task.question, *filter(None, requests)])

    def hidden(self) -> str:
        """The answer."""
        return self.task.answer

    def instance_key(self) -> str:
        """The problem, in a form that is the same for problems that teach the same."""
        return self.task.key

    def instance_split(self) -> str | None:
        """The part of the data that it stands in, where the data are split."""
        return self.task.split

    def choices(self, agent: str) -> Sequence[str]:
        """Every answer that there can be at this level, from the least on; whoever does not answer names one as well.

        Raises: NotImplementedError for sources whose answers are not a few integers.
        """
        answers = self._source.answers(self.level)
        if not answers:
            raise NotImplementedError(f"the source {self._source.name!r} does not say what all answers can be")
        return [boxed(answer) for answer in answers]
