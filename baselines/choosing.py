"""The loop of learners without language: as in `training`, but that they choose from texts that environments offer.

What makes an algorithm stands in its own file, as a `ChoosingLearner`. Instances, held-out instances, levels, records,
checkpoints and their resuming are those of every other run.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch

from baselines.errors import ConfigError
from baselines.evaluate import Evaluation, Evaluations, summarised
from baselines.ranks import num_ranks
from baselines.rollouts.choosing import (
    ChoosingCollector,
    Decisions,
    Observations,
    Stream,
    choosing_game,
    most_choices,
)
from baselines.rollouts.collect import Task
from baselines.rollouts.fingerprint import behaviour
from baselines.runs.circumstances import circumstances, weights_hash
from baselines.runs.experiment import (
    Metrics,
    Plan,
    Status,
    levels_to_climb,
    make_env,
)
from baselines.runs.resume_point import ResumePoint
from baselines.runs.resuming import open_run
from baselines.runs.summary import Summary
from baselines.runs.train_command import train_command
from baselines.updates.config import ChoosingConfig

_STREAM = 3
"""Of the run's seed: 0 to 2 are those of `experiment`."""
_NETWORK, _UNTRAINED, _ITERATION = range(3)
"""What is drawn: first weights, choices of the untrained network, choices and minibatches of an iteration."""


class ChoosingLearner(Protocol):
    """What an algorithm trains. It draws from torch's and numpy's own generators, which are seeded for it."""

    @property
    def network(self) -> torch.nn.Module:
        """What is trained."""

    @property
    def versions(self) -> dict[str, str]:
        """Packages besides those of every run that its numbers depend on."""

    def decide(self, observations: Observations, *, greedy: bool = False) -> Decisions:
        """Numbers for a batch of observations: drawn or, if greedy, the most probable ones."""

    def learn(self, streams: Sequence[Stream]) -> Metrics:
        """Learn from what every agent did; returns what to log."""

    @property
    def package(self) -> str:
        """By which it learns, with its version, as an entry of the leaderboard names it."""

    @property
    def weights(self) -> str:
        """The name of the file, among those that `save` writes, that the network lies in."""

    def save(self, folder: Path) -> None:
        """Write everything that learning changes."""

    def load(self, folder: Path) -> None:
        """Take it all back. Raises: `CheckpointError`."""


Config = TypeVar("Config", bound=ChoosingConfig)
MakeLearner = Callable[[Config, int, int], ChoosingLearner]
"""(settings, features of an observation, numbers to choose from) -> a learner."""


@contextmanager
def drawing(seed: int, *purpose: int) -> Iterator[None]:
    """Lets global generators draw what follows from a run's seed and a purpose, and puts them back afterwards."""
    (drawn,) = np.random.SeedSequence(seed, spawn_key=(_STREAM, *purpose)).generate_state(1).tolist()
    before = np.random.get_state()  # noqa: NPY002  # SB3 shuffles minibatches by it
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(drawn)
        np.random.seed(drawn)  # noqa: NPY002  # as above
        try:
            yield
        finally:
            np.random.set_state(before)  # noqa: NPY002  # as above


