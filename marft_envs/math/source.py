"""Source: where mathematical tasks come from. `marft_envs.math.sources` finds one by its name."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

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
    """"train" or "test" where the source knows; None: a hash of the key decides."""

    @property
    def boxed(self) -> str:
        """The answer as a reply that earns everything."""
        return f"\\boxed{{{self.answer}}}"


class Source(ABC):
    """Tasks without end, or a list of them. A source never changes once it is made, so that copies can share it."""

    name: str
    """What `find_source` finds it by."""
    place: str = ""
    """Where its data lie; empty if it makes its tasks."""
    split_salt: str
    """Salts the split: environments with sources of the same salt have the same test instances."""
    fingerprint: str = ""
    """Identifies the tasks that it draws, where they are not this package's own."""
    skipped: tuple[str, ...] = ()
    """What of the data is left out, in words."""
    levels: tuple[str, ...] = ()
    """From easy to hard; empty if there is only one."""
    default_level: str | None = None
    """The level of who asks for none; None for the first."""
    answer_form: ClassVar[str] = "End with a line that holds only the answer, in \\boxed{}."
    """How those who answer are told to write it; empty where the question needs no such line."""

    @abstractmethod
    def draw(self, level: str | None, rng: np.random.Generator, split: str) -> Task:
        """A task of this level: of this split if the source knows the splits of its tasks, else of any."""

    def why_not(self, split: str, level: str | None) -> str:
        """Why this level has no such split; empty if it has."""
        return ""

    def __deepcopy__(self, memo: object) -> Self:
        return self  # a fork of an environment need not copy thousands of tasks

    def __reduce__(self) -> tuple[Any, ...]:
        """Only what it can be found by is pickled: the copies in a process share one source, as forks do."""
        from marft_envs.math.sources import found_again  # imported here: it imports every source

        return found_again, (self.name, self.place, self.fingerprint)
