"""D_t as a value: who acts in a round, and whose action depends on whose.

An environment hands one `Dependencies` to the base class at the opening of every round. It is asked for often
and changes seldom, so equal arguments give the same, already checked object.

*Canonical order* means: every agent after all it depends on, ties broken by the order in `agents`.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NoReturn, Self, final

import numpy as np
from numpy.typing import NDArray

from marft_envs.errors import DependencyError

Edge = tuple[str, str]
"""(i, j): j's action depends on i's, so j waits for i and reads what i wrote."""

_INTERNED = 4096
"""Distinct graphs kept: every way in which an orchestrator can route among twelve agents."""


@final
class Dependencies:
    """The agents of one round and the acyclic graph of who waits for whom.

    Immutable, hashable, picklable. Agents that are not in `agents` do not act in the round.

    Raises: DependencyError for no agent, a repeated or unknown agent, a self-loop, a cycle.
    """

    __slots__ = ("_children", "_layers", "_parents", "agents", "edges", "order")

    agents: tuple[str, ...]
    """Who acts in the round; earlier names come first where nothing else decides."""
    edges: tuple[Edge, ...]
    """Every (i, j) once, sorted by the places of i and j in `agents`."""
    order: tuple[str, ...]
    """All agents in canonical order."""
    _parents: dict[str, tuple[str, ...]]
    _children: dict[str, tuple[str, ...]]
    _layers: tuple[tuple[str, ...], ...]

    def __new__(cls, agents: Sequence[str], edges: Iterable[Edge] = ()) -> Self:
        """The one object for these agents and edges."""
        if isinstance(agents, str):
            raise DependencyError(f"agents is the one name {agents!r}; pass a sequence of names, such as [{agents!r}]")
        return _interned(tuple(agents), frozenset(map(tuple, edges)))

    @classmethod
    def sequence(cls, agents: Sequence[str]) -> Self:
        """Everybody depends on all agents before them."""
        return _shape("sequence", tuple(agents))

    @classmethod
    def chain(cls, agents: Sequence[str]) -> Self:
        """Everybody depends on the agent just before them, and on nobody else."""
        return _shape("chain", tuple(agents))

    @classmethod
    def together(cls, agents: Sequence[str]) -> Self:
        """Nobody depends on anybody: simultaneous moves."""
        return _shape("together", tuple(agents))

    def parents(self, agent: str) -> tuple[str, ...]:
        """The agents whose actions this one reads in this round, in canonical order."""
        try:
            return self._parents[agent]
        except KeyError:
            self._refuse(agent)

    def children(self, agent: str) -> tuple[str, ...]:
        """The agents that read this one's action in this round, in canonical order."""
        try:
            return self._children[agent]
        except KeyError:
            self._refuse(agent)

    def ready(self, done: Collection[str]) -> tuple[str, ...]:
        """The agents that have not acted and wait for nobody, in canonical order.

        `done`: the agents that have acted; pass a set where speed counts.
        """
        return tuple(
            agent
            for agent in self.order
            if agent not in done and all(parent in done for parent in self._parents[agent])
        )

    def layers(self) -> tuple[tuple[str, ...], ...]:
        """The agents by the length of the longest chain of parents above them, each layer in canonical order.

        With everybody equally fast, a layer acts at one time, and a round lasts as many turns as it has layers.
        """
        return self._layers

    def matrix(self) -> NDArray[np.bool_]:
        """D_t itself, a fresh array: `[i, j]` is True iff agent j's action depends on agent i's.

        Shapes: (n, n), both axes in the order of `agents`.
        """
        index = {agent: i for i, agent in enumerate(self.agents)}
        matrix = np.zeros((len(self.agents), len(self.agents)), dtype=np.bool_)
        for i, j in self.edges:
            matrix[index[i], index[j]] = True
        return matrix

    def _refuse(self, agent: str) -> NoReturn:
        raise DependencyError(f"agent {agent!r} does not act in this round; its agents are {', '.join(self.agents)}")

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Dependencies):
            return NotImplemented
        return self.agents == other.agents and self.edges == other.edges

    def __hash__(self) -> int:
        return hash((self.agents, self.edges))

    def __repr__(self) -> str:
        return f"Dependencies(agents={self.agents!r}, edges={self.edges!r})"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"Dependencies are immutable; make new ones instead of setting {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"Dependencies are immutable; make new ones instead of deleting {name!r}")

    def __reduce__(self) -> tuple[type["Dependencies"], tuple[tuple[str, ...], tuple[Edge, ...]]]:
        return Dependencies, (self.agents, self.edges)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self


