"""The loop that all trainers share: evaluate, collect and learn so many times, evaluate again.

What makes an algorithm stands in its own file, as a `Learner`. Here everything is the same for all of them: the same
seeds give the same instances, episodes are collected by the same sampler, and the same evaluations come before and
after.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from torch import Tensor

from baselines.errors import CheckpointError
from baselines.evaluate import Evaluator
from baselines.policies.team import Team
from baselines.ranks import Ranks
from baselines.rollouts.batch import Batch
from baselines.runs.checkpoint_loading import Checkpoint, load_checkpoint
from baselines.runs.circumstances import weights_hash
from baselines.runs.diverged import kept_if_diverged
from baselines.runs.experiment import CIRCUMSTANCES, TOKENS, Experiment, ExperimentConfig, Metrics, Status
from baselines.runs.records import number_of, read_records
from baselines.runs.resume_point import ResumePoint
from baselines.runs.resuming import open_run
from baselines.runs.shared_run import SharedRun
from baselines.runs.summary import METRICS, Summary
from baselines.runs.trained_settings import trained_settings


class Learner(Protocol):
    """What an algorithm trains."""

    def weights(self) -> Iterable[Tensor]:
        """What several processes that train together must hold alike."""

    def learn(self, batch: Batch, *, iteration: int, status: Status) -> Metrics:
        """Change the team by what a batch teaches; returns what to log."""

    def save(self, folder: Path) -> None:
        """Write everything that learning changes."""

    def load(self, folder: Path) -> None:
        """Take it all back, so that the next update is the one that would have come.

        Raises: `CheckpointError`.
        """


_LORA = ("adapters", "tuning", "lora_rank", "lora_alpha", "lora_targets", "lora_last_layers")


def require_same_base(experiment: Experiment, checkpoint: Checkpoint) -> None:
    """Raises: `CheckpointError` if its adapters were trained on another base, or under other LoRA settings."""
    before = trained_settings(checkpoint)
    for name in _LORA:
        if getattr(before, name) != getattr(experiment.config, name):
            raise CheckpointError(
                f"{checkpoint.path} was trained with {name} {getattr(before, name)!r}, not "
                f"{getattr(experiment.config, name)!r}; begin with the same"
            )
    circumstances = checkpoint.state.get(CIRCUMSTANCES)
    base = circumstances.get("model") if isinstance(circumstances, Mapping) else None
    if base != experiment.circumstances["model"]:
        raise CheckpointError(
            f"{checkpoint.path} was trained on {before.model} in {before.dtype}, whose weights are not those of "
            f"{experiment.config.model} in {experiment.config.dtype}; begin with the same base model"
        )


def require_in_step(ranks: Ranks, learner: Learner) -> None:
    """Raises: `OutOfStepError` if this process and others that train the same team hold different weights."""
    if ranks.size > 1:
        ranks.require_alike({"the hash of all weights": weights_hash(learner.weights())})


def tokens_recorded(folder: Path) -> int:
    """Tokens in the replies of all iterations that a run has recorded; those before a kill that it lost are not."""
    return sum(int(number_of(record.get(TOKENS)) or 0) for record in read_records(folder / METRICS))


Config = TypeVar("Config", bound=ExperimentConfig)
Collect = Callable[[Experiment, int, Status], Batch]


def train_team(
    config: Config,
    make_learner: Callable[[Config, Team], Learner],
    name: str,
    *,
    resume_from: ResumePoint | None = None,
    quiet: bool = False,
    collect: Collect = Experiment.collect,
    rehearse: Callable[[Experiment], object] | None = None,
) -> Summary:
    """Train a team from `config`; everything lands in the run's folder. `name` is the algorithm's, as people write it.

    `collect` makes the batch of an iteration; by default the team plays. `rehearse` tries what may not work with an
    environment, before anything is written.

    With `resume_from` a run goes on there, and ends as if it had never been stopped.

    Raises: typed errors of `baselines.errors` and `marft_envs` for every setting that cannot work, before anything is
    written.
    """
    with closing(Experiment.prepare(config)) as experiment:
        if config.init_from is not None and (resume_from is None or resume_from.checkpoint is None):
            checkpoint = load_checkpoint(config.init_from)
            require_same_base(experiment, checkpoint)
            experiment.team.load_adapters(checkpoint.path)
        if rehearse is not None:
            rehearse(experiment)
        learner = make_learner(config, experiment.team)
        evaluator = Evaluator(config, experiment)
        with open_run(experiment, learner, f"{name} on {config.env_id}", resume_from, quiet=quiet) as run:
            return _train(experiment, learner, evaluator, run, collect)


def _train(experiment: Experiment, learner: Learner, evaluator: Evaluator, run: SharedRun, collect: Collect) -> Summary:
    """The loop, once all is prepared."""
    config = experiment.config
    in_step = partial(require_in_step, experiment.ranks, learner)
    in_step()
    evaluator.before(run)
    evaluator.on_the_way(run)
    num_tokens = experiment.ranks.first(partial(tokens_recorded, run.folder))
    for iteration in run.iterations(config.num_iterations, time_limit_s=config.time_limit_s):
        if config.token_limit is not None and num_tokens >= config.token_limit:
            run.stops_for("token_limit")
            break
        began = time.monotonic()
        batch = collect(experiment, iteration, run.status)
        collected = time.monotonic()
        with kept_if_diverged(run.folder, batch, iteration, writes=experiment.ranks.is_first):
            metrics = learner.learn(batch, iteration=iteration, status=run.status)
        times: Metrics = {"time/collect_s": collected - began, "time/learn_s": time.monotonic() - collected}
        run.log(iteration, experiment.batch_metrics(batch) | metrics | times)
        num_tokens += batch.num_tokens
        experiment.climb(batch)
        if run.num_done % config.checkpoint_every == 0 and run.num_done < config.num_iterations:
            in_step()
            saved_as = f"iteration-{run.num_done}"
            run.checkpoint(saved_as, learner.save, experiment.state(), keep=config.num_checkpoints)
        evaluator.on_the_way(run)
    in_step()
    final = run.checkpoint("final", learner.save, experiment.state(), keep=config.num_checkpoints)
    evaluator.trained(run, run.num_done)
    return run.finish(experiment.next_steps(final))
