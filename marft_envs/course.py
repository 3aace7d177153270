"""How long an episode took, who held it up, and what was never read: figures that follow from its turns alone.

    timing = marft_envs.timing(episode)
    print(timing.speed_up, timing.agents["scout_0"].waiting_us)

Times are simulated, in microseconds. A turn *depends* on the turns whose words are new in it, and on its agent's turn
before. In rounds that is D_t, and, where everybody recalls what was said, everything of earlier rounds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from marft_envs.pace import waited_for
from marft_envs.profiles import names_of
from marft_envs.records import Episode, Turn


@dataclass(frozen=True, slots=True)
class AgentTiming:
    """One agent's part of an episode."""

    turns: int
    chars: int
    """Written, as recorded."""
    working_us: int
    """Within its turns."""
    waiting_us: int
    """Before its turns: for the others, for a round to open, or because it was kept busy or began late."""
    idle_us: int
    """After its last turn; all the time for an agent that never had one."""
    staleness_us: float
    """How old the words of others were when it began to act on them, on average; 0 if it read none."""
    missed: int
    """Words of others that were said while it acted, so that it acted without them."""


@dataclass(frozen=True, slots=True)
class Timing:
    """A whole episode. Turns that its end left unfinished do not count."""

    makespan_us: int
    """When the last turn ended."""
    work_us: int
    """What all turns together take: how long it would have been with one agent at a time."""
    critical_path: tuple[int, ...]
    """The indices of the turns that depend on each other in a chain and together take longest."""
    critical_path_us: int
    """What they take together: no schedule with these turns is shorter."""
    unread: tuple[int, ...]
    """The indices of the turns whose words nobody else ever read."""
    agents: Mapping[str, AgentTiming]

    @property
    def speed_up(self) -> float:
        """Over one agent at a time: work divided by makespan; 1 where there are no turns."""
        return self.work_us / self.makespan_us if self.makespan_us else 1.0


def timing(episode: Episode) -> Timing:
    """The figures of an episode."""
    turns = episode.turns
    own = _turns_by_agent(episode)
    read = _read(episode, own)
    makespan_us = max((turn.finish_us for turn in turns), default=0)
    path, path_us = _critical_path(turns, read, own)
    waits = {turn.index for turn in turns if episode.on_clock and _is_waiting(turn, own)}
    return Timing(
        makespan_us=makespan_us,
        work_us=sum(map(_duration_us, turns)),
        critical_path=path,
        critical_path_us=path_us,
        unread=tuple(sorted(set(range(len(turns))).difference(waits, *read))),
        agents={
            agent: _agent_timing(mine, turns, read, makespan_us, _missed(mine, _heard(episode, agent)) - waits)
            for agent, mine in own.items()
        },
    )


def critical_path_us(episode: Episode) -> int:
    """That of `timing` alone, for those who want nothing else of very many episodes."""
    own = _turns_by_agent(episode)
    return _critical_path(episode.turns, _read(episode, own), own)[1]


def reads(episode: Episode) -> list[tuple[int, ...]]:
    """For every turn, the indices of the turns of others whose words are new in it: what it depends on."""
    return _read(episode, _turns_by_agent(episode))


def _turns_by_agent(episode: Episode) -> dict[str, list[Turn]]:
    own: dict[str, list[Turn]] = {agent: [] for agent in episode.returns}
    for turn in episode.turns:
        own[turn.agent].append(turn)
    return own


def _read(episode: Episode, own: Mapping[str, Sequence[Turn]]) -> list[tuple[int, ...]]:
    read: list[tuple[int, ...]] = [turn.parents for turn in episode.turns]
    if episode.on_clock or episode.recall == "parents":
        return read
    for agent, mine in own.items():
        since, known = 0, set[int]()  # what was said in its last round it heard then, if it was its parent's
        for turn in mine:
            news = [
                other.index
                for other in _heard(episode, agent)
                if since <= other.round < turn.round and other.index not in known
            ]
            read[turn.index] = (*news, *turn.parents)
            since, known = turn.round, set(turn.parents)
    return read


def _heard(episode: Episode, agent: str) -> list[Turn]:
    """The turns of those whom the agent hears."""
    heard = episode.hears.get(agent, episode.returns)
    return [turn for turn in episode.turns if turn.agent in heard and turn.agent != agent]


def _critical_path(
    turns: Sequence[Turn], read: Sequence[tuple[int, ...]], own: Mapping[str, Sequence[Turn]]
) -> tuple[tuple[int, ...], int]:
    before = {turn.index: earlier.index for mine in own.values() for earlier, turn in pairwise(mine)}
    lasts_us: list[int] = []  # of the longest chain that ends with this turn
    comes_from: list[int | None] = []
    for turn in turns:
        depends = sorted({*read[turn.index], *([before[turn.index]] if turn.index in before else [])})
        last = max(depends, key=lasts_us.__getitem__) if depends else None
        lasts_us.append(_duration_us(turn) + (0 if last is None else lasts_us[last]))
        comes_from.append(last)
    if not turns:
        return (), 0
    last_of_all = max(range(len(turns)), key=lasts_us.__getitem__)
    end: int | None = last_of_all
    path: list[int] = []
    while end is not None:
        path.append(end)
        end = comes_from[end]
    return tuple(reversed(path)), lasts_us[last_of_all]


def _agent_timing(
    mine: Sequence[Turn], turns: Sequence[Turn], read: Sequence[tuple[int, ...]], makespan_us: int, missed: set[int]
) -> AgentTiming:
    ended_us, waiting_us = 0, 0
    ages_us: list[int] = []
    for turn in mine:
        waiting_us += turn.start_us - ended_us
        ended_us = turn.finish_us
        ages_us += [turn.start_us - turns[other].finish_us for other in read[turn.index]]
    return AgentTiming(
        turns=len(mine),
        chars=sum(len(turn.action) for turn in mine),
        working_us=sum(map(_duration_us, mine)),
        waiting_us=waiting_us,
        idle_us=makespan_us - ended_us,
        staleness_us=fmean(ages_us) if ages_us else 0.0,
        missed=len(missed),
    )


def _missed(mine: Sequence[Turn], heard: Sequence[Turn]) -> set[int]:
    return {other.index for turn in mine for other in heard if turn.start_us < other.finish_us < turn.finish_us}


def _duration_us(turn: Turn) -> int:
    return turn.finish_us - turn.start_us


def _is_waiting(turn: Turn, own: Iterable[str]) -> bool:
    return waited_for(turn.agent, turn.action, names_of(own)) is not None
