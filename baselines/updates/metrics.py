"""What the numbers that runs log mean, by the part of the settings that makes a run log them.

In names, `{agent}` stands for an agent, `{adapter}` for an adapter (the agent that has it, or `team` where all share
one), `{level}` for a level of difficulty, `{role}` for a role. Algorithms that log more say so in a `METRICS` of their
own.
"""

from collections.abc import Mapping

from baselines.runs.experiment import ExperimentConfig, RunConfig
from baselines.updates.config import CriticConfig, OptimizerConfig, PolicyConfig

METRICS: Mapping[type[RunConfig], Mapping[str, str]] = {
    RunConfig: {
        "train/return": "mean over episodes of the team's undiscounted return, as it was played, at temperature T",
        "train/return/{level}": "the same, of the episodes at one level",
        "train/level": "level that the curriculum has reached",
        "train/episodes": "episodes of the iteration",
        "train/turns": "turns in them, of scripts too",
        "{agent}/return": "mean of the agent's own undiscounted return",
        "time/collect_s": "seconds of wall time that episodes took",
        "time/learn_s": "seconds of wall time that learning took",
    },
    ExperimentConfig: {
        "train/tokens_out": (
            "tokens of all replies that were written for the iteration, their ends included, also of branches that are "
            "only played on: what `--token-limit` counts"
        ),
        "train/lost_workers": "with --workers, those lost since the last iteration was logged, in evaluations too",
        "train/replayed_episodes": "episodes that another worker had to play for that reason",
    },
    OptimizerConfig: {
        "{adapter}/loss": "what is minimised, mean over optimiser steps",
        "{adapter}/grad_norm": "norm of the gradient before it is clipped, mean over optimiser steps",
        "{adapter}/updates": "optimiser steps",
        "{adapter}/tokens_in": "tokens of all prompts",
        "{adapter}/tokens_out": "tokens of all replies, their ends included",
    },
    PolicyConfig: {
        "{adapter}/kl": (
            "how far actions have moved from where they were sampled, in nats per action (k3 estimate), mean over "
            "optimiser steps, each looked at before it is made: of a single step it is 0"
        ),
        "{adapter}/clip_fraction": "share of actions whose ratio lies outside the clip range, likewise",
        "{adapter}/entropy": "mean entropy of a token's distribution at temperature T, in nats: how much is explored",
        "{adapter}/advantage_std": "standard deviation of the advantages as they came: at 0 there is nothing to learn",
        "{adapter}/grad_share": "the adapter's share in the sum of all gradient norms",
        "{adapter}/skipped_updates": "optimiser steps that were planned and not made",
        "{adapter}/stop_reason": "why they were not",
        "{adapter}/drift_max": "largest difference between sampler's and trainer's log-probability of a token, in nats",
        "{adapter}/drift_mean": "its mean, of absolute values",
        "{adapter}/drift_share": "share of tokens whose probability is off by more than 5 %",
        "{adapter}/sampler_weight": "mean weight of an action under --max-sampler-ratio",
        "{adapter}/reference_kl": "divergence from the untrained base in nats per token, under --reference-kl-coef",
        "{adapter}/predecessor_ess": (
            "effective sample size under the ratios of agents already updated, as a share of the turns; 1 where there "
            "are none"
        ),
        "{adapter}/predecessor_clamped": "share of turns whose ratio of agents already updated was clamped",
    },
    CriticConfig: {
        "critic/loss": "Huber loss of the last step of the fit",
        "critic/explained_variance": (
            "1 - Var(returns - values) / Var(returns), before the fit: 1 is perfect, 0 no better than a constant; none "
            "where returns do not vary"
        ),
        "critic/value_mean": "mean value before the fit",
        "policy/skipped": "why no policy was updated in this iteration, if none was",
    },
}
