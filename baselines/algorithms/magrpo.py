"""MAGRPO: agents learn at once from a team's return beside that of other plays of the same instance.

| | |
|---|---|
| axis | group: instance and round |
| critic | none |
| update | all agents at once, a single step |
| one action | a reply |
| reward | one for the team |

The joint return from a round on, `G = Σ γ^t r_t`, is compared with its mean over all plays of the instance that came to
this round, and the difference `A = G - mean(G)` is the advantage of everybody who acted in it. Every reply is weighted
by it once, by the gradient of `A · log π(reply)`: one pass, no ratios to clip, nothing divided by a standard deviation.
Groups whose returns are all alike teach nothing, and are counted.

Source: MAGRPO, arXiv 2508.04652; its group baseline is that of GRPO, arXiv 2402.03300, without the division, as in Dr.
GRPO, arXiv 2503.20783.

Deviates:

- Adapters, where the original trains whole models.
- A minibatch holds many instances, where the original steps once for each.
- A round's group are plays that each went their own way before it, where the original branches every turn into all
  continuations: a tree of generations whose size is exponential in the turns.
"""

from dataclasses import dataclass

from baselines.errors import ConfigError
from baselines.learning.groups import group_advantages
from baselines.policies.team import Team
from baselines.rollouts.batch import Batch
from baselines.rollouts.credit import require_team_reward, returns_to_go
from baselines.runs.experiment import Metrics, Status
from baselines.runs.resume_point import ResumePoint
from baselines.runs.summary import Summary
from baselines.training import train_team
from baselines.updates.config import SingleStepConfig
from baselines.updates.groups import GROUP_METRICS, joint_actions, require_groups
from baselines.updates.learner import TeamLearner
from baselines.updates.policies import Policies

METRICS = GROUP_METRICS
"""What is logged besides what all policy updates log."""


@dataclass
class Config(SingleStepConfig):
    """Settings of MAGRPO. Every field is an option of `marft train magrpo`."""

    gamma: float = 0.99
    """Discount per round; on the clock, per simulated second."""

    def check(self) -> None:
        super().check()
        if not 0 <= self.gamma <= 1:
            raise ConfigError(f"gamma is {self.gamma}; it must lie in [0, 1]")
        require_groups(self)


class Magrpo(TeamLearner):
    """The learner: a team and its optimisers."""

    def __init__(self, config: Config, team: Team) -> None:
        self.config = config
        self.policies = Policies(config, team, steps="sum")
        super().__init__(team, self.policies.optimizers)

    def learn(self, batch: Batch, *, iteration: int, status: Status) -> Metrics:
        """Update every agent; returns what to log."""
        require_team_reward(batch, ("clock", "turns"))
        returns = returns_to_go(batch, self.config.gamma, "team")
        joint = joint_actions(batch)
        found = group_advantages(returns[joint.first], joint.groups, divides=False)
        metrics: Metrics = {"groups": found.num_groups, "groups_flat": found.num_flat}
        advantages = found.advantages[joint.of_turn]
        return metrics | self.policies.update(batch, advantages, iteration=iteration, status=status)


def train(config: Config, *, resume_from: ResumePoint | None = None, quiet: bool = False) -> Summary:
    """Train a team by MAGRPO; see `train_team`."""
    return train_team(config, Magrpo, "MAGRPO", resume_from=resume_from, quiet=quiet)
