"""What happened in an episode, round by round: the one record from which everything else is written.

Turns, reward events and the state's text are built from it when somebody asks, and only then: most steps of
most episodes are looked at by nobody.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy, deepcopy
from typing import Self

from marft_envs.dependencies import Dependencies
from marft_envs.profiles import Profile
from marft_envs.records import RewardEvent, Turn
from marft_envs.schedule import round_slots
from marft_envs.seats import Part
from marft_envs.transcript import GAP

Payment = tuple[int | None, Mapping[str, float] | float]
"""(place of the turn in its round, amounts): what an outcome paid, to each or to everybody alike.

The place is None for what `end_round` paid."""


class Round:
    """One round: filled while it is played, final once it is closed."""

    payments: tuple[Payment, ...] = ()
    """In the order of the outcomes."""
    feedback: tuple[Mapping[str, str], ...] = ()
    """What agents are told of the round, in the order of the outcomes."""
    dropped: tuple[tuple[str, int], ...] = ()
    """(agent, characters), where not all that was submitted was recorded."""
    is_committed = False
    """Whether its turns stand, for the hooks that judge them."""
    is_closed = False
    """Whether all that follows from them is booked, too."""

    def __init__(self, dependencies: Dependencies, hidden: str, views: Mapping[str, str]) -> None:
        self.dependencies = dependencies
        self.hidden = hidden
        """What no agent is told."""
        self.views = views
        """What those who take part were told, in canonical order."""
        self.words: dict[str, Part] = {}
        """What was submitted so far, by agent, as it was recorded."""

    def texts(self, everybody: Sequence[str]) -> Iterator[str]:
        """What was told and said in it, piece by piece."""
        yield from told_texts(self.views, everybody)
        for agent in self.dependencies.order:
            if agent in self.words:
                yield self.words[agent][2]
        for feedback in self.feedback:
            yield from told_texts(feedback, everybody)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Forks are made often: only what can still change is copied."""
        if self.is_closed:
            return self
        copied = copy(self)
        copied.words = self.words.copy()
        return copied


class History:
    """All rounds of an episode so far. The last of them may be open; the others are closed."""

    __slots__ = (
        "_events",
        "_num_in_events",
        "_num_in_text",
        "_profiles",
        "_text",
        "_time_us",
        "_turns",
        "rounds",
    )

    def __init__(self, profiles: Mapping[str, Profile]) -> None:
        self.rounds: list[Round] = []
        self._profiles = profiles
        # What was built for those who asked: see the methods.
        self._turns: list[list[Turn]] = []  # by round
        self._time_us = 0  # when the last of these rounds finished
        self._events: list[RewardEvent] = []
        self._num_in_events = 0  # rounds
        self._text = ""
        self._num_in_text = 0  # rounds

    def turns_by_round(self) -> list[list[Turn]]:
        """All committed turns, in commit order; those of a round are there before its first `act`."""
        for played in self.rounds[len(self._turns) :]:
            if played.is_committed:
                self._turns.append(self._turns_of(played))
        return self._turns

    def _turns_of(self, played: Round) -> list[Turn]:
        durations_us = {
            agent: self._profiles[agent].base_us + self._profiles[agent].per_char_us * len(words[1])
            for agent, words in played.words.items()
        }
        dropped = dict(played.dropped)
        first = self._turns[-1][-1].index + 1 if self._turns else 0
        index = {agent: place for place, agent in enumerate(played.dependencies.order, first)}
        turns = []
        for agent, start_us, finish_us in round_slots(played.dependencies, self._time_us, durations_us):
            parents = played.dependencies.parents(agent)
            turns.append(
                Turn(
                    index=index[agent],
                    agent=agent,
                    round=len(self._turns),
                    action=played.words[agent][1],
                    shortened=dropped.get(agent, 0),
                    parents=tuple([index[parent] for parent in parents]),
                    start_us=start_us,
                    finish_us=finish_us,
                )
            )
        self._time_us = max(turn.finish_us for turn in turns)
        return turns

    def reward_events(self) -> list[RewardEvent]:
        """All rewards paid in closed rounds, in the order of payment."""
        turns_by_round = self.turns_by_round()
        for number in range(self._num_in_events, len(turns_by_round)):
            played = self.rounds[number]
            if not played.is_closed:
                break
            turns = turns_by_round[number]
            round_finish_us = max(turn.finish_us for turn in turns)
            for place, paid in played.payments:
                turn = turns[-1 if place is None else place]
                time_us = round_finish_us if place is None else turn.finish_us
                amounts = dict.fromkeys(self._profiles, paid) if isinstance(paid, float) else paid
                for agent, amount in amounts.items():
                    if amount:
                        self._events.append(RewardEvent(turn.index, number, time_us, agent, amount))
            self._num_in_events += 1
        return self._events

    def text(self) -> str:
        """All that is hidden, was told, or was said, submitted words included.

        What is hidden stands where it changes. The text only grows, as long as words are submitted in canonical order.
        """
        everybody = tuple(self._profiles)
        pieces = [self._text] if self._num_in_text else []
        for number in range(self._num_in_text, len(self.rounds)):
            played = self.rounds[number]
            pieces.append(f"round {number + 1}")
            if played.hidden and (not number or played.hidden != self.rounds[number - 1].hidden):
                pieces.append(f"hidden:\n{played.hidden}")
            pieces += played.texts(everybody)
            if played.is_closed:
                self._text = GAP.join(pieces)
                self._num_in_text += 1
                pieces = [self._text]
        return GAP.join(pieces)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """A history of its own with the same closed rounds, which never change."""
        copied = copy(self)
        copied.rounds = deepcopy(self.rounds, memo)
        copied._turns = self._turns.copy()  # noqa: SLF001  # it is one of us
        copied._events = self._events.copy()  # noqa: SLF001  # it is one of us
        return copied


def told_texts(texts: Mapping[str, str], everybody: Sequence[str]) -> Iterator[str]:
    """What agents were told, under their names; the same text for several of them stands once."""
    readers: dict[str, list[str]] = {}
    for agent, text in texts.items():
        readers.setdefault(text, []).append(agent)
    for text, agents in readers.items():
        names = "everybody" if 1 < len(agents) == len(everybody) else ", ".join(agents)
        yield f"to {names}:\n{text}"
