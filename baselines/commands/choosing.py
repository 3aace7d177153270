"""`marft evaluate` for a run of a learner without language, such as `sb3_ppo`.

Loads torch, so `marft evaluate` imports it only for such a run.
"""

import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias

from baselines.choosing import ChoosingRun
from baselines.commands.results import Result, print_results
from baselines.commands.terminal import say, working
from baselines.errors import CheckpointError, ConfigError
from baselines.evaluate import Evaluation, held_out_tasks
from baselines.rollouts.collect import Task
from baselines.runs.checkpoint_loading import Checkpoint, load_checkpoint
from baselines.runs.checkpoints import STATE
from baselines.runs.experiment import make_env
from baselines.runs.trained_settings import read_settings

if TYPE_CHECKING:
    from baselines.commands.evaluate import Evaluate

_KNOWN = frozenset(
    {"checkpoint", "level", "instances", "json", "submission", "track", "entrant", "contact", "licence", "threads"}
)
"""Options that such a run knows."""


Learner: TypeAlias = tuple[Checkpoint, ModuleType]
"""A checkpoint, and its algorithm's module, which says by `LEARNER` who plays it."""


def learner_behind(checkpoint: Path | None) -> Learner | None:
    """The checkpoint, and its algorithm's module, if that learns without a language model; None for all others.

    Raises: CheckpointError if there is no checkpoint.
    """
    if checkpoint is None:
        return None
    found = load_checkpoint(checkpoint)
    config = found.state.get("config")
    name = config.get("algorithm") if isinstance(config, Mapping) and "model" not in config else None
    if not isinstance(name, str) or not name.isidentifier():
        return None
    try:
        module = importlib.import_module(f"baselines.algorithms.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"baselines.algorithms.{name}":
            raise
        raise CheckpointError(f"{found.path} was trained by {name}, which this version does not have") from error
    return (found, module) if hasattr(module, "LEARNER") else None


def require_known(asked: "Evaluate", default: "Evaluate") -> None:
    """Raises: ConfigError for an option that asks for what only language models have."""
    for name, value in vars(asked).items():
        if name not in _KNOWN and value != getattr(default, name):
            word = name.replace("_", "-")
            raise ConfigError(f"{asked.checkpoint} was trained without a language model; leave --{word} out")


def evaluate_learner(asked: "Evaluate", found: Checkpoint, module: ModuleType) -> int:
    """Play and print, level after level; the exit status."""
    results = []
    runs = [
        restored(found, module, asked, {} if level is None else {"level": level}) for level in asked.level or (None,)
    ]
    for run in runs:
        env = make_env(run.config.env_id, "test", run.config.env_options, level=run.level)
        tasks = held_out_tasks(env, run.level, asked.instances)
        results.append(Result(run.level, played_greedily(run, tasks)))
    env_id, package = runs[0].config.env_id, runs[0].learner.package
    if asked.json:
        about = {"env_id": env_id, "split": "test", "model": None, "checkpoint": str(found.path)}
        say(json.dumps([{**about, **result.record()} for result in results], indent=1, ensure_ascii=False))
        return 0
    say(f"{env_id}, split test, greedy", f"{found.path}, trained by {package}")
    print_results(results, list(dict.fromkeys(name for one in results for name in one.evaluation.info)))
    return 0


def env_id_of(learner: Learner) -> str:
    """The environment that it was trained on."""
    found, module = learner
    return str(read_settings(found.state.get("config"), module.Config, found.path / STATE).env_id)


def restored(found: Checkpoint, module: ModuleType, asked: "Evaluate", changed: Mapping[str, object]) -> ChoosingRun:
    """The run, to be played under its settings but for those that are `changed`.

    Raises: CheckpointError if the network does not fit what is to be played; typed errors for settings.
    """
    settings = read_settings(found.state.get("config"), module.Config, found.path / STATE)
    if asked.threads is not None:
        settings = replace(settings, threads=asked.threads)
    with working(f"loading {found.path}"):
        run = ChoosingRun(replace(settings, curriculum=False, run_dir=None, **changed), module.LEARNER)
        run.learner.load(found.path)
        return run
    raise AssertionError("the block has returned")


def played_greedily(run: ChoosingRun, tasks: Sequence[Task]) -> Evaluation:
    """Greedily."""
    with working("evaluating") as status:
        return run.evaluated(tasks, status, greedy=True)
    raise AssertionError("the block has returned")
