"""How a learner without language plays: it chooses by number from the texts that an environment offers.

Everybody is asked as in `collect`: in every tick all agents that are ready, of all copies, in one batch. What comes of
it are the episodes, and the *stream* of each agent: its own turns in their order, each with all that the agent was paid
until its next one. So an agent's time is that of its own turns, in rounds and on the clock alike.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from baselines.errors import EnvironmentKindError
from baselines.policies.hashed_words import hashed_words
from baselines.rollouts.batch import Batch, Rollout, Turn
from baselines.rollouts.collect import Task
from baselines.rollouts.games import FlexGame, as_game
from marft_envs import FlexMG, OptionError, own_choices

NUM_REHEARSED = 50
"""Episodes of a level that are played at most to see from how many texts every agent chooses."""
WORDS_LENGTH = 8.0
"""Length of the part of an observation that tells what was read; that which tells who reads is as long as 1.

Words share their length, so that at 1 each would hardly move a unit of the network; beyond 10 or so units begin full.
"""

Observations = NDArray[np.float32]
"""(B, F): agents by places, then hashed words."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """What is chosen, all (B,)."""

    numbers: NDArray[np.int64]
    values: NDArray[np.float32]
    """What is still to come for the agent, as a critic sees it."""
    logprobs: NDArray[np.float32]


Decide = Callable[[Observations], Decisions]


@dataclass(slots=True)
class Step:
    """One turn of a stream."""

    observation: NDArray[np.float32]
    number: int
    value: float
    logprob: float
    reward: float = 0.0
    """What the agent was paid from this turn until its next one, or the end."""


Stream = list[Step]


@dataclass(frozen=True, slots=True)
class Played:
    """Episodes, and what each agent did in them; an agent that never acted in an episode has no stream of it."""

    batch: Batch
    streams: list[Stream]


@dataclass(slots=True)
class _Seat:
    """One environment copy."""

    game: FlexGame
    number: int = -1
    streams: dict[str, Stream] = field(default_factory=dict)
    num_paid: int = 0
    """Reward events that have been taken into account."""

    def settle(self) -> None:
        """Give what was paid since to each agent's latest turn."""
        events = self.game.env.reward_events
        for event in events[self.num_paid :]:
            if stream := self.streams.get(event.agent):
                stream[-1].reward += event.amount
        self.num_paid = len(events)


