"""Source: where the tasks of a family of environments come from. `marft_envs.task_sources.finding` finds it by name."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Generic, Self, SupportsIndex, TypeVar

import numpy as np

TaskT_co = TypeVar("TaskT_co", covariant=True)


class Source(ABC, Generic[TaskT_co]):
    """Tasks without end, or a list of them. A source never changes once it is made, so that copies can share it."""

    takes_data: ClassVar[bool] = False
    """Whether it is made of data, and takes their place; families that find their sources' classes ask."""
    hub_id: ClassVar[str] = ""
    """Where its data lie on the Hugging Face Hub; empty for no place of its own."""
    name: str
    """What it is found by."""
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
    pickled_as: "Callable[[str, str, str], object] | None" = None
    """Finds it again by name, place and fingerprint; who found the source says so. None: it is pickled whole."""

    @abstractmethod
    def draw(self, level: str | None, rng: np.random.Generator, split: str) -> TaskT_co:
        """A task of this level: of this split if the source knows the splits of its tasks, else of any."""

    def why_not(self, split: str, level: str | None) -> str:
        """Why this level has no such split; empty if it has."""
        return ""

    def __deepcopy__(self, memo: object) -> Self:
        return self  # a fork of an environment need not copy thousands of tasks

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        """Only what it can be found by is pickled: the copies in a process share one source, as forks do."""
        if self.pickled_as is None:
            return super().__reduce_ex__(protocol)
        return self.pickled_as, (self.name, self.place, self.fingerprint)
