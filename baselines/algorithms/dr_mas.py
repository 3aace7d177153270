"""Dr. MAS: GRPO for teams, every agent measured by its own statistics.

No critic. All plays of an instance are a group, and in it each agent has a mean and a standard deviation of its own,
over all of its turns there: whoever acts more often in plays that went well counts them more often. A reply's advantage
is its play's return in these terms, the same for each of its tokens, whose ratios are clipped one by one.

Source: Dr. MAS, arXiv 2602.08847, equation 5; GRPO, arXiv 2402.03300.
Deviates: no divergence from a reference model is charged by default; adapters in place of whole models; an average is
taken over all tokens of a minibatch, so that a long reply weighs as much as its tokens.
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
from baselines.updates.groups import numbered, require_groups
from baselines.updates.learner import TeamLearner
from baselines.updates.policies import Policies


@dataclass
class Config(PolicyConfig):
    """Settings of Dr. MAS. Every field is an option of `marft train dr_mas`."""

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
        turns = [(rollout, turn.agent) for rollout in batch.rollouts for turn in rollout.turns]
        found = group_advantages(
            torch.tensor([rollout.returns[agent] for rollout, agent in turns]),
            numbered((rollout.instance, agent) for rollout, agent in turns),
            divides=True,
        )
        metrics: Metrics = {"groups": found.num_groups, "groups_flat": found.num_flat}
        return metrics | self.policies.update(batch, found.advantages, iteration=iteration, status=status)


def train(config: Config, *, resume_from: ResumePoint | None = None, quiet: bool = False) -> Summary:
    """Train a team by Dr. MAS; see `train_team`."""
    return train_team(config, DrMas, "Dr. MAS", resume_from=resume_from, quiet=quiet)
