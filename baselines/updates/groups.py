"""Which turns of a batch are compared with each other: those of plays of the same instance."""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from baselines.errors import ConfigError
from baselines.rollouts.batch import Batch, Rollout
from baselines.runs.experiment import ExperimentConfig

GROUP_METRICS = {
    "groups": "groups of plays that are compared with each other",
    "groups_flat": "groups whose returns are all alike, so that nothing is learnt from them",
}
"""What algorithms log that compare plays of an instance."""


@dataclass(frozen=True, slots=True)
class JointActions:
    """The joint actions of a batch: the rounds of its episodes, or single turns in environments without rounds."""

    first: Tensor
    """(J,): the first turn of each, by its place in `Batch.turns()`."""
    of_turn: Tensor
    """(N,): the joint action that each turn is part of."""
    groups: Tensor
    """(J,): equal for those that are compared: of the same instance and the same round; without rounds, of the same
    agent, whose turn it is as many times."""


def joint_actions(batch: Batch) -> JointActions:
    """Whoever acts in the same round of an episode acts together."""
    first: dict[Hashable, int] = {}
    compared: dict[Hashable, Hashable] = {}
    of_turn: list[Hashable] = []
    for number, rollout in enumerate(batch.rollouts):
        for when in _times(rollout):
            first.setdefault((number, when), len(of_turn))
            compared.setdefault((number, when), (rollout.instance, when))
            of_turn.append((number, when))
    return JointActions(
        first=torch.tensor(list(first.values())),
        of_turn=numbered(of_turn),
        groups=numbered(compared.values()),
    )


def _times(rollout: Rollout) -> Iterator[Hashable]:
    """What each turn shares with those that it belongs together with."""
    acted: dict[str, int] = {}
    for turn in rollout.turns:
        acted[turn.agent] = acted.get(turn.agent, 0) + 1
        yield turn.round if rollout.time == "rounds" else (turn.agent, acted[turn.agent])


def numbered(keys: Iterable[Hashable]) -> Tensor:
    """A number for each key, the same for equal ones, in the order of their first appearance."""
    numbers: dict[Hashable, int] = {}
    return torch.tensor([numbers.setdefault(key, len(numbers)) for key in keys], dtype=torch.long)


def require_groups(config: ExperimentConfig) -> None:
    """Raises: `ConfigError` where every group would have one member, beside which nothing can be told."""
    if config.samples_per_instance < 2:  # noqa: PLR2004  # one and another to compare it with
        raise ConfigError(
            f"samples_per_instance is {config.samples_per_instance}; plays of an instance are compared with each "
            "other, so there must be at least 2"
        )
    if config.episodes_per_iteration % config.samples_per_instance:
        raise ConfigError(
            f"episodes_per_iteration is {config.episodes_per_iteration}, which is no multiple of samples_per_instance, "
            f"{config.samples_per_instance}; the last instance would have fewer plays than the others"
        )
