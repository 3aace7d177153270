"""From rewards and values of a batch to one advantage and one return per turn.

On the *team* axis lie all turns of an episode in acting order: what a central critic's values are for. On an *own* axis
lie one agent's turns: what it was paid from one of its turns up to the next belongs to the first, and its value is
bootstrapped only from the same agent's next turn. Environments without rounds have own axes only.

On the clock every agent decides when its turn opens and is on its own until its next one, as with macro-actions. So
there are own axes, whose steps take as long as they take: what is paid t seconds after a turn opened is worth γ^t, and
so is the value of the next.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

import torch
from torch import Tensor

from baselines.errors import ConfigError
from baselines.learning.advantages import axis_factors, gae, joint_round_advantages
from baselines.learning.masks import padded
from baselines.rollouts.batch import Batch, Rollout, Time, Turn


@dataclass(frozen=True, slots=True)
class Credit:
    """One row per turn of the batch, in the order of `Batch.turns()`; all (N,), or (N, A) for each of its tokens."""

    advantages: Tensor
    """The turn's own advantage."""
    joint_advantages: Tensor
    """The advantage of its round's joint action."""
    returns: Tensor
    """λ-returns: what the critic should have said."""


@dataclass(frozen=True, slots=True)
class _Axis:
    """Turns that share one time axis: their places in the batch, what each was paid, and the value after the last.

    Or tokens, which are steps in the same way.
    """

    turns: list[int]
    rewards: list[float]
    times: list[float]
    """Rounds, or on the clock seconds, when the turns opened."""
    end: float
    """When the next one would have."""
    bootstrap: float


Axis = Literal["team", "own"]

US_PER_S = 1_000_000
_CLOCK: tuple[Time, ...] = ("clock",)
_WAYS_OUT = (
    "Have the environment pay everybody the same, or train where every agent is on its own: by mappo, ippo, dr_mas or "
    "reinforce_rae, or by marft_action with --critic-input observation and --update simultaneous"
)


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
    axes = _axes(batch, bootstraps, axis, gamma)
    found = _estimated(axes, values, gamma, gae_lambda)
    return Credit(found["advantages"], found["joint"], found["returns"])


def assign_token_credit(
    batch: Batch,
    values: Sequence[Tensor],
    bootstraps: Sequence[Mapping[str, float]],
    *,
    gamma: float,
    gae_lambda: float,
    axis: Axis,
) -> Credit:
    """The same along the tokens of turns: inside a reply, as inside a round, nothing is discounted.

    What a turn was paid, its last token was paid. `values`: per turn (A,), before each of its tokens; a turn without
    tokens, such as a script's, has one step.

    Shapes: of what is returned (N, A), right-padded with 0.
    Raises: as `assign_credit`.
    """
    lengths = [len(value) for value in values]
    starts = [0, *accumulate(lengths)]
    by_token = [
        _Axis(
            turns=[step for turn in one.turns for step in range(starts[turn], starts[turn + 1])],
            rewards=[
                paid if step == lengths[turn] - 1 else 0.0
                for turn, paid in zip(one.turns, one.rewards, strict=True)
                for step in range(lengths[turn])
            ],
            times=[time for turn, time in zip(one.turns, one.times, strict=True) for _ in range(lengths[turn])],
            end=one.end,
            bootstrap=one.bootstrap,
        )
        for one in _axes(batch, bootstraps, axis, gamma)
    ]
    found = _estimated(by_token, torch.cat(list(values)), gamma, gae_lambda)
    advantages, joint, returns = (
        padded(torch.split(found[name], lengths)) for name in ("advantages", "joint", "returns")
    )
    return Credit(advantages, joint, returns)


def _axes(batch: Batch, bootstraps: Sequence[Mapping[str, float]], axis: Axis, gamma: float) -> list[_Axis]:
    axes: list[_Axis] = []
    start = 0
    for rollout, next_values in zip(batch.rollouts, bootstraps, strict=True):
        ends = dict.fromkeys(rollout.agents, 0.0) if rollout.terminated else next_values
        if axis == "team" and rollout.time == "rounds":
            axes.append(_team_axis(rollout, start, ends))
        elif rollout.time == "clock":
            axes += _clock_axes(rollout, start, ends, gamma)
        else:
            axes += _own_axes(rollout, start, ends)
        start += len(rollout.turns)
    return axes


def _estimated(axes: Sequence[_Axis], values: Tensor, gamma: float, gae_lambda: float) -> dict[str, Tensor]:
    """Advantages, joint ones and λ-returns of all steps, each (M,)."""
    longest = max(len(one.turns) for one in axes)
    lengths = torch.tensor([len(one.turns) for one in axes])
    rewards = _padded([one.rewards for one in axes], longest)
    times = _padded([one.times for one in axes], longest)
    path = torch.zeros(len(axes), longest + 1)
    for row, one in enumerate(axes):
        path[row, : len(one.turns)] = values[one.turns]
        path[row, len(one.turns)] = one.bootstrap
    ends_of_axes = torch.tensor([one.end for one in axes])
    factors = axis_factors(times, gamma, gae_lambda, lengths, ends_of_axes)
    estimate = gae(rewards, path, factors.discounts, factors.lams, lengths)
    tables = {
        "advantages": estimate.advantages,
        "joint": joint_round_advantages(estimate.advantages, times, lengths),
        "returns": estimate.returns,
    }
    flat = {name: torch.zeros(len(values)) for name in tables}
    for row, one in enumerate(axes):
        for name, table in tables.items():
            flat[name][one.turns] = table[row, : len(one.turns)]
    return flat


