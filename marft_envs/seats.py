"""What the base class keeps of one agent: what it knows, and what it will be told."""

from copy import copy
from typing import Self

from marft_envs.profiles import Profile
from marft_envs.transcript import GAP, OWN_NAME, Message, flatten_messages

Part = tuple[str, str, str]
"""(author, content, flat text): one message. The author is another agent, `OWN_NAME`, or "" for the environment.

An action's Part is made once, and shared by all who hear it."""


class Seat:
    """One agent's place in an episode: all that it was told and has said, in order.

    Of its `parts` it knows the first `num_known`. What it hears between two turns is added behind them, and
    waits for the opening of the next turn. So its messages and its text only grow, and while its turn is not
    open they stand still.
    """

    __slots__ = ("_num_in_text", "_text", "is_open", "num_known", "parts", "profile")

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.parts: list[Part] = []
        self.num_known = 0
        self.is_open = False
        """Whether its turn is open: all that it can know before it acts is known, and it has not acted."""
        self._text = flatten_messages(profile.opening())
        self._num_in_text = 0

    def text(self) -> str:
        """What it knows, as flat text; only what is new since the last call is added to it."""
        known = self.num_known
        if self._num_in_text < known:
            text = self._text
            for _, _, flat in self.parts[self._num_in_text : known]:
                text = f"{text}{GAP}{flat}" if text else flat
            self._text = text
            self._num_in_text = known
        return self._text

    def retract(self) -> None:
        """Takes its latest words back, of a turn that was cut before they could count."""
        del self.parts[-1]
        self.num_known -= 1
        self._text, self._num_in_text = flatten_messages(self.profile.opening()), 0

    def messages(self) -> list[Message]:
        """What it knows, as messages. Fresh dicts: whoever gets them may change them."""
        messages = self.profile.opening()
        for author, content, _ in self.parts[: self.num_known]:
            if author == OWN_NAME:
                messages.append({"role": "assistant", "content": content})
            elif author:
                messages.append({"role": "user", "content": content, "name": author})
            else:
                messages.append({"role": "user", "content": content})
        return messages

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """A seat of its own with the same parts, which never change; forks are made often."""
        copied = copy(self)
        copied.parts = self.parts.copy()
        return copied
