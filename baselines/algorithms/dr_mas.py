"""Dr. MAS: GRPO for teams, every agent measured by its own statistics.

| | |
|---|---|
| axis | group: instance and agent |
| critic | none |
| update | all agents at once |
| one action | a token |
| reward | to each its own |

All plays of an instance are a group, and in it each agent k has a mean and a standard deviation of its own, over all of
its turns there: `A = (R - μ_k) / σ_k`, R being the return of the turn's episode. Whoever acts more often in plays that
went well counts them more often. The advantage is the same for each token of a reply, whose ratios are clipped one by
one: the mean of `min(ρ A, clip(ρ, 1 - ε, 1 + ε) A)` over all tokens is maximised. Groups whose returns are all alike
teach nothing, and are counted.

Source: Dr. MAS, arXiv 2602.08847, equation 5; GRPO, arXiv 2402.03300.

Deviates:

- No divergence from a reference model is charged by default (`--reference-kl-coef`).
- Adapters in place of whole models.
- The average is taken over all tokens of a minibatch, so that a long reply weighs as much as its tokens.
"""

from dataclasses import dataclass

import torch

from baselines.learning.groups import group_advantages
from baselines.policies.team import Team
from baselines.rollouts.batch import Batch
from baselines.runs.experiment import Metrics, Status
from baselines.runs.resume_point import ResumePoint
from baselines.runs.summary import Summary
from baselines.training import train_team
from baselines.updates.config import PolicyConfig
from baselines.updates.groups import GROUP_METRICS, numbered, require_groups
from baselines.updates.learner import TeamLearner
from baselines.updates.policies import Policies

METRICS = GROUP_METRICS
"""What is logged besides what all policy updates log."""


@dataclass
class Config(PolicyConfig):
    """Settings of Dr. MAS. Every field is an option of `marft train dr_mas`."""

    target_kl: float | None = 0.1
    """An agent's update ends once its tokens have moved so far (k3 estimate, nats per token)."""
    ent_coef: float = 0.0
    """Weight of the mean token entropy in the objective; the original has none."""
    normalise_advantages: bool = False
    """Zero mean and unit variance per agent over the whole batch, besides that in each group."""

    def check(self) -> None:
        super().check()
        require_groups(self)


class DrMas(TeamLearner):
    """The learner: a team and its optimisers."""

    def __init__(self, config: Config, team: Team) -> None:
        self.config = config
        self.policies = Policies(config, team, steps="each")
        super().__init__(team, self.policies.optimizers)

    def learn(self, batch: Batch, *, iteration: int, status: Status) -> Metrics:
        """Update every agent; returns what to log."""
        trained = self.team.trained_agents
        turns = [(rollout, turn.agent) for rollout in batch.rollouts for turn in rollout.turns]
        learning = torch.tensor([agent in trained for _, agent in turns])
        own = [(rollout, agent) for rollout, agent in turns if agent in trained]
        found = group_advantages(
            torch.tensor([rollout.returns[agent] for rollout, agent in own]),
            numbered((rollout.instance, agent) for rollout, agent in own),
            divides=True,
        )
        advantages = torch.zeros(len(turns))
        advantages[learning] = found.advantages
        metrics: Metrics = {"groups": found.num_groups, "groups_flat": found.num_flat}
        return metrics | self.policies.update(batch, advantages, iteration=iteration, status=status)


def train(config: Config, *, resume_from: ResumePoint | None = None, quiet: bool = False) -> Summary:
    """Train a team by Dr. MAS; see `train_team`."""
    return train_team(config, DrMas, "Dr. MAS", resume_from=resume_from, quiet=quiet)