def returns_to_go(batch: Batch, gamma: float, axis: Axis) -> Tensor:
    """What was paid from each turn on, discounted as advantages are, (N,).

    On the team axis it is what the team was paid from the beginning of the turn's round, on an own axis what the turn's
    agent was paid from its turn.

    Raises: `ConfigError` if the axis is the team's, and agents were paid differently.
    """
    nothing: list[dict[str, float]] = [dict.fromkeys(rollout.agents, 0.0) for rollout in batch.rollouts]
    num_turns = sum(len(rollout.turns) for rollout in batch.rollouts)
    credit = assign_credit(batch, torch.zeros(num_turns), nothing, gamma=gamma, gae_lambda=1.0, axis=axis)
    return credit.joint_advantages if axis == "team" else credit.advantages


def require_team_reward(batch: Batch, times: Collection[Time] = _CLOCK) -> None:
    """Raises: `ConfigError` if agents were paid differently: then no joint action has one advantage.

    `times`: kinds of time, besides rounds, in which that is wanted.
    """
    for rollout in batch.rollouts:
        if rollout.time == "rounds":
            for turn in rollout.turns:
                _team_reward(rollout, turn)
        elif len(set(rollout.returns.values())) > 1 and rollout.time in times:
            raise ConfigError(
                f"agents were paid differently ({rollout.returns}), but what learns as a team needs one reward. "
                f"{_WAYS_OUT}"
            )


def _team_reward(rollout: Rollout, turn: Turn) -> float:
    paid = {turn.rewards.get(agent, 0.0) for agent in rollout.agents}
    if len(paid) > 1:
        raise ConfigError(
            f"agents were paid differently in round {turn.round} ({turn.rewards}), but a team's advantage needs one "
            f"team reward. {_WAYS_OUT}"
        )
    return paid.pop()


def _team_axis(rollout: Rollout, start: int, next_values: Mapping[str, float]) -> _Axis:
    return _Axis(
        turns=list(range(start, start + len(rollout.turns))),
        rewards=[_team_reward(rollout, turn) for turn in rollout.turns],
        times=[turn.round for turn in rollout.turns],
        end=rollout.turns[-1].round + 1,
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
        has_rounds = rollout.time == "rounds"
        times: list[float] = (
            [rollout.turns[position].round for position in own] if has_rounds else list(range(len(own)))
        )
        end = (rollout.turns[-1].round if has_rounds else times[-1]) + 1
        turns = [start + position for position in own]
        axes.append(_Axis(turns, rewards, times, end, next_values.get(agent, 0.0)))
    return axes


def _clock_axes(rollout: Rollout, start: int, next_values: Mapping[str, float], gamma: float) -> list[_Axis]:
    """Each agent's turns, as long as they take; what is paid before an agent's first turn is nobody's merit."""
    axes = []
    for agent in rollout.agents:
        own = [position for position, turn in enumerate(rollout.turns) if turn.agent == agent]
        if not own:
            continue
        opened_us = [rollout.turns[position].start_us for position in own]
        rewards = [
            sum(
                amount * gamma ** ((time_us - begin_us) / US_PER_S)
                for time_us, paid, amount in rollout.payments
                if paid == agent and begin_us < time_us <= end_us
            )
            for begin_us, end_us in zip(opened_us, [*opened_us[1:], rollout.end_us], strict=True)
        ]
        times = [time_us / US_PER_S for time_us in opened_us]
        turns = [start + position for position in own]
        axes.append(_Axis(turns, rewards, times, rollout.end_us / US_PER_S, next_values.get(agent, 0.0)))
    return axes


def predecessors_in(batch: Batch) -> Tensor | None:
    """On the clock, (M, 2): pairs of a turn and one that its agent heard of in it, which it answers; else None."""
    if not any(rollout.time == "clock" for rollout in batch.rollouts):
        return None
    pairs = []
    start = 0
    for rollout in batch.rollouts:
        pairs += [
            (start + place, start + parent) for place, turn in enumerate(rollout.turns) for parent in turn.parents
        ]
        start += len(rollout.turns)
    return torch.tensor(pairs, dtype=torch.long).reshape(-1, 2)


def _padded(rows: Sequence[Sequence[float]], width: int) -> Tensor:
    """Rows as one tensor (len(rows), width), each filled up with its last entry (rounds must not fall)."""
    return torch.tensor([[*row, *[row[-1]] * (width - len(row))] for row in rows], dtype=torch.float32)
