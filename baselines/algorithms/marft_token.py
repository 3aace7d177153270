"""MARFT-T: multi-agent reinforcement fine-tuning with every token as an action.

| | |
|---|---|
| axis | the team's tokens in acting order |
| critic | of the state, and of what was said of the reply so far |
| update | one agent after another; all at once by `--update simultaneous` |
| one action | a token |
| reward | one for the team |

As `marft_action`, one token at a time. A critic values the state before each token. Generalised advantages run along
the tokens of a team, across its agents: `δ_k = r_k + d_k V_{k+1} - V_k` and `A_k = δ_k + d_k λ_k A_{k+1}`, where
discount and λ are paid at the end of a round alone. Inside a reply, as inside a round, both are 1, so the first token
of a long reply hears of a final reward unshrunk; what a turn was paid, its last token was paid. Each token has a ratio
of its own, which is clipped by itself, and an average is taken over all tokens of a minibatch.

Agents are updated one after another. What an updated agent means for the next one's tokens is the ratio of its replies,
the product over all their tokens (`learning/sequential.py`).

Source: MARFT, arXiv 2504.16129 (token level); PPO, arXiv 1707.06347; sequential updates, HAPPO, arXiv 2109.11251.

Deviates from the reference implementation:

- No discount per token and agent hop: there a reward of 1 reaches the first of 512 tokens as `0.99^512 = 0.006`.
- Predecessor ratios, where it only rotates through the agents; they are clamped.
- The sampler is the policy, and the end-of-sequence token is trained.
- A turn without tokens, such as a script's, is one step.
"""

from dataclasses import dataclass

import torch

from baselines.policies.team import Team
from baselines.rollouts.batch import Batch
from baselines.rollouts.credit import assign_token_credit, require_team_reward
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
    """Settings of MARFT-T. Every field is an option of `marft train marft_token`."""

    target_kl: float | None = 0.1
    """An agent's update ends once its tokens have moved so far (k3 estimate, nats per token)."""


class MarftToken(TeamLearner):
    """The learner: a team, its critic and their optimisers."""

    values: Values

    def __init__(self, config: Config, team: Team) -> None:
        self.config = config
        sequential = config if config.update == "sequential" else None
        self.policies = Policies(config, team, steps="each", sequential=sequential)
        super().__init__(team, self.policies.optimizers, Values(config, team, "state"))

    def learn(self, batch: Batch, *, iteration: int, status: Status) -> Metrics:
        """Update the critic and, unless it is still warming up, every agent; returns what to log."""
        config = self.config
        status("reading values")
        reading, lengths = self.values.read_tokens(batch)
        credit = assign_token_credit(
            batch,
            torch.split(reading.values, lengths),
            reading.after,
            gamma=config.gamma,
            gae_lambda=config.gae_lambda,
            axis="team",
        )
        if config.update == "sequential":
            require_team_reward(batch)
        returns = torch.cat([row[:length] for row, length in zip(credit.returns, lengths, strict=True)])
        metrics = self.values.fit(reading, returns)
        if iteration < config.critic_warmup:
            return metrics | {"policy/skipped": "critic warm-up"}
        return metrics | self.policies.update(
            batch, credit.advantages, credit.joint_advantages, iteration=iteration, status=status
        )


def train(config: Config, *, resume_from: ResumePoint | None = None, quiet: bool = False) -> Summary:
    """Train a team by MARFT-T; see `train_team`."""
    return train_team(config, MarftToken, "MARFT-T", resume_from=resume_from, quiet=quiet)
