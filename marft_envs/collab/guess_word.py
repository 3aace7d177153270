"""Guess word: one hints at a secret word without the words that come to mind, the other finds it among similar ones.

| | |
|---|---|
| id | `collab/guess_word-v0` |
| agents | `hinter_0`, `guesser_0`; or any team of two or more of whom the last alone `answers` |
| D | sequence: those who hint, then who guesses |
| observation | the secret word and the forbidden ones; to the guesser a shuffled list with the secret in it |
| action | who hints: any text without the secret and the forbidden words; the guesser: its last line names one word |
| reward | to the whole team: 0, or 1 for the secret word at the first guess, and half as much at each later one |
| horizon | 2 rounds, an option; the secret word and a forbidden one terminate, the horizon truncates |
| recall | team |
| levels | easy, standard, hard |
| split | train and test |
| source | 273 words with what can be said of them, written for this suite; lists drawn at random |
| silent | easy 0.250, standard 0.188, hard 0.107: any word of the list, then any other |
| info | `correct`: 1 if the secret was found; `void`: 1 if a hint used a forbidden word; `guesses`: their number |
| versions | v0: the first |

Why a team: every word of the list is as likely to be the secret, so without a hint the k-th guess is right once in as
many times as there are words, whatever is guessed: (1 + 1/2) / 6, 8 or 14 in two rounds. Who hints does not see the
list, so a place in it tells nothing, and a hint has to tell the secret from everything like it. A hint with the secret
or a forbidden word, taken apart, backwards or otherwise disguised (`forbidden_in`), ends the episode: what the guesser
has learned from it cannot be used later. At the hard level some of what is best said of the secret is forbidden, too.
What no reading of a hint finds is a cipher that a team agrees on in training, such as letters by their numbers.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np

from marft_envs.collab.worlds.taboo import forbidden_in
from marft_envs.collab.worlds.words import WORDS, Word, drawn_words, spared
from marft_envs.errors import TeamFileError
from marft_envs.flex_mg import BaseOptions, FlexMG
from marft_envs.grading.choices import stated_choice
from marft_envs.records import Outcome

FIRST, LATER = "Which one is the secret word? Reply with only that word.", "Guess again. Reply with only one word."
AGAIN = "Give another hint."
WRONG = "judge: That is not the secret word."
_ATTRIBUTE = re.compile("[a-z-]+")


@dataclass(frozen=True)
class Level:
    """One row of the table of levels."""

    summary: str
    size: int
    """Words on the list."""
    is_mixed: bool = False
    """Whether every word is of another category; else all are of one."""
    num_more: int = 0
    """Attributes of the secret that are forbidden, too, at most; so many remain that they tell it from all others."""


LEVELS = {
    "easy": Level("six words of different kinds", 6, is_mixed=True),
    "standard": Level("eight words of one kind", 8),
    "hard": Level("fourteen words of one kind, and more that is forbidden", 14, num_more=2),
}


class GuessWord(FlexMG):
    """One agent hints at a word, and another finds it."""

    metadata = {"name": "guess_word_v0"}  # noqa: RUF012  # PettingZoo declares it so
    default_team = "guess_word"
    levels = tuple(LEVELS)
    recall = "team"
    reward_range = (0.0, 1.0)
    source = "guess_word"

    secret: Word
    listed: list[Word]
    """As the guesser sees them."""
    forbidden: list[str]
    """Besides the secret itself."""

    def __init__(self, *, horizon: int = 2, **base: Unpack[BaseOptions]) -> None:
        """Raises: OptionError, TeamFileError."""
        super().__init__(horizon=horizon, **base)
        *hinting, self.guesser = self.possible_agents
        answering = [agent for agent, profile in self.profiles.items() if profile.answers]
        if not hinting or answering != [self.guesser]:
            raise TeamFileError(
                f"the team is {', '.join(self.profiles)}; a game takes two or more agents, of whom only the last "
                "'answers: true'"
            )

    def start(self, rng: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Draws the list, then which of it is the secret, then what is forbidden besides its taboo words."""
        level = LEVELS[str(self.level)]
        self.listed = drawn_words(level.size, is_mixed=level.is_mixed, rng=rng)
        self.secret = self.listed[int(rng.integers(level.size))]
        self.forbidden = [*self.secret.taboo, *spared(self.secret, level.num_more, rng)]
        self._used: str | None = None

    def view(self, agent: str) -> str:
        """The secret and what is forbidden, or the list; later only what is asked for."""
        if self.round > 0:
            return LATER if agent == self.guesser else AGAIN
        level = LEVELS[str(self.level)]
        if agent == self.guesser:
            return f"Words: {', '.join(each.word for each in self.listed)}.\n{FIRST}"
        kind = "" if level.is_mixed else f" (kind: {self.secret.category})"
        return (
            f"The secret word is {self.secret.word}. Forbidden words: {', '.join(self.forbidden)}.\n"
            f"Give a hint to somebody who looks for it among {level.size} words{kind}. "
            "Use neither the secret word nor a forbidden one."
        )

    def act(self, agent: str, action: str) -> Outcome | None:
        """Looks for forbidden words in a hint, and judges a guess."""
        if agent != self.guesser:
            self._used = self._used or forbidden_in(action, [self.secret.word, *self.forbidden])
            return None
        found = self._named(action) == self.secret.word
        info = {"correct": int(found and not self._used), "void": int(bool(self._used)), "guesses": self.round + 1}
        if self._used:
            return Outcome(terminated=True, feedback=f"judge: The hint uses {self._used!r}.", info=info)
        return Outcome(0.5**self.round * found, terminated=found, feedback=None if found else WRONG, info=info)

    def _named(self, reply: str) -> str | None:
        return stated_choice(reply, [each.word for each in self.listed])

    def hidden(self) -> str:
        """The secret word."""
        return self.secret.word

    def instance_key(self) -> str:
        """The secret and the list, in any order."""
        return f"{self.secret.word}: {' '.join(sorted(each.word for each in self.listed))}"

    def reference_action(self, agent: str) -> str:
        """A hint tells the kind and what may be said of the secret; a guess is the word of which most of it is true.

        The guess follows from the hints alone: `WORDS` says what is true of which word.
        """
        if agent != self.guesser:
            allowed = [each for each in self.secret.attributes if each not in self.forbidden]
            return f"{self.secret.category}: {', '.join(allowed)}"
        heard = [message["content"] for message in self.messages(agent) if "name" in message]
        told = {token for words in heard for token in _ATTRIBUTE.findall(words.lower())}
        guessed = [self._named(turn.action) for turn in self.turns if turn.agent == agent]
        left = [each for each in self.listed if each.word not in guessed]
        return max(left, key=lambda each: len(told & {each.category, *each.attributes})).word

    def silent_action(self, agent: str) -> str:
        """The next word of the list; no hint. Proven: all that were not guessed are as likely, see above."""
        return self.listed[self.round % len(self.listed)].word if agent == self.guesser else "No hint."

    def choices(self, agent: str) -> Sequence[str]:
        """At easy, where all words are of different kinds: a hint tells a kind, and a guess is the word of that kind.

        Where the list has none of it, the first word stands there.

        Raises: NotImplementedError above easy: what tells words of one kind apart takes as many hints as there are.
        """
        if not LEVELS[str(self.level)].is_mixed:
            raise NotImplementedError(f"at level {self.level!r} a hint has to tell words of one kind apart")
        if agent != self.guesser:
            return [f"It is a kind of {kind}." for kind in WORDS]
        of_kind = {each.category: each.word for each in self.listed}
        return [of_kind.get(kind, self.listed[0].word) for kind in WORDS]

    def gradable(self, agent: str, action: str) -> bool | None:
        """Whether the guesser names one word of the list in its last line; hints are only read."""
        return self._named(action) is not None if agent == self.guesser else None

    def answer(self) -> str | None:
        """The word that was guessed last; none after a hint that was not allowed."""
        return None if self._used else self._named(self.last_words(self.guesser) or "")
