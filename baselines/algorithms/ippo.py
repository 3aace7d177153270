"""IPPO: every agent by itself with PPO, its values read from what it sees.

| | |
|---|---|
| axis | every agent's own turns |
| critic | of observations |
| update | all agents at once |
| one action | a reply |
| reward | to each its own |

As `mappo`, but nothing is central: an agent's critic reads its own observation, through the agent's own policy, whose
hidden state is at hand when it samples. To each agent the others are part of its environment. Advantages and updates
are those of `mappo`: `δ_t = r_t + γ^n V_{t+1} - V_t` and `A_t = δ_t + (γ λ)^n A_{t+1}` over an agent's turns t, n
rounds apart, then the clipped surrogate.

Source: IPPO, arXiv 2011.09533; PPO, arXiv 1707.06347.

Deviates:

- A whole reply is one action, as in `marft_action`, so that only axis, critic and update differ.
- One value head serves all agents; what it reads is each one's own.
- The critic's trunk is the policy of the iteration, which the critic does not train: its gradient would move the
  adapter, and what the policy read would be lost.
"""

from dataclasses import dataclass
from typing import Literal

from baselines.policies.team import Team
from baselines.rollouts.batch import Batch
from baselines.runs.experiment import Metrics, Status
from baselines.runs.resume_point import ResumePoint
from baselines.runs.summary import Summary
from baselines.training import train_team
from baselines.updates.config import CriticConfig, PolicyConfig
from baselines.updates.learner import TeamLearner
from baselines.updates.policies import Policies
from baselines.updates.values import Values


@dataclass
class Config(CriticConfig, PolicyConfig):
    """Settings of IPPO. Every field is an option of `marft train ippo`."""

    ratio: Literal["sum", "token"] = "sum"
    """A reply's log-probability: of the whole reply, or the mean over its tokens (wants a far smaller clip_coef)."""

    @property
    def reads_final_prompts(self) -> bool:
        return self.bootstraps


class Ippo(TeamLearner):
    """The learner: a team, its critic and their optimisers."""

    values: Values

    def __init__(self, config: Config, team: Team) -> None:
        self.config = config
        self.policies = Policies(config, team, steps=config.ratio)
        super().__init__(team, self.policies.optimizers, Values(config, team, "observation"))

    def learn(self, batch: Batch, *, iteration: int, status: Status) -> Metrics:
        """Update the critic and, unless it is still warming up, every agent; returns what to log."""
        status("reading values")
        credit, metrics = self.values.credit(batch, "own")
        if iteration < self.config.critic_warmup:
            return metrics | {"policy/skipped": "critic warm-up"}
        return metrics | self.policies.update(batch, credit.advantages, iteration=iteration, status=status)


def train(config: Config, *, resume_from: ResumePoint | None = None, quiet: bool = False) -> Summary:
    """Train a team by IPPO; see `train_team`."""
    return train_team(config, Ippo, "IPPO", resume_from=resume_from, quiet=quiet)