@lru_cache(maxsize=_INTERNED)
def _interned(agents: tuple[str, ...], edges: frozenset[tuple[str, ...]]) -> Dependencies:
    """The one object for these agents and edges, checked and laid out."""
    _check_agents(agents)
    place = {agent: i for i, agent in enumerate(agents)}
    _check_edges(agents, edges)
    sorted_edges = tuple(sorted(((i, j) for i, j in edges), key=lambda edge: (place[edge[0]], place[edge[1]])))
    order = _topological(agents, sorted_edges)
    parents = {j: tuple([i for i in order if (i, j) in edges]) for j in agents}
    children = {i: tuple([j for j in order if (i, j) in edges]) for i in agents}

    self = object.__new__(Dependencies)
    for name, value in {
        "agents": agents,
        "edges": sorted_edges,
        "order": order,
        "_parents": parents,
        "_children": children,
        "_layers": _layered(order, parents),
    }.items():
        object.__setattr__(self, name, value)
    return self


@lru_cache(maxsize=_INTERNED)
def _shape(name: str, agents: tuple[str, ...]) -> Dependencies:
    """One of D's usual shapes, by its name."""
    edges: Iterable[Edge]
    match name:
        case "sequence":
            edges = ((i, j) for place, j in enumerate(agents) for i in agents[:place])
        case "chain":
            edges = pairwise(agents)
        case _:
            edges = ()
    return Dependencies(agents, edges)


def _check_agents(agents: tuple[str, ...]) -> None:
    if not agents:
        raise DependencyError("no agent acts in this round; name at least one, or terminate the episode instead")
    for place, agent in enumerate(agents):
        if not isinstance(agent, str):
            raise DependencyError(f"agent {agent!r} is no text; agents are named by str")
        if agent in agents[:place]:
            raise DependencyError(f"agent {agent!r} is named twice; an agent acts at most once in a round")


def _check_edges(agents: tuple[str, ...], edges: frozenset[tuple[str, ...]]) -> None:
    for edge in sorted(edges, key=repr):
        match edge:
            case (i, j) if i == j:
                raise DependencyError(f"edge {edge!r} is a self-loop; no action can depend on itself")
            case (_, _):
                unknown = next((agent for agent in edge if agent not in agents), None)
            case _:
                raise DependencyError(f"edge {edge!r} is no pair; write (i, j) where j's action depends on i's")
        if unknown is not None:
            raise DependencyError(
                f"edge {edge!r} names {unknown!r}, who does not act in this round; its agents are {', '.join(agents)}"
            )


def _topological(agents: tuple[str, ...], edges: tuple[Edge, ...]) -> tuple[str, ...]:
    """Repeatedly the first agent, in the order of `agents`, that waits for nobody."""
    waits_for = {agent: {i for i, j in edges if j == agent} for agent in agents}
    order: list[str] = []
    while waits_for:
        agent = next((agent for agent, parents in waits_for.items() if not parents), None)
        if agent is None:
            raise DependencyError(f"the dependencies have a cycle: {_cycle(waits_for)}; leave out one of these edges")
        del waits_for[agent]
        for parents in waits_for.values():
            parents.discard(agent)
        order.append(agent)
    return tuple(order)


def _cycle(waits_for: dict[str, set[str]]) -> str:
    """One cycle among agents that all wait for another of them, drawn along its edges."""
    agent = next(iter(waits_for))
    path: list[str] = []
    while agent not in path:
        path.append(agent)
        agent = min(waits_for[agent])
    cycle = [agent, *path[path.index(agent) :]]
    return " → ".join([*reversed(cycle[1:]), cycle[-1]])


def _layered(order: tuple[str, ...], parents: dict[str, tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    depth: dict[str, int] = {}
    for agent in order:
        depth[agent] = max((depth[parent] + 1 for parent in parents[agent]), default=0)
    return tuple(tuple(agent for agent in order if depth[agent] == k) for k in range(max(depth.values()) + 1))
