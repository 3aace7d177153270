"""REINFORCE with role-conditioned advantages: each role is measured by what it has earned lately.

| | |
|---|---|
| axis | an agent's episode |
| critic | none; a moving average for each role |
| update | all agents at once, a single step |
| one action | a reply |
| reward | to each its own |

A role's baseline, at each level of difficulty, is a moving average of its returns, `b ← α b + (1 - α) R`, moved by
every episode before it is used. What an episode earned the role beyond it, `A = R - b`, is the advantage of all its
turns there, each weighted once by the gradient of `A · log π(reply)`. As every role has its own baseline, agents with
opposed interests, of whom one always earns what another loses, all have something to learn from.

Source: SPIRAL, arXiv 2506.24119, section on role-conditioned advantage estimation, with its decay α of 0.95; REINFORCE,
Williams, 1992.

Deviates:

- Adapters in place of one whole model that plays all roles; `--adapters shared` has one for all.
- Agents of a role share its baseline.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from baselines.errors import CheckpointError, ConfigError
from baselines.policies.team import Team
from baselines.rollouts.batch import Batch
from baselines.runs.experiment import Metrics, Status
from baselines.runs.resume_point import ResumePoint
from baselines.runs.summary import Summary
from baselines.training import train_team
from baselines.updates.config import SingleStepConfig
from baselines.updates.learner import TeamLearner
from baselines.updates.policies import Policies

BASELINES = "baselines.json"
METRICS = {
    "baseline/{level}/{role}": "moving average of the role's returns at a level; `all` where there are no levels"
}
"""What is logged besides what all policy updates log."""


@dataclass
class Config(SingleStepConfig):
    """Settings of REINFORCE with RAE. Every field is an option of `marft train reinforce_rae`."""

    baseline_decay: float = 0.95
    """How much of a role's baseline remains at each new return, in [0, 1)."""

    def check(self) -> None:
        super().check()
        if not 0 <= self.baseline_decay < 1:
            raise ConfigError(f"baseline_decay is {self.baseline_decay}; it must lie in [0, 1)")


class ReinforceRae(TeamLearner):
    """The learner: a team, its optimisers, and what each role has earned lately."""

    def __init__(self, config: Config, team: Team) -> None:
        self.config = config
        self.baselines: dict[str, float] = {}
        """Level and role -> moving average of returns."""
        self.policies = Policies(config, team, steps="sum")
        super().__init__(team, self.policies.optimizers)

    def learn(self, batch: Batch, *, iteration: int, status: Status) -> Metrics:
        """Update every agent; returns what to log."""
        advantages = self.advantages(batch)
        metrics: Metrics = {f"baseline/{name}": value for name, value in self.baselines.items()}
        return metrics | self.policies.update(batch, advantages, iteration=iteration, status=status)

    def advantages(self, batch: Batch) -> Tensor:
        """What each turn's agent earned in its episode beyond its role's baseline, (N,); the baselines move along."""
        decay = self.config.baseline_decay
        found: list[float] = []
        for rollout in batch.rollouts:
            beyond: dict[str, float] = {}
            for agent, earned in rollout.returns.items():
                name = f"{rollout.level or 'all'}/{agent.rpartition('_')[0] or agent}"
                self.baselines[name] = decay * self.baselines.get(name, 0.0) + (1 - decay) * earned
                beyond[agent] = earned - self.baselines[name]
            found += [beyond[turn.agent] for turn in rollout.turns]
        return torch.tensor(found)

    def save(self, folder: Path) -> None:
        super().save(folder)
        (folder / BASELINES).write_text(json.dumps(self.baselines, indent=1) + "\n", encoding="utf-8")

    def load(self, folder: Path) -> None:
        super().load(folder)
        try:
            read = json.loads((folder / BASELINES).read_bytes())
            self.baselines = {str(name): float(value) for name, value in read.items()}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"cannot read the baselines {folder / BASELINES}: {error!r}; go on from another checkpoint"
            ) from error


def train(config: Config, *, resume_from: ResumePoint | None = None, quiet: bool = False) -> Summary:
    """Train a team by REINFORCE with role-conditioned advantages; see `train_team`."""
    return train_team(config, ReinforceRae, "REINFORCE with RAE", resume_from=resume_from, quiet=quiet)
