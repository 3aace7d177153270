"""Source: where mathematical tasks come from. `marft_envs.math.sources` finds one by its name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from marft_envs.task_sources import source


def boxed(answer: object) -> str:
    """An answer as those write it who answer."""
    return f"\\boxed{{{answer}}}"


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
        return boxed(self.answer)


class Source(source.Source[Task]):
    """Questions, and how those who answer are told to write their answer."""

    answer_form: ClassVar[str] = "End with a line that holds only the answer, in \\boxed{}."
    """Empty where the question needs no such line."""

    def answers(self, level: str | None) -> Sequence[int]:  # the base has none
        """All that an answer can be, where these are few integers; empty, the default, where nobody knows."""
        return ()
