"""AT-GRPO: every agent's every turn is compared with other actions from the very same state.

| | |
|---|---|
| axis | group: agent and turn, by branches from one state |
| critic | none |
| update | all agents at once |
| one action | a token |
| reward | to each its own |

Plays that share an instance have gone their own ways by the second turn, so they are no group any more. Here every turn
is one: K actions are drawn from the same state, copies of the environment are played to their ends with each, and
`A = (R - mean(R)) / std(R)` over the K returns. The episode goes on with the action that came to most, so later turns
are learnt where earlier ones went well. The advantage is the same for each token of a reply, whose ratios are clipped
one by one. Groups whose returns are all alike teach nothing, and are counted.

An episode of n turns takes n K plays, most of them short: what it costs is logged as `plays`. Turns of agents that
nobody trains do not branch.

Source: AT-GRPO, arXiv 2510.11062; GRPO, arXiv 2402.03300.

Deviates:

- An action's return is what the team came to when it played on from it, where the original scores each candidate by a
  reward of its own, which environments that pay at the end do not have.
- No mixture of a team's and an agent's reward: the environment pays what it pays.
- Adapters in place of whole models.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch

from baselines.errors import ConfigError
from baselines.learning.groups import group_advantages
from baselines.policies.team import Team
from baselines.rollouts.batch import Batch
from baselines.rollouts.collect import Task
from baselines.rollouts.games import as_game
from baselines.rollouts.shares import played_together
from baselines.rollouts.tree import Tree, grow_trees
from baselines.runs.experiment import Experiment, Metrics, Status, make_env
from baselines.runs.resume_point import ResumePoint
from baselines.runs.summary import Summary
from baselines.training import train_team
from baselines.updates.config import PolicyConfig, require_at_least
from baselines.updates.learner import TeamLearner
from baselines.updates.policies import Policies

METRICS = {
    "groups": "turns whose actions were compared with each other",
    "groups_flat": "of these, where all actions came to the same, so that nothing is learnt from them",
    "plays": "branches that were played to their ends",
}
"""What is logged besides what all policy updates log."""


@dataclass
class Config(PolicyConfig):
    """Settings of AT-GRPO. Every field is an option of `marft train at_grpo`."""

    num_branches: int = 4
    """Actions that are tried at every turn."""
    episodes_per_iteration: int = 16
    """Episodes collected before each update; each takes `num_branches` plays for each of its turns."""
    samples_per_instance: int = 1
    """Episodes that begin with the same instance."""
    target_kl: float | None = 0.1
    """An agent's update ends once its tokens have moved so far (k3 estimate, nats per token)."""
    ent_coef: float = 0.0
    """Weight of the mean token entropy in the objective; the original has none."""
    normalise_advantages: bool = False
    """Zero mean and unit variance per agent over the whole batch, besides that in each group."""

    def check(self) -> None:
        super().check()
        require_at_least(self, num_branches=2)


class AtGrpo(TeamLearner):
    """The learner: a team and its optimisers."""

    def __init__(self, config: Config, team: Team) -> None:
        self.config = config
        self.policies = Policies(config, team, steps="each")
        super().__init__(team, self.policies.optimizers)

    def learn(self, batch: Batch, *, iteration: int, status: Status) -> Metrics:
        """Update every agent; returns what to log."""
        if not isinstance(batch, Tree):
            raise ConfigError("AT-GRPO learns from branches; collect by a TreeCollector")
        returns = [(number, amount) for number, branches in enumerate(batch.branches) for amount in branches.returns]
        found = group_advantages(
            torch.tensor([amount for _, amount in returns]),
            torch.tensor([number for number, _ in returns]),
            divides=True,
        )
        metrics: Metrics = {"groups": found.num_groups, "groups_flat": found.num_flat, "plays": len(returns)}
        actions = Batch(list(batch.learnt_from()))
        return metrics | self.policies.update(actions, found.advantages, iteration=iteration, status=status)


def _collect(experiment: Experiment, iteration: int, status: Status) -> Tree:
    """This iteration's trees."""
    config = experiment.config
    assert isinstance(config, Config)
    way = partial(grow_trees, num_branches=config.num_branches, agents=experiment.team.trained_agents)
    sampling = experiment.sampling(iteration)

    def grow(tasks: Sequence[Task]) -> Tree:
        return experiment.collector.collect_by(
            way, tasks, sampling, lambda done: status(f"collecting {done}/{len(tasks)} trees")
        )

    return played_together(experiment.ranks, experiment.tasks(iteration), grow)


def _rehearse(experiment: Experiment) -> None:
    """Raises: `EnvironmentKindError` if the environment cannot be copied."""
    config = experiment.config
    game = as_game(make_env(config.env_id, "train", config.env_options))
    task = experiment.tasks(0)[0]
    game.reset(task.seed, task.level)
    game.fork()


def train(config: Config, *, resume_from: ResumePoint | None = None, quiet: bool = False) -> Summary:
    """Train a team by AT-GRPO; see `train_team`."""
    return train_team(
        config, AtGrpo, "AT-GRPO", resume_from=resume_from, quiet=quiet, collect=_collect, rehearse=_rehearse
    )
