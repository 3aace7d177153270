"""From rewards and values of a batch to one advantage and one return per turn.

Flex-MG environments pay the team, and the axis is the team's turns in acting order. In other AEC environments the axis is each
agent's own turns: what it was paid from one of its turns up to the next belongs to the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from baselines.errors import ConfigError
from baselines.learning.advantages import axis_factors, gae, joint_round_advantages
from baselines.rollouts.batch import Batch, Rollout


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
    """Turns that share one time axis: where they stand in the batch, what each was paid, and the value after the last."""

    turns: list[int]
    rewards: list[float]
    rounds: list[int]
    bootstrap: float


def assign_credit(batch: Batch, values: Tensor, final_values: Tensor, gamma: float, gae_lambda: float) -> Credit:
    """Generalised advantage estimates over the whole batch.

    Shapes: values (N,), one per turn; final_values (E,), one per rollout, read only where the horizon cut it.
    Raises: `ConfigError` if agents of a Flex-MG were paid differently.
    """
    axes: list[_Axis] = []
    start = 0
    for rollout, final_value in zip(batch.rollouts, final_values.tolist(), strict=True):
        bootstrap = 0.0 if rollout.terminated else final_value
        axes += (
            _team_axis(rollout, start, bootstrap) if rollout.axis == "team" else _own_axes(rollout, start, bootstrap)
        )
        start += len(rollout.turns)

    longest = max(len(axis.turns) for axis in axes)
    lengths = torch.tensor([len(axis.turns) for axis in axes])
    rewards = _padded([axis.rewards for axis in axes], longest)
    rounds = _padded([axis.rounds for axis in axes], longest).long()
    path = torch.zeros(len(axes), longest + 1)
    for row, axis in enumerate(axes):
        path[row, : len(axis.turns)] = values[axis.turns]
        path[row, len(axis.turns)] = axis.bootstrap
    factors = axis_factors(rounds, gamma, gae_lambda, lengths)
    estimate = gae(rewards, path, factors.discounts, factors.lams, lengths)
    joint = joint_round_advantages(estimate.advantages, rounds, lengths)

    flat = {"advantages": torch.zeros(start), "joint": torch.zeros(start), "returns": torch.zeros(start)}
    for row, axis in enumerate(axes):
        for name, table in (
            ("advantages", estimate.advantages),
            ("joint", joint),
            ("returns", estimate.returns),
        ):
            flat[name][axis.turns] = table[row, : len(axis.turns)]
    return Credit(
        advantages=flat["advantages"],
        joint_advantages=flat["joint"],
        returns=flat["returns"],
        episodes=torch.tensor([number for number, rollout in enumerate(batch.rollouts) for _ in rollout.turns]),
        rounds=torch.tensor([turn.round for turn in batch.turns()]),
        positions=torch.tensor([position for rollout in batch.rollouts for position in range(len(rollout.turns))]),
    )


def _team_axis(rollout: Rollout, start: int, bootstrap: float) -> list[_Axis]:
    rewards = []
    for turn in rollout.turns:
        paid = {turn.rewards.get(agent, 0.0) for agent in rollout.agents}
        if len(paid) > 1:
            raise ConfigError(
                f"agents were paid differently in round {turn.round} ({turn.rewards}), but a team's advantage needs one team reward. "
                "Have the environment pay everybody the same, or use a trainer for per-agent rewards"
            )
        rewards.append(paid.pop())
    positions = list(range(start, start + len(rollout.turns)))
    return [_Axis(positions, rewards, [turn.round for turn in rollout.turns], bootstrap)]


def _own_axes(rollout: Rollout, start: int, bootstrap: float) -> list[_Axis]:
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
        axes.append(_Axis([start + position for position in own], rewards, list(range(len(own))), bootstrap))
    return axes


def _padded(rows: Sequence[Sequence[float]], width: int) -> Tensor:
    """Rows as one tensor (len(rows), width), each filled up with its last entry (rounds must not fall)."""
    return torch.tensor([[*row, *[row[-1]] * (width - len(row))] for row in rows], dtype=torch.float32)