class ChoosingCollector:
    """Plays episodes of one Flex-MG environment by numbers."""

    def __init__(self, make_env: Callable[[], object], *, num_envs: int, num_numbers: int, width: int) -> None:
        """`num_numbers`: how many numbers a learner may give; `width`: places for hashed words.

        Raises: EnvironmentKindError for anything but a `FlexMG`.
        """
        self._seats = [_Seat(choosing_game(make_env())) for _ in range(num_envs)]
        self._num_numbers = num_numbers
        self._width = width
        self.agents = self._seats[0].game.agents

    @property
    def num_features(self) -> int:
        """F."""
        return len(self.agents) + self._width

    def collect(
        self,
        tasks: Iterable[Task],
        decide: Decide,
        progress: Callable[[int], None] = lambda num_done: None,
    ) -> Played:
        """Play every task once; rollouts come in the order of the tasks, streams in that of rollouts and agents."""
        waiting = iter(enumerate(tasks))
        finished: dict[int, tuple[Rollout, list[Stream]]] = {}
        active = [seat for seat in self._seats if _begin(seat, waiting)]
        while active:
            self._tick(active, decide)
            for seat in [seat for seat in active if seat.game.done]:
                finished[seat.number] = _finished(seat)
                if not _begin(seat, waiting):
                    active.remove(seat)
            progress(len(finished))
        in_order = [finished[number] for number in sorted(finished)]
        return Played(
            Batch([rollout for rollout, _ in in_order]), [stream for _, streams in in_order for stream in streams]
        )

    def _tick(self, seats: Sequence[_Seat], decide: Decide) -> None:
        """One action of every agent that is ready."""
        asked = [(seat, agent) for seat in seats for agent in seat.game.ready()]
        observations = np.stack([self.observation(seat.game, agent) for seat, agent in asked])
        texts = [self._texts(seat.game.env, agent) for seat, agent in asked]
        decisions = decide(observations)
        for row, (seat, agent) in enumerate(asked):
            if seat.game.done:
                continue  # on the clock the end may come before an agent that was asked
            seat.settle()
            number = int(decisions.numbers[row])
            step = Step(observations[row], number, float(decisions.values[row]), float(decisions.logprobs[row]))
            seat.streams.setdefault(agent, []).append(step)
            text = texts[row][number % len(texts[row])]
            seat.game.submit(agent, Turn(agent, 0, [], [], [], text, "", ""))

    def observation(self, game: FlexGame, agent: str) -> NDArray[np.float32]:
        """Who reads, and what it has read in this episode: (F,)."""
        env = game.env
        seen = np.zeros(self.num_features, dtype=np.float32)
        seen[self.agents.index(agent)] = 1.0
        read = env.messages(agent)[len(env.profiles[agent].opening()) :]
        seen[len(self.agents) :] = WORDS_LENGTH * hashed_words(read, self._width)
        return seen

    def _texts(self, env: FlexMG, agent: str) -> Sequence[str]:
        """Raises: EnvironmentKindError for more texts than there are numbers."""
        texts = own_choices(env, agent)
        if len(texts) > self._num_numbers:
            raise EnvironmentKindError(
                f"{agent} chooses from {len(texts)} texts, but {self._num_numbers} was the most that {NUM_REHEARSED} "
                "episodes of each level have shown; an agent's number of choices has to stay the same at a level"
            )
        return texts


def _begin(seat: _Seat, waiting: Iterator[tuple[int, Task]]) -> bool:
    """Start the next waiting task, passing over those that are over before anybody acts."""
    for number, task in waiting:
        seat.number, seat.streams, seat.num_paid = number, {}, 0
        seat.game.reset(task.seed, task.level)
        assert not seat.game.done, "a Flex-MG episode opens with a turn"
        return True
    return False


def _finished(seat: _Seat) -> tuple[Rollout, list[Stream]]:
    """The episode, and the streams of those who acted; turns that the end has cut did nothing, and are left out."""
    seat.settle()
    rollout = seat.game.rollout()
    for agent in rollout.unfinished:
        *before, cut = seat.streams[agent]
        if before:
            before[-1].reward += cut.reward
        seat.streams[agent] = before
    return rollout, [seat.streams[agent] for agent in rollout.agents if seat.streams.get(agent)]


def choosing_game(env: object) -> FlexGame:
    """Wrap an environment. Raises: EnvironmentKindError for anything but a `FlexMG`."""
    game = as_game(env)
    if not isinstance(game, FlexGame):
        raise EnvironmentKindError(f"{env} is no FlexMG environment, so nobody says what can be chosen from in it")
    return game


def most_choices(env: object, levels: Sequence[str | None]) -> int:
    """The greatest number of texts that any agent chooses from at any of these levels.

    Raises: EnvironmentKindError where there is nothing to choose from.
    """
    game = choosing_game(env)
    counts: dict[str, int] = {}
    for level in levels:
        unseen = set(game.agents)
        drawn = random.Random(0)
        for seed in range(NUM_REHEARSED):
            game.reset(seed, level)
            while not game.done:
                agent = game.ready()[0]
                texts = _offered(game.env, agent)
                counts[agent] = max(counts.get(agent, 0), len(texts))
                unseen.discard(agent)
                game.submit(agent, Turn(agent, 0, [], [], [], drawn.choice(texts), "", ""))
            if not unseen:
                break
    return max(counts.values())


def _offered(env: FlexMG, agent: str) -> Sequence[str]:
    """Raises: EnvironmentKindError where there is nothing to choose from."""
    try:
        return own_choices(env, agent)
    except OptionError as error:
        raise EnvironmentKindError(f"a learner without language needs texts to choose from, and {error}") from error
