"""Imitation: supervised learning of what the environment's reference writes.

| | |
|---|---|
| axis | none |
| critic | none |
| update | all agents at once |
| one action | a token |
| reward | not read |

Not reinforcement learning, but what it is compared with, and what it may begin from (`--init-from`). Every iteration
plays episodes as the reference plays them, and makes each agent's own adapter give its replies more probability: minus
the mean log-probability of a token is minimised, the end of a reply included. Where an environment does not tell what a
perfect agent would write, it is refused. What `train/return` shows here is the reference's.

Source: behaviour cloning, Pomerleau, 1989; as fine-tuning of language models, arXiv 2203.02155, section 3.

Deviates: at temperature 1, whatever temperature is played at: what is wanted is the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from baselines.policies.team import Team
from baselines.rollouts.batch import Batch, Turn
from baselines.rollouts.collect import Collector, Progress, Sampling, Task
from baselines.rollouts.demonstrate import demonstrate
from baselines.rollouts.shares import played_together
from baselines.runs.experiment import Experiment, Metrics, Status, sampling_for
from baselines.runs.resume_point import ResumePoint
from baselines.runs.summary import Summary
from baselines.training import train_team
from baselines.updates.config import OptimizerConfig
from baselines.updates.learner import TeamLearner
from baselines.updates.optimizers import AdapterOptimizers


@dataclass
class Config(OptimizerConfig):
    """Settings of imitation. Every field is an option of `marft train imitation`."""

    samples_per_instance: int = 1
    """Episodes that play the same instance: the reference plays it the same way each time."""
    curriculum: bool = False
    """Climb the environment's levels up to `level`. The reference earns at once what opens the next, so that each is
    what is mostly seen for one iteration."""


class Imitation(TeamLearner):
    """The learner: a team and its optimisers."""

    def __init__(self, config: Config, team: Team) -> None:
        self.config = config
        super().__init__(team, AdapterOptimizers(config, team))

    def learn(self, batch: Batch, *, iteration: int, status: Status) -> Metrics:
        """Give what was said more probability, agent by agent; returns what to log."""
        turns = [(turn, rollout.instance) for rollout in batch.rollouts for turn in rollout.turns]
        metrics: Metrics = {}
        for adapter, agents in self.team.blocks.items():
            own = [(turn, instance) for turn, instance in turns if turn.agent in agents]
            if own:
                status(f"updating {adapter}")
                told = self._update(adapter, *zip(*own, strict=True), lr=self.optimizers.lr(iteration))
                metrics |= {f"{adapter}/{name}": value for name, value in told.items()}
        return metrics

    def _update(self, adapter: str, turns: Sequence[Turn], instances: Sequence[str], *, lr: float) -> Metrics:
        """Gradient steps on one adapter."""
        optimizer = self.optimizers.by_adapter[adapter]
        losses: list[float] = []
        norms: list[float] = []
        for epoch in self.optimizers.plan(instances):
            for positions in epoch:
                optimizer.zero_grad()
                losses.append(self._accumulate(adapter, turns, positions))
                norms.append(self.optimizers.step(adapter, lr))
        optimizer.zero_grad()  # or every agent of the team would keep its gradients
        return {
            "loss": float(np.mean(losses)),
            "grad_norm": float(np.mean(norms)),
            "updates": len(losses),
            "tokens_in": sum(len(turn.prompt_ids) for turn in turns),
            "tokens_out": sum(len(turn.action_ids) for turn in turns),
        }

    def _accumulate(self, adapter: str, turns: Sequence[Turn], positions: Sequence[int]) -> float:
        """Gradients of one minibatch; gives its loss, minus the mean log-probability of a token, in nats."""
        num_tokens = sum(len(turns[position].action_ids) for position in positions)
        total = 0.0
        for chunk in self.team.parts(adapter, turns, positions):
            # At temperature 1: what is wanted is the text, however it will be drawn.
            scores = self.team.score(adapter, [turns[position] for position in chunk], temperature=1.0)
            loss = -torch.where(scores.mask, scores.logprobs, 0.0).sum() / num_tokens
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it without annotations
            total += float(loss.detach())
        return sum(self.team.ranks.gather(total))


def _collect(experiment: Experiment, iteration: int, status: Status) -> Batch:
    """This iteration's episodes, played by the reference."""

    def play(tasks: Sequence[Task]) -> Batch:
        return _demonstrated(experiment, tasks, lambda done: status(f"demonstrating {done}/{len(tasks)}"))

    return played_together(experiment.ranks, experiment.tasks(iteration), play)


def _rehearse(experiment: Experiment) -> None:
    """Raises: typed errors where the environment has nothing to imitate."""
    _demonstrated(experiment, experiment.tasks(0)[:1], lambda done: None)


def _demonstrated(experiment: Experiment, tasks: Sequence[Task], progress: Progress) -> Batch:
    sampling = sampling_for(experiment.config, experiment.config.temperature)
    return experiment.collector.collect_by(_by_reference, tasks, sampling, progress)


def _by_reference(collector: Collector, tasks: Sequence[Task], sampling: Sampling, progress: Progress) -> Batch:
    """A way to collect; see `demonstrate`."""
    return demonstrate(
        collector.make_env,
        collector.team,
        tasks,
        sampling,
        progress,
        scripts=collector.scripts,
        solo=collector.solo,
    )


def train(config: Config, *, resume_from: ResumePoint | None = None, quiet: bool = False) -> Summary:
    """Train a team by imitation; see `train_team`."""
    return train_team(
        config, Imitation, "Imitation", resume_from=resume_from, quiet=quiet, collect=_collect, rehearse=_rehearse
    )
