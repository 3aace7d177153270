"""Greedy evaluation of a team on held-out instances, with intervals over instances."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isclose
from typing import TYPE_CHECKING, Literal

import numpy as np

from baselines.errors import ConfigError
from baselines.policies.team import Team
from baselines.rollouts.batch import Rollout
from baselines.rollouts.collect import Sampling, Task
from baselines.rollouts.games import as_game
from baselines.rollouts.scripted import Script
from baselines.rollouts.stage import Collecting, Stage
from baselines.runs.company import Company
from baselines.runs.experiment import (
    Experiment,
    ExperimentConfig,
    Status,
    TextEnv,
    collector_for,
    make_env,
    sampling_for,
)
from baselines.runs.intervals import Interval, bootstrap_interval
from baselines.runs.run import Run
from marft_envs import Episode, FlexMG, Message, OptionError

if TYPE_CHECKING:
    from baselines.rollouts.workers import Workers

EVALUATION_SEED = 20_504_16129 % 2**32
"""Held-out instances are the same for every run, so that runs can be compared; the number is that of MARFT's paper."""
MAX_DRAWS_PER_INSTANCE = 50
"""Gives up looking for distinct instances after so many draws each: there are fewer than were asked for."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A team's greedy play on held-out instances."""

    mean: float
    """Mean team return."""
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
    """Play every task and summarise."""
    batch = collector.collect(tasks, sampling, lambda done: status(f"evaluating {done}/{len(tasks)}"))
    interval = over_instances(batch.rollouts, lambda rollout: rollout.team_return)
    names = sorted({name for rollout in batch.rollouts for name in rollout.info})
    info = {name: over_instances(batch.rollouts, partial(_reported, name)) for name in names}
    return Evaluation(
        mean=interval.mean,
        low=interval.low,
        high=interval.high,
        num_instances=interval.num_instances,
        level=tasks[0].level,
        info=info,
        tokens_out=sum(len(turn.action_ids) for turn in batch.turns()),
        rollouts=batch.rollouts,
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


def play_held_out(
    config: ExperimentConfig,
    team: Team | None,
    tasks: Sequence[Task],
    *,
    split: Literal["train", "test"] = "test",
    examples: Mapping[str, Sequence[Message]] | None = None,
    scripts: Mapping[str, Script] | None = None,
    workers: "Workers | None" = None,
    status: Status = lambda text: None,
) -> Evaluation:
    """Greedy play of held-out tasks, all of one level, under the settings of a run.

    `scripts` play agents besides those that the settings name. `workers` play in place of this process. There may be
    no team where scripts and servers play everybody.

    `split` is "train" for levels that have too few instances to hold some out.
    """
    make = partial(make_env, config.env_id, split, config.env_options, level=tasks[0].level)
    company = Company.named(config.replace, as_game(make()).agents)
    stage = Stage(
        make,
        num_envs=min(config.num_envs, len(tasks)),
        examples=examples or {},
        scripts={**company.scripts, **(scripts or {})},
        served={agent: model for agent, model in company.served.items() if agent not in (scripts or {})},
        max_requests=config.server_requests,
    )
    return evaluate_team(collector_for(stage, team, workers), tasks, sampling_for(config, 0.0), status)


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


def few_shot_examples(env: FlexMG, level: str | None, num_examples: int) -> dict[str, list[Message]]:
    """What each agent would have read and written in a perfect first turn, on instances of the train split.

    For the untrained reference only: it tells how much of a trained team's score a prompt alone can reach.

    Raises: `ConfigError` if the environment does not say what a perfect agent would write.
    """
    examples: dict[str, list[Message]] = {agent: [] for agent in env.possible_agents}
    for seed in range(num_examples):
        env.reset(seed=seed, options=None if level is None else {"level": level})
        seen: set[str] = set()
        while not (env.terminated or env.truncated):
            agent = env.agent_selection
            try:
                action = env.reference_action(agent)
            except NotImplementedError as error:
                raise ConfigError(f"no examples can be shown: {error}; use --few-shot 0") from error
            if agent not in seen:
                asked = [message for message in env.messages(agent) if message["role"] == "user"]
                examples[agent] += [*asked, {"role": "assistant", "content": action}]
                seen.add(agent)
            env.step(action)
    return examples


class Evaluator:
    """The evaluations around a training run. What is recorded already is not done again."""

    def __init__(self, config: ExperimentConfig, experiment: Experiment) -> None:
        """Raises: `ConfigError` if nothing is held out at the level to reach, or no examples can be shown."""
        self._config = config
        self._experiment = experiment
        self._tasks: list[Task] = []
        if config.eval_instances:
            try:
                probe = make_env(config.env_id, "test", config.env_options, level=experiment.level)
            except OptionError as error:
                raise ConfigError(
                    f"this run cannot be evaluated on held-out instances ({error}); train for one of those levels, or "
                    "without evaluation: --eval-instances 0"
                ) from error
            self._tasks = held_out_tasks(probe, experiment.level, config.eval_instances)
        self._examples: Mapping[str, Sequence[Message]] = {}
        trained_on = make_env(config.env_id, "train", config.env_options)
        if self._tasks and config.few_shot and isinstance(trained_on, FlexMG):
            self._examples = few_shot_examples(trained_on, experiment.level, config.few_shot)

    def before(self, run: Run) -> None:
        """The team before training, and the same with examples in its prompt.

        Fresh adapters change nothing, so this is the base model, unless the team begins where another run ended.
        """
        name = "untrained" if self._config.init_from is None else "initial"
        self._record(run, 0, name, self._experiment.team)
        if self._examples:
            self._record(run, 0, f"{name}_few_shot", self._experiment.team, self._examples)

    def trained(self, run: Run, num_iterations: int) -> None:
        """The team as it is now."""
        self._record(run, num_iterations, "trained", self._experiment.team)

    def on_the_way(self, run: Run) -> None:
        """The team as it is now, if it is time for that; after the last iteration comes the evaluation of the end."""
        every = self._config.eval_every
        if every and 0 < run.num_done < self._config.num_iterations and run.num_done % every == 0:
            self.trained(run, run.num_done)

    def _record(
        self,
        run: Run,
        iteration: int,
        name: str,
        team: Team,
        examples: Mapping[str, Sequence[Message]] | None = None,
    ) -> None:
        if not self._tasks or run.has_evaluation(iteration, name):
            return
        result = play_held_out(
            self._config,
            team,
            self._tasks,
            examples=examples,
            workers=self._experiment.workers,
            status=run.status,
        )
        run.record_evaluation(iteration, name, result.record())
