"""Going on with a run that was killed, was stopped, or is to be longer: from which checkpoint, with which settings.

A run that goes on gives what the undisturbed one would have given, bit for bit, as long as the circumstances are the
same; see `circumstances`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Protocol

from baselines.errors import CheckpointError, ConfigError
from baselines.runs.checkpoint_loading import Checkpoint
from baselines.runs.checkpoints import STATE, make_latest
from baselines.runs.circumstances import differences
from baselines.runs.experiment import CIRCUMSTANCES, CURRICULUM_POSITION, Plan, RunConfig
from baselines.runs.resume_point import ResumePoint
from baselines.runs.run import Run
from baselines.runs.shared_run import SharedRun
from baselines.runs.summary import CONFIG, shown
from baselines.runs.trained_settings import Settings, read_settings

WITHOUT_EFFECT = (
    "num_iterations",
    "time_limit_s",
    "token_limit",
    "eval_every",
    "checkpoint_every",
    "num_checkpoints",
    "ray_address",
    "server_requests",
)
"""Settings that may change when a run goes on: what is computed in an iteration does not depend on them."""
ROUNDING_ONLY = ("threads", "device")
"""Settings that may change as well, since another machine may need it; their change is one of circumstances."""
MEMORY = (
    "gradient_checkpointing",
    "max_packed_tokens",
    "update_batch_size",
    "rollout_batch_size",
    "max_history_tokens",
    "num_envs",
    "workers",
    "worker_threads",
    "worker_gpus",
    "vllm_memory",
)
"""Settings that may change as well, since a run that ran out of memory needs it: the same sums in other parts."""
_FREE = (*WITHOUT_EFFECT, *ROUNDING_ONLY, *MEMORY)
_NO_SETTINGS = frozenset({"algorithm", "levels", "versions"})
"""What a record of settings holds beside them."""


class Learner(Protocol):
    """What an algorithm trains."""

    def load(self, folder: Path) -> None:
        """Take back from a checkpoint's folder everything that was saved there.

        Raises: CheckpointError.
        """


# -- settings ----------------------------------------------------------------------------------------------------------


def resumed_settings(point: ResumePoint, kind: type[Settings]) -> Settings:
    """The run's settings, from its config.json.

    Raises: CheckpointError if they are not those of the checkpoint, or cannot be read.
    """
    where = point.folder / CONFIG
    settings = read_settings(point.config, kind, where)
    if point.checkpoint is not None:
        saved = read_settings(point.checkpoint.state.get("config"), kind, point.checkpoint.path / STATE)
        edited = _changed(saved, settings)
        if edited:
            values = ", ".join(f"{name} was {getattr(saved, name)!r}" for name in edited)
            raise CheckpointError(
                f"{where} has other settings than {point.checkpoint.path / STATE}: {values}. Put them back, or begin a "
                "run with the new ones"
            )
    return settings


def require_same_results(before: RunConfig, after: RunConfig, point: ResumePoint) -> None:
    """Raises: ConfigError for settings that a run cannot change on its way."""
    changed = [_option(name) for name in _changed(before, after)]
    if after.run_dir not in (before.run_dir, point.folder):
        changed.append("--run-dir")
    if changed:
        allowed = ", ".join(_option(name) for name in _FREE)
        raise ConfigError(
            f"{', '.join(changed)} cannot change when a run goes on: the result would be that of neither setting. "
            f"Leave it out, or begin a run without --resume. What may change: {allowed}"
        )
    if after.num_iterations < point.num_done:
        raise ConfigError(
            f"--num-iterations is {after.num_iterations}, but {point.num_done} are done; give at least that many"
        )


def _changed(before: RunConfig, after: RunConfig) -> list[str]:
    """Names of the settings that differ and should not; the folder is where it is found."""
    free = {*_FREE, "run_dir"}
    if getattr(before, "anneal_lr", False):  # the rate of an iteration follows from how many there are
        free.discard("num_iterations")
    names = [setting.name for setting in fields(before) if setting.name not in free]
    return [name for name in names if getattr(before, name) != getattr(after, name)]


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


# -- going on ----------------------------------------------------------------------------------------------------------


def open_run(
    experiment: Plan[RunConfig], learner: Learner, title: str, resume_from: ResumePoint | None, *, quiet: bool
) -> SharedRun:
    """A new run; or one that goes on, with the learner and the experiment as they were.

    Of several processes each restores itself, and the first opens the folder.

    Raises: CheckpointError, ConfigError; then nothing in the run's folder has changed.
    """
    if resume_from is not None and resume_from.checkpoint is not None:
        learner.load(resume_from.checkpoint.path)
        _restore(experiment, resume_from.checkpoint)
    begins_at = 0 if resume_from is None else resume_from.num_done
    experiment.ranks.require_alike({"the number of iterations done": begins_at})
    return SharedRun.opened(
        experiment.ranks,
        lambda: _opened(experiment, title, resume_from, quiet=quiet),
        folder=experiment.folder,
        num_done=begins_at,
    )


def _opened(experiment: Plan[RunConfig], title: str, resume_from: ResumePoint | None, *, quiet: bool) -> Run:
    """The books of the run."""
    if resume_from is None:
        return Run.create(experiment.folder, experiment.config_record(), title=title, quiet=quiet)
    now = experiment.config_record()
    run = Run.resume(
        experiment.folder,
        start=resume_from.num_done,
        config={**resume_from.config, **{name: now[name] for name in _FREE if name in now}},
        later=resume_from.later,
        quiet=quiet,
    )
    if resume_from.checkpoint is not None:
        make_latest(resume_from.checkpoint.path)
    for line in _told(experiment, resume_from):
        run.note(line)
    return run


def _restore(experiment: Plan[RunConfig], checkpoint: Checkpoint) -> None:
    position = checkpoint.state[CURRICULUM_POSITION]
    assert isinstance(position, int), position
    try:
        experiment.curriculum.restore(position)
    except IndexError as error:
        raise CheckpointError(
            f"{checkpoint.path} reached level {position + 1} of the curriculum, but the environment now has "
            f"{len(experiment.curriculum.levels)}; go on with the version of the environment that it was trained on"
        ) from error


def _told(experiment: Plan[RunConfig], point: ResumePoint) -> Iterator[str]:
    """What a person should know when a run goes on."""
    for reason in point.skipped:
        yield f"Left out: {reason}."
    if point.checkpoint is None:
        yield f"No checkpoint of {shown(point.folder)} was complete yet: it begins again at the first iteration."
        return
    planned = experiment.config.num_iterations
    yield f"Going on from {shown(point.checkpoint.path)}: {point.num_done} of {planned} iterations are done."
    if point.later:
        yield f"Dropped, since they came later: {', '.join(point.later)}."
    before = point.checkpoint.state[CIRCUMSTANCES]
    assert isinstance(before, Mapping), before
    changed = [*differences(before, experiment.circumstances), *_unlike_now(point, experiment.config)]
    if changed:
        yield f"Warning: not to the last bit what the undisturbed run would give, since {'; '.join(changed)}."


def _unlike_now(point: ResumePoint, config: RunConfig) -> Iterator[str]:
    """Settings that were others, or that only one of the versions knows."""
    names = {setting.name for setting in fields(config)}
    for name in MEMORY:
        before, now = point.config.get(name), getattr(config, name, None)
        if name in point.config and name in names and before != now:
            yield f"{name} was {before} and is {now}"
    for name in sorted(names - point.config.keys()):
        yield f"the setting {name} is new and is {getattr(config, name)!r}"
    for name in sorted(point.config.keys() - names - _NO_SETTINGS):
        yield f"this version has no setting {name}"
