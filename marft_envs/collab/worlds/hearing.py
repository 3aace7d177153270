"""What an agent has heard and said so far, for reference plays that know no more than their messages tell."""

from collections.abc import Iterable, Sequence

from marft_envs.flex_mg import FlexMG
from marft_envs.transcript import Message


def messages_since_reset(env: FlexMG, agent: str) -> list[Message]:
    """What the agent was told and said in this episode, without what its profile opens every one with."""
    return env.messages(agent)[len(env.profiles[agent].opening()) :]


def heard(messages: Iterable[Message]) -> str:
    """All that others have said to the agent, in lower case."""
    return _joined(message["content"] for message in messages if "name" in message)


def told(messages: Iterable[Message]) -> str:
    """All that the environment has told the agent, in lower case."""
    return _joined(message["content"] for message in messages if message["role"] == "user" and "name" not in message)


def said(messages: Iterable[Message]) -> str:
    """All that the agent has written, in lower case."""
    return _joined(message["content"] for message in messages if message["role"] == "assistant")


def has_waited_in_vain(messages: Sequence[Message]) -> bool:
    """Whether the agent waited last, and nobody has said anything since; then all others wait, too."""
    for message in reversed(messages):
        if message["role"] == "assistant":
            return message["content"] == "wait"
        if "name" in message:
            return False
    return False


def _joined(texts: Iterable[str]) -> str:
    return " ".join(" ".join(texts).lower().split())
