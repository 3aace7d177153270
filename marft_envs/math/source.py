"""Source: where mathematical tasks come from. `marft_envs.math.sources` finds one by its name."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np


@dataclass(frozen=True, slots=True)
class Task:
    """One question with its answer."""

    question: str
    """As the agents read it."""
    answer: str
    """As `marft_envs.grading.equality.is_right` compares it."""
    key: str
    """The same for tasks that teach the same."""
    split: str | None = None
    """"train" or "test" where the data say so; None: a hash of the key decides."""


class Source(ABC):
    """Tasks without end, or a list of them. A source never changes once it is made, so that copies can share it."""

    name: str
    """Salts the split: environments with a source of the same name have the same test instances."""
    levels: tuple[str, ...] = ()
    """From easy to hard; empty if there is only one."""
    default_level: str | None = None
    """The level of who asks for none; None for the first."""
    answer_form: ClassVar[str] = "End with a line that holds only the answer, in \\boxed{}."
    """How those who answer are told to write it; empty where the question needs no such line."""

    @abstractmethod
    def draw(self, level: str | None, rng: np.random.Generator) -> Task:
        """A task of this level, of any split."""

    def why_not(self, split: str, level: str | None) -> str:
        """Why this level has no such split; empty if it has."""
        return ""

    def __deepcopy__(self, memo: object) -> Self:
        return self  # a fork of an environment need not copy thousands of tasks
