"""MARFT-A: multi-agent reinforcement fine-tuning with a whole reply as one action.

| | |
|---|---|
| axis | the team's turns in acting order |
| critic | of the state; of observations by `--critic-input observation`, then on every agent's own axis |
| update | one agent after another; all at once by `--update simultaneous` |
| one action | a reply |
| reward | one for the team |

Every agent of a team is fine-tuned with clipped PPO on one team reward. One iteration:

1. *Collect* episodes with the current team at temperature T, all ready agents of all environment copies in one batch.
2. *Credit*: values V of a state critic, generalised advantages along the team's turns, k = 0, 1, … in acting order:
   `δ_k = r_k + d_k V_{k+1} - V_k` and `A_k = δ_k + d_k λ_k A_{k+1}`, where `d_k = γ` and `λ_k = λ` at the end of a
   round, and both are 1 inside it.
3. *Critic*: fit the head to the λ-returns `A_k + V_k`.
4. *Agents, one after another*: maximise the mean of `min(ρ w A, clip(ρ, 1 - ε, 1 + ε) w A)` over an agent's replies,
   where ρ is the reply's ratio new/old, and w the product of the ratios of those already updated that acted in its
   round (`learning/sequential.py`); stopped early when the agent has moved `target_kl` from where it was.

Source: MARFT, arXiv 2504.16129 (action level); PPO, arXiv 1707.06347; sequential updates, HAPPO, arXiv 2109.11251, and
A2PO, arXiv 2302.06205.

Deviates from the reference implementation:

- Predecessor ratios, where it only rotates through the agents. They are clamped, in which it deviates from HAPPO, too:
  one long reply could outweigh a batch.
- No discount per agent hop: the number of agents is no hidden discount.
- The sampler is the policy (whole vocabulary, one temperature), where it samples from the top 50.
- The end-of-sequence token is trained: or agents never learn to stop.
- Truncated episodes can be bootstrapped; by default the horizon is the end, since the return within it is reported.
"""

from dataclasses import dataclass
from typing import Literal

from baselines.policies.team import Team
from baselines.rollouts.batch import Batch
from baselines.rollouts.credit import require_team_reward
from baselines.runs.experiment import Metrics, Status
from baselines.runs.resume_point import ResumePoint
from baselines.runs.summary import Summary
from baselines.training import train_team
from baselines.updates.config import CriticConfig, SequentialConfig
from baselines.updates.learner import TeamLearner
from baselines.updates.policies import Policies
from baselines.updates.values import Values


@dataclass
class Config(CriticConfig, SequentialConfig):
    """Settings of MARFT-A. Every field is an option of `marft train`."""

    critic_input: Literal["state", "observation"] = "state"
    """What values are read from: everything decided so far, as the untrained base reads it; or what the acting agent
    sees, as its own policy reads it when it samples, so that only what would follow a cut episode is read for it."""
    ratio: Literal["sum", "token"] = "sum"
    """A reply's log-probability: of the whole reply, or the mean over its tokens (wants a far smaller clip_coef)."""

    @property
    def reads_final_prompts(self) -> bool:
        return self.critic_input == "observation" and self.bootstraps


class MarftAction(TeamLearner):
    """The learner: a team, its critic and their optimisers."""

    values: Values

    def __init__(self, config: Config, team: Team) -> None:
        self.config = config
        sequential = config if config.update == "sequential" else None
        self.policies = Policies(config, team, steps=config.ratio, sequential=sequential)
        super().__init__(team, self.policies.optimizers, Values(config, team, config.critic_input))

    def learn(self, batch: Batch, *, iteration: int, status: Status) -> Metrics:
        """Update the critic and, unless it is still warming up, every agent; returns what to log."""
        config = self.config
        if config.update == "sequential":
            require_team_reward(batch)
        status("reading values")
        credit, metrics = self.values.credit(batch, "team" if config.critic_input == "state" else "own")
        if iteration < config.critic_warmup:
            return metrics | {"policy/skipped": "critic warm-up"}
        return metrics | self.policies.update(
            batch, credit.advantages, credit.joint_advantages, iteration=iteration, status=status
        )


def train(config: Config, *, resume_from: ResumePoint | None = None, quiet: bool = False) -> Summary:
    """Train a team by MARFT-A; see `train_team`."""
    return train_team(config, MarftAction, "MARFT-A", resume_from=resume_from, quiet=quiet)
