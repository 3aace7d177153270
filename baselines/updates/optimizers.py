"""The optimisers of a team's adapters: a step along a gradient, whatever it is a gradient of."""

from collections.abc import Sequence

import numpy as np
import torch

from baselines.errors import DivergedError
from baselines.learning.minibatches import minibatches
from baselines.learning.rates import annealed, num_steps, set_lr, warmup
from baselines.policies.team import Team
from baselines.updates.config import OptimizerConfig


def require_finite(what: str, value: torch.Tensor) -> None:
    """Raises: `DivergedError` if it is not a number."""
    if not bool(torch.isfinite(value.detach()).all()):
        raise DivergedError(
            f"{what} became {float(value.detach())}; no step was made of it. Begin again with smaller steps (--lr, "
            "--max-grad-norm, --target-kl), or in float32"
        )


class AdapterOptimizers:
    """An Adam for every adapter that is trained, and the generator that minibatches are drawn by."""

    def __init__(self, config: OptimizerConfig, team: Team) -> None:
        self._config = config
        self._team = team
        self.by_adapter: dict[str, torch.optim.Optimizer] = {
            adapter: torch.optim.Adam(team.parameters(adapter), lr=config.lr) for adapter in team.blocks
        }
        self.rng = np.random.default_rng(np.random.SeedSequence([config.seed, 1]))

    def lr(self, iteration: int) -> float:
        """The learning rate of an iteration, before any warm-up."""
        config = self._config
        return config.lr * (annealed(iteration, config.num_iterations) if config.anneal_lr else 1.0)

    def plan(self, instances: Sequence[str]) -> list[list[list[int]]]:
        """Epochs of minibatches of positions; what plays the same instance stays together."""
        config = self._config
        return [minibatches(instances, config.num_minibatches, self.rng) for _ in range(config.update_epochs)]

    def step(self, adapter: str, lr: float) -> float:
        """Move an adapter along the gradient that it holds, summed over processes.

        Returns the gradient's norm as it was before clipping.
        """
        config = self._config
        optimizer = self.by_adapter[adapter]
        parameters = self._team.parameters(adapter)
        self._team.ranks.sum_gradients(parameters)
        norm = torch.nn.utils.clip_grad_norm_(parameters, config.max_grad_norm)
        require_finite(f"the gradient of {adapter}", norm)
        rising = warmup(num_steps(optimizer), config.lr_warmup) if config.lr_warmup else 1.0
        set_lr(optimizer, lr * rising)
        optimizer.step()
        return float(norm)
