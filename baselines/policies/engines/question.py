"""What is asked of a server that plays agents, whoever provides it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from marft_envs import Message


@dataclass(frozen=True, slots=True)
class Question:
    """One reply to ask for."""

    agent: str
    messages: Sequence[Message]
    """Everything that the agent was told and said."""
    max_new_tokens: int
    max_chars: int
    """The environment would shorten a longer action; it is cut here."""
    temperature: float
    stop: str = ""
    """Text that ends the reply, which it is no part of."""


class Answering(Protocol):
    """Who writes for agents that are only prompted."""

    @property
    def models(self) -> Mapping[str, str]:
        """Agent -> the name of the model that plays it."""

    def ask(self, questions: Sequence[Question]) -> Callable[[], list[str]]:
        """Send all of them at once; what is returned waits for the answers, in order."""
