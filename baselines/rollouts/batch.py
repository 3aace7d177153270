"""The data shapes that travel between collecting and learning: `Turn`, `Rollout`, `Batch`.

Token ids go end to end: `Turn.action_ids` are the very tokens that the sampler drew, never a second tokenisation of
the text.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self, TypeVar

from torch import Tensor

from marft_envs import Measurement

Time = Literal["rounds", "clock", "turns"]
"""See `Rollout.time`."""


@dataclass(slots=True)
class Turn:
    """One agent's act, with everything a trainer needs to learn from it."""

    agent: str
    round: int
    """Round of the game; on the clock, the instant at which it ended. In an environment without rounds every turn is a
    round of its own."""
    prompt_ids: list[int]
    action_ids: list[int]
    """What was sampled, the end-of-sequence token included if it was sampled."""
    logprobs: list[float]
    """Sampler's log-probability of each action token at the temperature used. Empty for greedy replies."""
    text: str
    """The action as the environment recorded it."""
    state: str
    """What a central critic reads: the state at selection time, every earlier submission of the round included."""
    observation: str
    """What the agent itself could read then, as text."""
    parents: tuple[int, ...] = ()
    """Positions in `Rollout.turns` of the actions of this round that this turn could read; on the clock, of those that
    were new in it."""
    start_us: int = 0
    finish_us: int = 0
    rewards: dict[str, float] = field(default_factory=dict)
    """Reward paid to each agent when this turn committed; an agent that is absent got 0. Empty on the clock."""
    features: Tensor | None = field(default=None, compare=False, repr=False)
    """(H,): what the acting policy made of the prompt, from the very pass that drew the action."""


@dataclass(slots=True)
class Rollout:
    """One episode: its turns in acting order and how it ended."""

    turns: list[Turn]
    agents: tuple[str, ...]
    terminated: bool
    """False: the episode was cut, at least for some agents, and the value of what came next is their bootstrap."""
    final_states: Mapping[str, str]
    """What a central critic would have read before the next turn of each agent whose episode was cut."""
    final_observations: Mapping[str, str]
    """What each of these agents would have read in its next turn."""
    seed: int
    level: str | None
    instance: str
    """Identifies the task instance; evaluation resamples over it."""
    info: Mapping[str, float]
    time: Time
    """What passes from turn to turn. In "rounds" of a Markov game a team acts together; on the "clock" everybody has
    turns of its own, as long as they take; otherwise an agent's own "turns" are all the time that it knows."""
    measurements: tuple[Measurement, ...] = ()
    """What a Flex-MG environment measured: who plays the episode again hands it to `reset`."""
    final_features: dict[str, Tensor] = field(default_factory=dict, compare=False, repr=False)
    """(H,), float32 on the CPU: what the policy of each agent whose episode was cut made of its next prompt, as far as
    it was told anything yet. Empty if nobody asked for it."""
    payments: tuple[tuple[int, str, float], ...] = ()
    """On the clock, all rewards: when, in simulated microseconds, to whom, how much. There they do not belong to turns,
    for what pays may be an event."""
    end_us: int = 0
    """On the clock, when the episode ended."""
    unfinished: Mapping[str, str] = field(default_factory=dict)
    """On the clock, by agent, what was submitted of a turn that the end cut."""
    answer: str | None = None
    """What it arrived at, where that was asked for: see the hook `answer`."""

    @property
    def returns(self) -> dict[str, float]:
        """Undiscounted sum of rewards per agent."""
        if self.time == "clock":
            return {agent: sum(amount for _, paid, amount in self.payments if paid == agent) for agent in self.agents}
        return {agent: sum(turn.rewards.get(agent, 0.0) for turn in self.turns) for agent in self.agents}

    def texts(self, agent: str) -> list[str]:
        """All that an agent submitted, in its order."""
        said = [turn.text for turn in self.turns if turn.agent == agent]
        return [*said, self.unfinished[agent]] if agent in self.unfinished else said

    @property
    def num_tokens(self) -> int:
        """Tokens of all replies in it, their ends included; those of scripts have none."""
        return sum(len(turn.action_ids) for turn in self.turns)

    @property
    def team_return(self) -> float:
        """Mean of the agents' undiscounted returns; equals each of them when the reward is the team's."""
        return sum(self.returns.values()) / len(self.agents)


@dataclass(slots=True)
class Batch:
    """The episodes of one iteration."""

    rollouts: list[Rollout]

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The batch of all tasks, from those of their shares in order."""
        return cls([rollout for part in parts for rollout in part.rollouts])

    def turns(self) -> Iterator[Turn]:
        """Every turn, episode after episode, in acting order."""
        for rollout in self.rollouts:
            yield from rollout.turns

    def learnt_from(self) -> Iterator[Rollout]:
        """The episodes whose turns are learnt from."""
        yield from self.rollouts

    def positions(self, agents: Sequence[str]) -> list[int]:
        """Where the turns of `agents` stand in `turns()`."""
        chosen = frozenset(agents)
        return [position for position, turn in enumerate(self.turns()) if turn.agent in chosen]

    @property
    def num_tokens(self) -> int:
        """Tokens of all replies in it, their ends included; those of scripts have none."""
        return sum(rollout.num_tokens for rollout in self.rollouts)

    @property
    def mean_return(self) -> float:
        """Mean team return of the episodes."""
        return sum(rollout.team_return for rollout in self.rollouts) / len(self.rollouts)

    def mean_return_by_level(self) -> dict[str, float]:
        """Mean team return per level, for environments that have levels."""
        sums: dict[str, list[float]] = {}
        for rollout in self.rollouts:
            if rollout.level is not None:
                sums.setdefault(rollout.level, []).append(rollout.team_return)
        return {level: sum(values) / len(values) for level, values in sums.items()}


BatchKind = TypeVar("BatchKind", bound=Batch)
