"""What happened in an episode, round by round: the one record from which everything else is written.

Turns, reward events and the state's text are built from it when somebody asks, and only then: most steps of
most episodes are looked at by nobody.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy, deepcopy
from typing import NamedTuple, Self

from marft_envs.dependencies import Dependencies
from marft_envs.profiles import Profile
from marft_envs.records import RewardEvent, Turn
from marft_envs.schedule import Slot, round_slots
from marft_envs.seats import Part
from marft_envs.transcript import GAP

Payment = tuple[int | None, Mapping[str, float] | float]
"""(place of the turn in its round, amounts): what an outcome paid, to each or to everybody alike.

The place is None for what `end_round` or `happen` paid."""


class Timed(NamedTuple):
    """When a turn took place, and what it could depend on."""

    slot: Slot
    parents: tuple[int, ...]
    """Indices of turns."""


class Played:
    """A part of an episode that was committed as a whole: filled while it is played, final once it is closed."""

    payments: tuple[Payment, ...] = ()
    """In the order of the outcomes."""
    feedback: tuple[Mapping[str, str], ...] = ()
    """What agents are told of it, in the order of the outcomes."""
    dropped: tuple[tuple[str, int], ...] = ()
    """(agent, characters), where not all that was submitted was recorded."""
    is_committed = False
    """Whether its turns stand, for the hooks that judge them."""
    is_closed = False
    """Whether all that follows from them is booked, too."""

    def __init__(self, hidden: str, views: Mapping[str, str], order: Sequence[str]) -> None:
        self.hidden = hidden
        """What no agent is told."""
        self.views = views
        """What those whose turns opened with it were told, in canonical order."""
        self.order = order
        """Whose turns it commits, in the order of the commits."""
        self.words: dict[str, Part] = {}
        """What was submitted so far, by agent, as it was recorded."""

    def opening(self, number: int) -> str:
        """What stands above it in texts; the first has number 0. Empty for nothing."""
        raise NotImplementedError

    def closing(self) -> str:
        """What stands above its words and all that follows from them; empty for nothing."""
        return ""

    def timed(self, first: int, opened_us: int, profiles: Mapping[str, Profile]) -> Sequence[Timed]:
        """When its turns took place, in their order, if it opened at this time and its first turn has this index."""
        raise NotImplementedError

    def closed_us(self, turns: Sequence[Turn]) -> int:
        """When it was over, given its turns."""
        raise NotImplementedError

    def heard_us(self, turns: Sequence[Turn], profiles: Mapping[str, Profile]) -> int:
        """When all that was said in it has reached everybody, and what follows opens."""
        return self.closed_us(turns)

    def texts(self, everybody: Sequence[str]) -> Iterator[str]:
        """What was told and said in it, piece by piece."""
        yield from told_texts(self.views, everybody)
        if closing := self.closing():
            yield closing
        for agent in self.order:
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


class Round(Played):
    """One round of D_t: who takes part acts once, and it is committed when all of them have acted."""

    def __init__(self, dependencies: Dependencies, hidden: str, views: Mapping[str, str]) -> None:
        super().__init__(hidden, views, dependencies.order)
        self.dependencies = dependencies

    def opening(self, number: int) -> str:
        return f"round {number + 1}"

    def timed(self, first: int, opened_us: int, profiles: Mapping[str, Profile]) -> list[Timed]:
        index = {agent: place for place, agent in enumerate(self.order, first)}
        durations_us = {agent: profiles[agent].duration_us(len(words[1])) for agent, words in self.words.items()}
        latencies_us = {agent: profiles[agent].latency_us for agent in self.words}
        return [
            Timed(slot, tuple([index[parent] for parent in self.dependencies.parents(slot.agent)]))
            for slot in round_slots(self.dependencies, opened_us, durations_us, latencies_us)
        ]

    def closed_us(self, turns: Sequence[Turn]) -> int:
        return max(turn.finish_us for turn in turns)

    def heard_us(self, turns: Sequence[Turn], profiles: Mapping[str, Profile]) -> int:
        return max(turn.finish_us + profiles[turn.agent].latency_us for turn in turns)


class Instant(Played):
    """One instant of the clock, and the turns that opened at the one before it."""

    time_us = 0
    """When it was; known once it is committed."""

    def __init__(self, hidden: str, views: Mapping[str, str]) -> None:
        super().__init__(hidden, views, ())
        self.turns: tuple[Timed, ...] = ()

    def opening(self, number: int) -> str:
        return "" if number else told_time(0)

    def closing(self) -> str:
        return told_time(self.time_us) if self.is_committed else ""

    def timed(self, first: int, opened_us: int, profiles: Mapping[str, Profile]) -> Sequence[Timed]:
        return self.turns

    def closed_us(self, turns: Sequence[Turn]) -> int:
        return self.time_us


class History:
    """All rounds of an episode so far. The last of them may be open; the others are closed."""

    __slots__ = (
        "_events",
        "_last",
        "_num_in_events",
        "_num_in_text",
        "_num_turns",
        "_profiles",
        "_text",
        "_time_us",
        "_turns",
        "rounds",
    )

    def __init__(self, profiles: Mapping[str, Profile]) -> None:
        self.rounds: list[Played] = []
        self._profiles = profiles
        # What was built for those who asked: see the methods.
        self._turns: list[list[Turn]] = []  # by round
        self._num_turns = 0  # in these rounds
        self._time_us = 0  # when the round behind these opens
        self._events: list[RewardEvent] = []
        self._num_in_events = 0  # rounds
        self._last = -1  # the latest turn of these rounds
        self._text = ""
        self._num_in_text = 0  # rounds

    def turns_by_round(self) -> list[list[Turn]]:
        """All committed turns, in commit order; those of a round are there before its first `act`."""
        for played in self.rounds[len(self._turns) :]:
            if played.is_committed:
                self._turns.append(self._turns_of(played))
        return self._turns

    def _turns_of(self, played: Played) -> list[Turn]:
        dropped = dict(played.dropped)
        first = self._num_turns
        turns = [
            Turn(
                index=index,
                agent=slot.agent,
                round=len(self._turns),
                action=played.words[slot.agent][1],
                shortened=dropped.get(slot.agent, 0),
                parents=parents,
                start_us=slot.start_us,
                finish_us=slot.finish_us,
            )
            for index, (slot, parents) in enumerate(played.timed(first, self._time_us, self._profiles), first)
        ]
        self._num_turns += len(turns)
        self._time_us = played.heard_us(turns, self._profiles)
        return turns

    def reward_events(self) -> list[RewardEvent]:
        """All rewards paid in closed rounds, in the order of payment."""
        turns_by_round = self.turns_by_round()
        for number in range(self._num_in_events, len(turns_by_round)):
            played = self.rounds[number]
            if not played.is_closed:
                break
            turns = turns_by_round[number]
            if turns:
                self._last = turns[-1].index
            for place, paid in played.payments:
                time_us = played.closed_us(turns) if place is None else turns[place].finish_us
                index = self._last if place is None else turns[place].index
                amounts = dict.fromkeys(self._profiles, paid) if isinstance(paid, float) else paid
                for agent, amount in amounts.items():
                    if amount:
                        self._events.append(RewardEvent(index, number, time_us, agent, amount))
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
            if opening := played.opening(number):
                pieces.append(opening)
            if played.hidden and (not number or played.hidden != self.rounds[number - 1].hidden):
                pieces.append(f"hidden:\n{played.hidden}")
            pieces += played.texts(everybody)
            if played.is_closed:
                self._text = GAP.join(pieces)
                self._num_in_text += 1
                pieces = [self._text]
        return GAP.join(pieces)

    def text_without_hidden(self) -> str:
        """The same without what is hidden."""
        pieces: list[str] = []
        for number, played in enumerate(self.rounds):
            if opening := played.opening(number):
                pieces.append(opening)
            pieces += played.texts(tuple(self._profiles))
        return GAP.join(pieces)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """A history of its own with the same closed rounds, which never change."""
        copied = copy(self)
        copied.rounds = deepcopy(self.rounds, memo)
        copied._turns = self._turns.copy()  # noqa: SLF001  # it is one of us
        copied._events = self._events.copy()  # noqa: SLF001  # it is one of us
        return copied


def told_time(time_us: int) -> str:
    """A time as texts tell it, in seconds, no longer than it has to be."""
    return f"{time_us / 1_000_000:.6f}".rstrip("0").rstrip(".") + " s"


def told_texts(texts: Mapping[str, str], everybody: Sequence[str]) -> Iterator[str]:
    """What agents were told, under their names; the same text for several of them stands once."""
    for names, text in told_to(texts, everybody):
        yield f"to {names}:\n{text}"


def told_to(texts: Mapping[str, str], everybody: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(who, what): every text once, and whom it was told."""
    readers: dict[str, list[str]] = {}
    for agent, text in texts.items():
        readers.setdefault(text, []).append(agent)
    for text, agents in readers.items():
        names = "everybody" if 1 < len(agents) == len(everybody) else ", ".join(agents)
        yield names, text
