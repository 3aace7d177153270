"""Several actions from the very same state: what group-relative learning wants of every agent and every turn.

An episode has a *trunk*. Wherever an agent is to act in it, so many *branches* fork off, each with an action of its
own, and each is played to its end by the same team; what it came to there is the action's return. The trunk goes on
with the action whose branch came to most.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

from baselines.rollouts.batch import Batch, Rollout, Turn
from baselines.rollouts.collect import Collector, Progress, Sampling, Seat, Task


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
    """Tree after tree, in the order of the tasks; in each, turn after turn."""
    num_drawn: int
    """Tokens that were drawn for it, those with which branches were played on among them."""

    @property
    def num_tokens(self) -> int:
        return self.num_drawn

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        return cls(
            [rollout for part in parts for rollout in part.rollouts],
            [branches for part in parts for branches in part.branches],
            sum(part.num_drawn for part in parts),
        )

    def learnt_from(self) -> Iterator[Rollout]:
        """Every action that was tried, as an episode that holds nothing else."""
        for branches in self.branches:
            for turn, amount in zip(branches.turns, branches.returns, strict=True):
                yield _alone(turn, amount, branches)


def _alone(turn: Turn, amount: float, branches: Branches) -> Rollout:
    return Rollout(
        turns=[replace(turn, rewards={turn.agent: amount})],
        agents=(turn.agent,),
        terminated=True,
        final_states={},
        final_observations={},
        seed=0,
        level=branches.level,
        instance=branches.instance,
        info={},
        time="turns",
    )


@dataclass(slots=True)
class _Trunk:
    """An episode on its way."""

    seat: Seat
    number: int
    """Place of its task."""
    num_branches: int = 0
    """That have forked off so far: each draws its replies under a number of its own."""


_MOST_BRANCHES = 1_000_000
"""Of a trunk: plays of one instance number theirs so far apart."""


class TreeCollector:
    """Plays episodes with branches, as many at once as there are environment copies for."""

    def __init__(self, collector: Collector, num_branches: int, *, agents: Collection[str]) -> None:
        """`agents`: whose turns branch; others take theirs once, on the trunk and in the branches alike."""
        self._collector = collector
        self._num_branches = num_branches
        self._agents = agents

    def collect(self, tasks: Sequence[Task], sampling: Sampling, progress: Progress = lambda num_done: None) -> Tree:
        """Grow a tree for every task; branches come back tree by tree, whatever was grown at once.

        `progress` is told how many have ended, after every turn.
        """
        drawn_before = self._collector.num_drawn
        first: dict[int, list[Rollout]] = {}
        found: dict[int, list[Branches]] = {}
        at_once = max(1, self._collector.num_envs // (self._num_branches + 1))
        for begin in range(0, len(tasks), at_once):
            some = range(begin, min(begin + at_once, len(tasks)))
            seats = self._collector.begun([tasks[number] for number in some])
            trunks = [_Trunk(seat, number) for seat, number in zip(seats, some, strict=True)]
            while growing := [trunk for trunk in trunks if not trunk.seat.game.done]:
                for trunk, branches, rollouts in self._grown(growing, sampling):
                    found.setdefault(trunk.number, []).append(branches)
                    first.setdefault(trunk.number, rollouts)
                progress(begin + sum(trunk.seat.game.done for trunk in trunks))
        return Tree(
            [rollout for number in sorted(first) for rollout in first[number]],
            [branches for number in sorted(found) for branches in found[number]],
            self._collector.num_drawn - drawn_before,
        )

    def _grown(self, trunks: Sequence[_Trunk], sampling: Sampling) -> list[tuple[_Trunk, Branches, list[Rollout]]]:
        """One turn of every trunk, whose next agent branches if it is one of ours."""
        turns = [(trunk, trunk.seat.game.ready()[0]) for trunk in trunks]
        others = [(trunk.seat, agent) for trunk, agent in turns if agent not in self._agents]
        if others:
            self._collector.ask(others, sampling)
        return self._branched([(trunk, agent) for trunk, agent in turns if agent in self._agents], sampling)

    def _branched(
        self, turns: Sequence[tuple[_Trunk, str]], sampling: Sampling
    ) -> list[tuple[_Trunk, Branches, list[Rollout]]]:
        """Try actions of an agent of every trunk, play all branches to their ends, and let the trunks go on."""
        forks = [self._forks(trunk) for trunk, _ in turns]
        asked = [(fork, agent) for own, (_, agent) in zip(forks, turns, strict=True) for fork in own]
        if not asked:
            return []
        acted = self._collector.ask(asked, sampling)
        said = {id(fork): replace(turn, rewards={}) for (fork, _), turn in zip(asked, acted, strict=True)}
        self._collector.play_on([fork for own in forks for fork in own], sampling)
        grown = []
        for (trunk, agent), own in zip(turns, forks, strict=True):
            rollouts = [fork.game.rollout() for fork in own]
            returns = [rollout.returns[agent] for rollout in rollouts]
            tried = [said[id(fork)] for fork in own]
            grown.append((trunk, Branches(tried, returns, rollouts[0].instance, rollouts[0].level), rollouts))
            best = tried[max(range(len(own)), key=returns.__getitem__)]
            self._collector.submit(trunk.seat, agent, replace(best, rewards={}))
        return grown

    def _forks(self, trunk: _Trunk) -> list[Seat]:
        begin = trunk.seat.task.sample * _MOST_BRANCHES + 1 + trunk.num_branches
        trunk.num_branches += self._num_branches
        return [trunk.seat.fork(number) for number in range(begin, begin + self._num_branches)]


def grow_trees(
    collector: Collector,
    tasks: Sequence[Task],
    sampling: Sampling,
    progress: Progress,
    *,
    num_branches: int,
    agents: Collection[str],
) -> Tree:
    """A way to collect; see `TreeCollector`."""
    return TreeCollector(collector, num_branches, agents=agents).collect(tasks, sampling, progress)
