"""From rewards and values of a batch to one advantage and one return per turn.

On the *team* axis lie all turns of an episode in acting order: what a central critic's values are for. On an *own* axis
lie one agent's turns: what it was paid from one of its turns up to the next belongs to the first, and its value is
bootstrapped only from the same agent's next turn. Environments without rounds have own axes only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from baselines.errors import ConfigError
from baselines.learning.advantages import axis_factors, gae, joint_round_advantages
from baselines.rollouts.batch import Batch, Rollout, Turn


@dataclass(frozen=True, slots=True)
class Credit:
    """One entry per turn of the batch, in the order of `Batch.turns()`; all (N,)."""

    advantages: Tensor
    """The turn's own advantage."""
    joint_advantages: Tensor
    """The advantage of its round's joint action."""
    returns: Tensor
    """λ-returns: what the critic should have said."""
    episodes: Tensor
    rounds: Tensor
    positions: Tensor
    """Acting order within the episode."""


@dataclass(frozen=True, slots=True)
class _Axis:
    """Turns that share one time axis: their places in the batch, what each was paid, and the value after the last."""

    turns: list[int]
    rewards: list[float]
    rounds: list[int]
    end_round: int
    """The round that would have come next."""
    bootstrap: float


Axis = Literal["team", "own"]


def assign_credit(
    batch: Batch,
    values: Tensor,
    bootstraps: Sequence[Mapping[str, float]],
    *,
    gamma: float,
    gae_lambda: float,
    axis: Axis,
) -> Credit:
    """Generalised advantage estimates over the whole batch.

    `bootstraps`: per rollout, what each agent's next turn would have been worth; read only where the horizon cut it. On
    the team axis it is the same for all of them.

    Shapes: values (N,), one per turn.
    Raises: `ConfigError` if the axis is the team's, and agents were paid differently.
    """
    axes: list[_Axis] = []
    start = 0
    for rollout, next_values in zip(batch.rollouts, bootstraps, strict=True):
        ends = dict.fromkeys(rollout.agents, 0.0) if rollout.terminated else next_values
        if axis == "team" and rollout.has_rounds:
            axes.append(_team_axis(rollout, start, ends))
        else:
            axes += _own_axes(rollout, start, ends)
        start += len(rollout.turns)

    longest = max(len(one.turns) for one in axes)
    lengths = torch.tensor([len(one.turns) for one in axes])
    rewards = _padded([one.rewards for one in axes], longest)
    rounds = _padded([one.rounds for one in axes], longest).long()
    path = torch.zeros(len(axes), longest + 1)
    for row, one in enumerate(axes):
        path[row, : len(one.turns)] = values[one.turns]
        path[row, len(one.turns)] = one.bootstrap
    end_rounds = torch.tensor([one.end_round for one in axes])
    factors = axis_factors(rounds, gamma, gae_lambda, lengths, end_rounds)
    estimate = gae(rewards, path, factors.discounts, factors.lams, lengths)
    joint = joint_round_advantages(estimate.advantages, rounds, lengths)

    flat = {"advantages": torch.zeros(start), "joint": torch.zeros(start), "returns": torch.zeros(start)}
    for row, one in enumerate(axes):
        for name, table in (
            ("advantages", estimate.advantages),
            ("joint", joint),
            ("returns", estimate.returns),
        ):
            flat[name][one.turns] = table[row, : len(one.turns)]
    return Credit(
        advantages=flat["advantages"],
        joint_advantages=flat["joint"],
        returns=flat["returns"],
        episodes=torch.tensor([number for number, rollout in enumerate(batch.rollouts) for _ in rollout.turns]),
        rounds=torch.tensor([turn.round for turn in batch.turns()]),
        positions=torch.tensor([position for rollout in batch.rollouts for position in range(len(rollout.turns))]),
    )


def require_team_reward(batch: Batch) -> None:
    """Raises: `ConfigError` if agents of one Flex-MG were paid differently: then no joint action has one advantage."""
    for rollout in batch.rollouts:
        if rollout.has_rounds:
            for turn in rollout.turns:
                _team_reward(rollout, turn)


def _team_reward(rollout: Rollout, turn: Turn) -> float:
    paid = {turn.rewards.get(agent, 0.0) for agent in rollout.agents}
    if len(paid) > 1:
        raise ConfigError(
            f"agents were paid differently in round {turn.round} ({turn.rewards}), but a team's advantage needs one "
            "team reward. Have the environment pay everybody the same, or train with --critic-input observation and "
            "--update simultaneous, where every agent is on its own"
        )
    return paid.pop()


def _team_axis(rollout: Rollout, start: int, next_values: Mapping[str, float]) -> _Axis:
    return _Axis(
        turns=list(range(start, start + len(rollout.turns))),
        rewards=[_team_reward(rollout, turn) for turn in rollout.turns],
        rounds=[turn.round for turn in rollout.turns],
        end_round=rollout.turns[-1].round + 1,
        bootstrap=next_values[rollout.agents[0]],
    )


def _own_axes(rollout: Rollout, start: int, next_values: Mapping[str, float]) -> list[_Axis]:
    axes = []
    for agent in rollout.agents:
        own = [position for position, turn in enumerate(rollout.turns) if turn.agent == agent]
        if not own:
            continue
        until = [*own[1:], len(rollout.turns)]
        rewards = [
            sum(turn.rewards.get(agent, 0.0) for turn in rollout.turns[begin:end])
            for begin, end in zip(own, until, strict=True)
        ]
        # Without rounds an agent's own turns are all the time that it knows.
        rounds = [rollout.turns[position].round for position in own] if rollout.has_rounds else list(range(len(own)))
        end_round = (rollout.turns[-1].round if rollout.has_rounds else rounds[-1]) + 1
        turns = [start + position for position in own]
        axes.append(_Axis(turns, rewards, rounds, end_round, next_values.get(agent, 0.0)))
    return axes


def _padded(rows: Sequence[Sequence[float]], width: int) -> Tensor:
    """Rows as one tensor (len(rows), width), each filled up with its last entry (rounds must not fall)."""
    return torch.tensor([[*row, *[row[-1]] * (width - len(row))] for row in rows], dtype=torch.float32)
