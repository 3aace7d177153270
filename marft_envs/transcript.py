"""Who said what to whom, as messages and as text.

Three views of the same words: `messages` for chat models, the *flat text* that is an agent's observation, and the
transcript of the whole team, from which the state and the rendering are written.

**Authorship cannot be forged.** Wherever text is flat, each line that an agent wrote stands behind `> ` under its
author's name, so that no action can look like the judge, another agent, or the environment.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NotRequired, TypedDict

OWN_NAME = "you"
"""The name over an agent's own words in its flat text. No agent can be called so: their names end in a number."""
_GAP = "\n\n"
"""Between two messages of a flat text."""


class Message(TypedDict):
    """One chat message, in the shape that chat templates and services expect."""

    role: Literal["system", "user", "assistant"]
    content: str
    name: NotRequired[str]
    """Another agent, if the content is that agent's words; the environment itself speaks without a name."""


def quote(name: str, text: str) -> str:
    """An agent's words under its name, every line behind `> `, whichever of Unicode's line breaks separates them."""
    return f"{name}:\n> " + "\n> ".join(text.splitlines())


def flatten_messages(messages: Iterable[Message]) -> str:
    """Messages as one text: the environment's words as they are, all agents' words quoted, the reader's own as `you`."""
    return _GAP.join(
        [_flat((message["role"], message.get("name"), message["content"])) for message in messages]
    )


def merge_messages(messages: Iterable[Message]) -> list[Message]:
    """The same conversation with user and assistant taking turns, for chat templates.

    Most templates refuse two user messages in a row and ignore `name`; here neighbouring user messages become one, and other agents' words
    in it are quoted under their names.
    """
    merged: list[Message] = []
    for message in messages:
        content = message["content"]
        if message["role"] == "user":
            content = _flat(("user", message.get("name"), content))
            if merged and merged[-1]["role"] == "user":
                merged[-1]["content"] += _GAP + content
                continue
        merged.append({"role": message["role"], "content": content})
    return merged


Part = tuple[Literal["system", "user", "assistant"], str | None, str]
"""(role, author, content): a message, before anybody asks for it as a dict."""


def _flat(part: Part) -> str:
    role, name, content = part
    if role == "assistant":
        return quote(OWN_NAME, content)
    return content if name is None else quote(name, content)


class Thread:
    """What one agent has been told and has said so far. It only grows."""

    __slots__ = ("_flat", "_flattened", "parts")

    def __init__(self, system: str) -> None:
        self.parts: list[Part] = [("system", None, system)] if system else []
        self._flat = ""
        self._flattened = 0

    def messages(self) -> list[Message]:
        """Fresh dicts; whoever gets them may change them."""
        return [
            {"role": role, "content": content}
            if name is None
            else {"role": role, "content": content, "name": name}
            for role, name, content in self.parts
        ]

    def text(self) -> str:
        """The flat text, extended by what is new since the last call."""
        new = len(self.parts) - self._flattened
        if new:
            parts = [_flat(part) for part in self.parts[-new:]]
            if self._flattened:
                parts.insert(0, self._flat)
            self._flat = _GAP.join(parts)
            self._flattened += new
        return self._flat


Entry = tuple[Literal["round", "hidden", "told", "said"], str, str | Mapping[str, str]]
"""(kind, author, content): what the transcript holds. Only words that an agent said have an author."""


class Transcript:
    """Everything that was said to and by the team, in commit order. It only grows."""

    __slots__ = ("_everybody", "_text", "_written", "entries")

    def __init__(self, everybody: Sequence[str]) -> None:
        self._everybody = tuple(everybody)
        self.entries: list[Entry] = []
        self._text = ""
        self._written = 0

    def text(self, pending: Iterable[tuple[str, str]] = ()) -> str:
        """The state: all of it, and then the words of `pending`, (agent, text) not yet committed."""
        if self._written < len(self.entries):
            new = [self._write(*entry) for entry in self.entries[self._written :]]
            self._text = _GAP.join([self._text, *new] if self._written else new)
            self._written = len(self.entries)
        return _GAP.join([self._text, *(quote(agent, text) for agent, text in pending)])

    def _write(self, kind: str, author: str, content: str | Mapping[str, str]) -> str:
        if not isinstance(content, str):
            return self.told_text(content)
        if kind == "said":
            return quote(author, content)
        return content if kind == "round" else f"{kind}:\n{content}"

    def told_text(self, texts: Mapping[str, str]) -> str:
        """What agents were told, with their names; the same text for several of them is written once."""
        readers: dict[str, list[str]] = {}
        for agent, text in texts.items():
            readers.setdefault(text, []).append(agent)
        return _GAP.join(f"to {self._names(agents)}:\n{text}" for text, agents in readers.items())

    def _names(self, agents: Sequence[str]) -> str:
        if len(agents) > 1 and len(agents) == len(self._everybody):
            return "everybody"
        return ", ".join(agents)
