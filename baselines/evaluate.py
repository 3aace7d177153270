"""Evaluation of a team on held-out instances, with intervals over instances; greedy unless it is said otherwise."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isclose
from typing import TYPE_CHECKING, Literal

import numpy as np

from baselines.errors import ConfigError
from baselines.policies.team import Team
from baselines.rollouts.batch import Batch, Rollout
from baselines.rollouts.collect import Sampling, Task
from baselines.rollouts.few_shot import few_shot_examples
from baselines.rollouts.games import as_game
from baselines.rollouts.scripted import Script
from baselines.rollouts.shares import played_together
from baselines.rollouts.solo import find_solo
from baselines.rollouts.stage import Collecting, Stage
from baselines.runs.company import Company
from baselines.runs.experiment import (
    Experiment,
    ExperimentConfig,
    RunConfig,
    Status,
    TextEnv,
    collector_for,
    make_env,
    sampling_for,
)
from baselines.runs.intervals import Interval, bootstrap_interval
from baselines.runs.shared_run import SharedRun
from marft_envs import Episode, FlexMG, Message, OptionError

if TYPE_CHECKING:
    from baselines.rollouts.workers import Workers

EVALUATION_SEED = 20_504_16129 % 2**32
"""Held-out instances are the same for every run, so that runs can be compared; the number is that of MARFT's paper."""
MAX_DRAWS_PER_INSTANCE = 50
"""Gives up looking for distinct instances after so many draws each: there are fewer than were asked for."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A team's play on held-out instances."""

    mean: float
    """Mean team return; of several plays of an instance, of one."""
    low: float
    high: float
    """95 % bootstrap interval over instances."""
    num_instances: int
    level: str | None
    info: Mapping[str, Interval]
    """What the environment reports at the end of an episode, over the same instances."""
    tokens_out: int
    rollouts: Sequence[Rollout]

    def record(self) -> dict[str, object]:
        """As evaluations.jsonl holds it."""
        return {
            "mean": self.mean,
            "low": self.low,
            "high": self.high,
            "num_instances": self.num_instances,
            "level": self.level,
            "tokens_out": self.tokens_out,
            **{name: interval.mean for name, interval in self.info.items()},
            **{f"{name}_interval": [interval.low, interval.high] for name, interval in self.info.items()},
        }


def evaluate_team(
    collector: Collecting, tasks: Sequence[Task], sampling: Sampling, status: Status = lambda text: None
) -> Evaluation:
    """Play every task and summarise; of several processes each plays its share."""

    def play(own: Sequence[Task]) -> Batch:
        return collector.collect(own, sampling, lambda done: status(f"evaluating {done}/{len(own)}"))

    return summarised(played_together(collector.ranks, tasks, play).rollouts, tasks[0].level)


def summarised(rollouts: Sequence[Rollout], level: str | None) -> Evaluation:
    """What plays came to, all of one level."""
    interval = over_instances(rollouts, lambda rollout: rollout.team_return)
    names = sorted({name for rollout in rollouts for name in rollout.info})
    info = {name: over_instances(rollouts, partial(_reported, name)) for name in names}
    return Evaluation(
        mean=interval.mean,
        low=interval.low,
        high=interval.high,
        num_instances=interval.num_instances,
        level=level,
        info=info,
        tokens_out=sum(rollout.num_tokens for rollout in rollouts),
        rollouts=rollouts,
    )


def over_instances(rollouts: Sequence[Rollout], score: Callable[[Rollout], float]) -> Interval:
    """The mean score of episodes, and how sure it is: instances are what was drawn, so they are what is resampled."""
    by_instance: dict[Hashable, list[float]] = {}
    for rollout in rollouts:
        by_instance.setdefault(rollout.instance, []).append(score(rollout))
    return bootstrap_interval(by_instance)


def _reported(name: str, rollout: Rollout) -> float:
    return rollout.info.get(name, 0.0)


def held_out_tasks(env: TextEnv, level: str | None, num_instances: int) -> list[Task]:
    """Episodes with distinct instances, always the same for an environment and level; fewer if there are no more.

    `env` must offer the test split if it is a Flex-MG environment; other environments are drawn by seed alone.
    """
    return distinct_tasks(env, level, num_instances, EVALUATION_SEED)


def distinct_tasks(env: TextEnv, level: str | None, num_instances: int, seed: int) -> list[Task]:
    """Episodes with distinct instances of the environment's split, drawn by `seed`; fewer if there are no more."""
    drawn = np.random.default_rng(np.random.SeedSequence(seed))
    tasks: dict[str, Task] = {}
    for _ in range(num_instances * MAX_DRAWS_PER_INSTANCE):
        episode_seed = int(drawn.integers(2**62))
        instance = str(episode_seed)
        if isinstance(env, FlexMG):
            env.reset(seed=episode_seed, options=None if level is None else {"level": level})
            instance = env.instance_key() or instance
        tasks.setdefault(instance, Task(episode_seed, level))
        if len(tasks) == num_instances:
            break
    return list(tasks.values())