class ChoosingRun(Plan[ChoosingConfig]):
    """The prepared parts of one run."""

    def __init__(self, config: Config, make_learner: MakeLearner[Config]) -> None:
        """Raises: typed errors for whatever cannot work, before anything is written."""
        config.check()
        if num_ranks() > 1:
            raise ConfigError(
                f"{num_ranks()} processes were started, but a learner without language trains in one; start it as "
                "`marft train` alone"
            )
        if config.threads:
            torch.set_num_threads(config.threads)
        probe = make_env(config.env_id, "train", config.env_options)
        game = choosing_game(probe)
        super().__init__(config, game.agents, levels_to_climb(config, probe))
        num_numbers = most_choices(probe, self.curriculum.levels)
        self._collector = partial(ChoosingCollector, num_numbers=num_numbers, width=config.num_features)
        make = partial(make_env, config.env_id, "train", config.env_options)
        self._trains = self._collector(make, num_envs=min(config.num_envs, config.episodes_per_iteration))
        with drawing(config.seed, _NETWORK):
            self.learner = make_learner(config, self._trains.num_features, num_numbers)
        network = weights_hash(self.learner.network.parameters())
        environment = behaviour(game, self.curriculum.levels)
        self.circumstances = circumstances(torch.device("cpu"), network, environment) | self.learner.versions

    def iterate(self, iteration: int, status: Status) -> Metrics:
        """Plays the episodes of an iteration as the network draws, and learns from them; returns what to log."""
        tasks = self.tasks(iteration)
        with drawing(self.config.seed, _ITERATION, iteration):
            began = time.monotonic()
            played = self._trains.collect(
                tasks, self.learner.decide, lambda done: status(f"collecting {done}/{len(tasks)}")
            )
            metrics = self.batch_metrics(played.batch)
            self.climb(played.batch)
            collected = time.monotonic()
            status("updating")
            metrics |= self.learner.learn(played.streams)
        return metrics | {"time/collect_s": collected - began, "time/learn_s": time.monotonic() - collected}

    def evaluated(self, tasks: Sequence[Task], status: Status, *, greedy: bool) -> Evaluation:
        """Plays held-out episodes."""
        config = self.config
        make = partial(make_env, config.env_id, "test", config.env_options, level=self.level)
        collector = self._collector(make, num_envs=min(config.num_envs, len(tasks)))
        decide = partial(self.learner.decide, greedy=greedy)
        with drawing(config.seed, _UNTRAINED):
            played = collector.collect(tasks, decide, lambda done: status(f"evaluating {done}/{len(tasks)}"))
        return summarised(played.batch.rollouts, self.level)

    def next_steps(self) -> list[str]:
        """What to try after a run, as commands."""
        again = replace(self.config, seed=self.config.seed + 1, run_dir=None)
        return [
            f"marft evaluate {self.config.run_dir}    # greedy play on held-out instances",
            f"{train_command(again)}    # the same with another seed",
            f"marft train --env-id {self.config.env_id}    # the same task for a team of language models",
        ]


def train_choosing(
    config: Config,
    make_learner: MakeLearner[Config],
    name: str,
    *,
    resume_from: ResumePoint | None = None,
    quiet: bool = False,
) -> Summary:
    """Train a network from `config`; everything lands in the run's folder. `name`: the algorithm's, as people write it.

    With `resume_from` a run goes on there, and ends as if it had never been stopped.

    Raises: typed errors of `baselines.errors` and `marft_envs` for every setting that cannot work, before anything is
    written.
    """
    plan = ChoosingRun(config, make_learner)
    evaluations = Evaluations(config, plan.level)

    def evaluate(called: str, *, greedy: bool) -> None:
        play = partial(plan.evaluated, evaluations.tasks, run.status, greedy=greedy)
        evaluations.record(run, run.num_done, called, play)

    with open_run(plan, plan.learner, f"{name} on {config.env_id}", resume_from, quiet=quiet) as run:
        if run.num_done == 0:
            evaluate("untrained", greedy=False)
        if evaluations.is_due(run):
            evaluate("trained", greedy=True)
        for iteration in run.iterations(config.num_iterations, time_limit_s=config.time_limit_s):
            run.log(iteration, plan.iterate(iteration, run.status))
            if run.num_done % config.checkpoint_every == 0 and run.num_done < config.num_iterations:
                saved_as = f"iteration-{run.num_done}"
                run.checkpoint(saved_as, plan.learner.save, plan.state(), keep=config.num_checkpoints)
            if evaluations.is_due(run):
                evaluate("trained", greedy=True)
        run.checkpoint("final", plan.learner.save, plan.state(), keep=config.num_checkpoints)
        evaluate("trained", greedy=True)
        return run.finish(plan.next_steps())
