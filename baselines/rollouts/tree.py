"""Several actions from the very same state: what group-relative learning wants of every agent and every turn.

An episode has a *trunk*. Wherever an agent is to act in it, so many *branches* fork off, each with an action of its
own, and each is played to its end by the same team; what it came to there is the action's return. The trunk goes on
with the action whose branch came to most.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from baselines.rollouts.batch import Batch, Rollout, Turn
from baselines.rollouts.collect import Collector, Sampling, Seat, Task


@dataclass(frozen=True, slots=True)
class Branches:
    """The actions that one agent tried in one state."""

    turns: list[Turn]
    returns: list[float]
    """What each came to: the agent's own return of the whole episode."""
    instance: str
    level: str | None


@dataclass(slots=True)
class Tree(Batch):
    """The branches of an iteration; as a batch, those at the first turns, which are plain episodes of the team."""

    branches: list[Branches]


@dataclass(slots=True)
class _Trunk:
    """An episode on its way."""

    seat: Seat
    num_branches: int = 0
    """That have forked off so far: each draws its replies under a number of its own."""


class TreeCollector:
    """Plays episodes with branches, many trunks at once."""

    def __init__(self, collector: Collector, num_branches: int) -> None:
        self._collector = collector
        self._num_branches = num_branches

    def collect(
        self, tasks: Sequence[Task], sampling: Sampling, progress: Callable[[int], None] = lambda num_done: None
    ) -> Tree:
        """Grow a tree for every task. `progress` is told how many have ended, after every turn."""
        trunks = [_Trunk(seat) for seat in self._collector.begun(tasks)]
        first: list[Rollout] = []
        found: list[Branches] = []
        growing = trunks
        while growing := [trunk for trunk in growing if not trunk.seat.game.done]:
            is_first = not found
            for branches, rollouts in self._branch(growing, sampling):
                found.append(branches)
                first += rollouts if is_first else []
            progress(sum(trunk.seat.game.done for trunk in trunks))
        return Tree(first, found)

    def _branch(self, trunks: Sequence[_Trunk], sampling: Sampling) -> list[tuple[Branches, list[Rollout]]]:
        """Try actions of the next agent of every trunk, play all branches to their ends, and let the trunks go on."""
        agents = [trunk.seat.game.ready()[0] for trunk in trunks]
        forks = [self._forks(trunk) for trunk in trunks]
        asked = [(fork, agent) for own, agent in zip(forks, agents, strict=True) for fork in own]
        turns = self._collector.ask(asked, sampling)
        said = {id(fork): replace(turn, rewards={}) for (fork, _), turn in zip(asked, turns, strict=True)}
        self._collector.play_on([fork for own in forks for fork in own], sampling)
        grown = []
        for trunk, agent, own in zip(trunks, agents, forks, strict=True):
            rollouts = [fork.game.rollout() for fork in own]
            returns = [rollout.returns[agent] for rollout in rollouts]
            tried = [said[id(fork)] for fork in own]
            grown.append((Branches(tried, returns, rollouts[0].instance, rollouts[0].level), rollouts))
            best = tried[max(range(len(own)), key=returns.__getitem__)]
            self._collector.submit(trunk.seat, agent, replace(best, rewards={}))
        return grown

    def _forks(self, trunk: _Trunk) -> list[Seat]:
        begin = trunk.num_branches
        trunk.num_branches += self._num_branches
        return [trunk.seat.fork(number) for number in range(begin, trunk.num_branches)]
