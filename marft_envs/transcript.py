"""What was said, as messages and as text.

`messages` are for chat models; the *flat text* is an agent's observation, and what states and renderings are
written in.

**Authorship cannot be forged.** Wherever text is flat, each line that an agent wrote stands behind `> ` under
its author's name. So no action can look like the judge, another agent, or the environment.
"""

from collections.abc import Iterable
from typing import Literal, NotRequired, TypedDict

OWN_NAME = "you"
"""Stands over an agent's own words in its flat text. No agent can be called so: agents' names end in a number."""
GAP = "\n\n"
"""Between two messages of a flat text."""

Role = Literal["system", "user", "assistant"]


class Message(TypedDict):
    """One chat message, in the shape that chat templates and services expect."""

    role: Role
    content: str
    name: NotRequired[str]
    """Another agent, if the content is that agent's words. The environment itself speaks without a name."""


def quote(name: str, text: str) -> str:
    r"""An agent's words under its name, every line behind `> `.

    Lines end where any of Unicode's line breaks stands: U+2028 and U+0085 as well as `\n`.
    """
    return f"{name}:\n> {quoted_lines(text)}"


def quoted_lines(text: str) -> str:
    """The lines of a quotation, without the first `> ` and the name above it."""
    return "\n> ".join(text.splitlines())


def flatten_messages(messages: Iterable[Message]) -> str:
    """Messages as one text: the environment's words as they are, every agent's words quoted.

    The reader's own words, the assistant messages, are quoted as `you`.
    """
    return GAP.join([_flat(message) for message in messages])


def merge_messages(messages: Iterable[Message]) -> list[Message]:
    """The same conversation with user and assistant taking turns, for chat templates.

    Most templates refuse two user messages in a row and ignore `name`. Here neighbouring user messages become
    one, in which other agents' words are quoted under their names.
    """
    merged: list[Message] = []
    for message in messages:
        if message["role"] != "user":
            merged.append({"role": message["role"], "content": message["content"]})
        elif merged and merged[-1]["role"] == "user":
            merged[-1]["content"] += GAP + _flat(message)
        else:
            merged.append({"role": "user", "content": _flat(message)})
    return merged


def _flat(message: Message) -> str:
    if message["role"] == "assistant":
        return quote(OWN_NAME, message["content"])
    if "name" in message:
        return quote(message["name"], message["content"])
    return message["content"]
