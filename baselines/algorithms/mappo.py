"""MAPPO: every agent by itself with PPO, its values read from the whole state.

| | |
|---|---|
| axis | every agent's own turns |
| critic | of the state |
| update | all agents at once |
| one action | a reply |
| reward | to each its own |

Agents learn at once, from the same snapshot of the team. An agent's advantages lie on its own time axis: what it was
paid from one of its turns up to the next is its own merit, and its value is bootstrapped from its own next turn:
`δ_t = r_t + γ^n V_{t+1} - V_t` and `A_t = δ_t + (γ λ)^n A_{t+1}` over its turns t, n rounds apart. The critic is
central: it reads everything decided so far, private views of others included. Then clipped PPO: the mean of
`min(ρ A, clip(ρ, 1 - ε, 1 + ε) A)` over an agent's replies is maximised, ρ being the reply's ratio new/old.

Source: MAPPO, arXiv 2103.01955; PPO, arXiv 1707.06347.

Deviates:

- A whole reply is one action, as in `marft_action`, so that only axis and update differ.
- The critic's trunk is the frozen base with adapters off (`policies/critic.py`), which costs no memory of its own; one
  head serves all agents, and reads behind the state who is about to act.
- Values are not normalised by default (`--normalise-values`): returns of our tasks lie between 0 and 1.
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
    """Settings of MAPPO. Every field is an option of `marft train mappo`."""

    ratio: Literal["sum", "token"] = "sum"
    """A reply's log-probability: of the whole reply, or the mean over its tokens (wants a far smaller clip_coef)."""


class Mappo(TeamLearner):
    """The learner: a team, its critic and their optimisers."""

    values: Values

    def __init__(self, config: Config, team: Team) -> None:
        self.config = config
        self.policies = Policies(config, team, steps=config.ratio)
        super().__init__(team, self.policies.optimizers, Values(config, team, "state", names_agents=True))

    def learn(self, batch: Batch, *, iteration: int, status: Status) -> Metrics:
        """Update the critic and, unless it is still warming up, every agent; returns what to log."""
        status("reading values")
        credit, metrics = self.values.credit(batch, "own")
        if iteration < self.config.critic_warmup:
            return metrics | {"policy/skipped": "critic warm-up"}
        return metrics | self.policies.update(batch, credit.advantages, iteration=iteration, status=status)


def train(config: Config, *, resume_from: ResumePoint | None = None, quiet: bool = False) -> Summary:
    """Train a team by MAPPO; see `train_team`."""
    return train_team(config, Mappo, "MAPPO", resume_from=resume_from, quiet=quiet)
