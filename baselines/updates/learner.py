"""What the learners of most algorithms are made of: a team, its optimisers, perhaps a critic, and how all is saved."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from baselines.policies.team import Team
from baselines.runs.training_state import load_generators, load_optimizers, save_generators, save_optimizers
from baselines.updates.optimizers import AdapterOptimizers
from baselines.updates.values import Values


class TeamLearner:
    """A team that learns along gradients. An algorithm adds `learn`."""

    def __init__(self, team: Team, optimizers: AdapterOptimizers, values: Values | None = None) -> None:
        self.team = team
        self.optimizers = optimizers
        self.values = values

    def weights(self) -> Iterator[Tensor]:
        """What several processes must hold alike: adapters and critic."""
        for adapter in self.team.blocks:
            yield from self.team.parameters(adapter)
        if self.values is not None:
            yield from self.values.weights()

    def save(self, folder: Path) -> None:
        """Everything that an update changes: adapters, critic, their optimisers, the generators."""
        self.team.save_adapters(folder)
        if self.values is not None:
            self.values.save(folder)
        save_optimizers(folder, self._named_optimizers)
        save_generators(folder, {"updates": self.optimizers.rng}, self.team.device)

    def load(self, folder: Path) -> None:
        """Take it all back, so that the next update is the one that would have come.

        Raises: `CheckpointError`.
        """
        self.team.load_adapters(folder)
        if self.values is not None:
            self.values.load(folder)
        load_optimizers(folder, self._named_optimizers)
        load_generators(folder, {"updates": self.optimizers.rng}, self.team.device)

    @property
    def _named_optimizers(self) -> dict[str, torch.optim.Optimizer]:
        critic = {} if self.values is None else self.values.named_optimizers
        return {**critic, **{f"adapter/{name}": one for name, one in self.optimizers.by_adapter.items()}}