def play_held_out(  # noqa: PLR0913  # each is a setting of its own
    config: ExperimentConfig,
    team: Team | None,
    tasks: Sequence[Task],
    *,
    split: Literal["train", "test"] = "test",
    examples: Mapping[str, Sequence[Message]] | None = None,
    scripts: Mapping[str, Script] | None = None,
    temperature: float = 0.0,
    samples: Sequence[int] | None = None,
    workers: "Workers | None" = None,
    status: Status = lambda text: None,
) -> Evaluation:
    """Play of held-out tasks, all of one level, under the settings of a run: greedily, each once.

    `scripts` play agents besides those that the settings name. `workers` play in place of this process. There may be
    no team where scripts and servers play everybody.

    `samples`: which plays of each task, by their numbers; then rollouts tell what they arrived at. All plays of a task
    are the same at `temperature` 0.

    `split` is "train" for levels that have too few instances to hold some out.
    """
    make = partial(make_env, config.env_id, split, config.env_options, level=tasks[0].level)
    agents = as_game(make()).agents
    company = Company.named(config.replace, agents)
    plays = tasks if samples is None else [replace(task, sample=sample) for task in tasks for sample in samples]
    stage = Stage(
        make,
        num_envs=min(config.num_envs, len(plays)),
        examples=examples or {},
        scripts={**company.scripts, **(scripts or {})},
        served={agent: model for agent, model in company.served.items() if agent not in (scripts or {})},
        max_requests=config.server_requests,
        solo=find_solo(config.solo, config.solo_agent, agents),
        reads_answers=samples is not None,
    )
    return evaluate_team(collector_for(stage, team, workers), plays, sampling_for(config, temperature), status)


def episodes_of(rollouts: Iterable[Rollout], env: FlexMG) -> Iterator[Episode]:
    """Rollouts as episodes that an action log can hold: their actions once more, in an environment like theirs."""
    for rollout in rollouts:
        options = None if rollout.level is None else {"level": rollout.level}
        env.reset(seed=rollout.seed, options=options, measurements=rollout.measurements)
        said = {agent: deque(rollout.texts(agent)) for agent in rollout.agents}
        while env.ready:  # on the clock there may be a turn left that was never asked for, and that nothing depends on
            agent = env.agent_selection
            env.step(said[agent].popleft() if said[agent] else "")
        episode = env.episode()
        for agent, earned in rollout.returns.items():  # not ==: they were added up in another order
            assert isclose(episode.returns[agent], earned, abs_tol=1e-9), "the same seed and actions earn the same"
        yield episode


class Evaluations:
    """The evaluations around a training run, whoever plays. What is recorded already is not done again."""

    def __init__(self, config: RunConfig, level: str | None) -> None:
        """Raises: `ConfigError` if nothing is held out at the level to reach."""
        self._run_config = config
        self.tasks: list[Task] = []
        if config.eval_instances:
            try:
                probe = make_env(config.env_id, "test", config.env_options, level=level)
            except OptionError as error:
                raise ConfigError(
                    f"this run cannot be evaluated on held-out instances ({error}); train for one of those levels, or "
                    "without evaluation: --eval-instances 0"
                ) from error
            self.tasks = held_out_tasks(probe, level, config.eval_instances)

    def is_due(self, run: SharedRun) -> bool:
        """Whether it is time for an evaluation on the way; after the last iteration comes the evaluation of the end."""
        every = self._run_config.eval_every
        return bool(every) and 0 < run.num_done < self._run_config.num_iterations and run.num_done % every == 0

    def record(self, run: SharedRun, iteration: int, name: str, play: Callable[[], Evaluation]) -> None:
        """Plays and records one, if there is anything to play."""
        if self.tasks and not run.has_evaluation(iteration, name):
            run.record_evaluation(iteration, name, play().record())


class Evaluator(Evaluations):
    """Those of a team of language models."""

    def __init__(self, config: ExperimentConfig, experiment: Experiment) -> None:
        """Raises: `ConfigError` if nothing is held out at the level to reach, or no examples can be shown."""
        super().__init__(config, experiment.level)
        self._config = config
        self._experiment = experiment
        self._examples: Mapping[str, Sequence[Message]] = {}
        trained_on = make_env(config.env_id, "train", config.env_options)
        if self.tasks and config.few_shot and isinstance(trained_on, FlexMG):
            solo = find_solo(config.solo, config.solo_agent, trained_on.possible_agents)
            self._examples = few_shot_examples(trained_on, experiment.level, config.few_shot, solo)

    def before(self, run: SharedRun) -> None:
        """The team before training, and the same with examples in its prompt.

        Fresh adapters change nothing, so this is the base model, unless the team begins where another run ended.
        """
        name = "untrained" if self._config.init_from is None else "initial"
        self._record(run, 0, name, self._experiment.team)
        if self._examples:
            self._record(run, 0, f"{name}_few_shot", self._experiment.team, self._examples)

    def trained(self, run: SharedRun, num_iterations: int) -> None:
        """The team as it is now."""
        self._record(run, num_iterations, "trained", self._experiment.team)

    def on_the_way(self, run: SharedRun) -> None:
        """The team as it is now, if it is time for that."""
        if self.is_due(run):
            self.trained(run, run.num_done)

    def _record(
        self,
        run: SharedRun,
        iteration: int,
        name: str,
        team: Team,
        examples: Mapping[str, Sequence[Message]] | None = None,
    ) -> None:
        def play() -> Evaluation:
            return play_held_out(
                self._config,
                team,
                self.tasks,
                examples=examples,
                workers=self._experiment.workers,
                status=run.status,
            )

        self.record(run, iteration, name, play)
