"""`marft evaluate --submission`: plays what a track of the leaderboard asks for, and writes it as an entry.

Loads torch, so `marft evaluate` imports it only when somebody enters.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from baselines.commands.choosing import Learner, env_id_of, played_greedily, restored
from baselines.commands.terminal import note, say, working
from baselines.errors import ConfigError, EnvironmentKindError, extra_required

with extra_required("leaderboard", "`marft evaluate --submission`"):
    from baselines.entry import Played, chosen_task, played_task
    from leaderboard.replaying import environment
    from leaderboard.schema import RECORD
    from leaderboard.submit import Entrant, PlayedTask, add_task, entrant_of
    from leaderboard.tracks import OPEN, Task, find_task, seeds_of, tasks_of

from baselines.rollouts.collect import Task as Play
from baselines.runs.checkpoint_loading import load_checkpoint
from baselines.runs.circumstances import processor
from baselines.runs.experiment import ExperimentConfig, easiest_with_test, make_env, sampling_for
from baselines.runs.trained_settings import trained_settings
from marft_envs import FlexMG

if TYPE_CHECKING:
    from baselines.commands.evaluate import Evaluate


def enter(asked: "Evaluate", folder: Path, learner: Learner | None) -> int:
    """Play and write task after task; the exit status. What is written stays, whatever happens to the next.

    `learner`: behind the checkpoint, if that was trained without a language model.

    Raises: ConfigError, TrackError before anything is played; SubmissionError if a play does not replay.
    """
    _require_fitting(asked)
    entrant = _entrant(asked, folder)
    tasks = _tasks(asked, learner)
    for number, task in enumerate(tasks, start=1):
        if len(tasks) > 1:
            note(f"task {number} of {len(tasks)}: {task.key}")
        played = _played(asked, entrant, task) if learner is None else _chosen(asked, entrant, task, learner)
        with working(f"replaying {task.key}"):
            result = add_task(folder, entrant, played)
        scores = result.scores
        say(
            f"{task.key}: score {scores.score:.3f} over {scores.instances} instances; "
            f"{scores.tokens_out / scores.episodes:,.1f} tokens an episode"
        )
    say(f"Written to {folder}. `marft leaderboard validate {folder}` recomputes every number of it.")
    return 0


def _require_fitting(asked: "Evaluate") -> None:
    """Raises: ConfigError for options that a track decides."""
    if asked.split != "test":
        raise ConfigError("an entry plays the test split; leave --split out")
    if asked.log is not None or asked.json:
        raise ConfigError("an entry holds its own logs and is told in words; leave --log and --json out")
    if asked.team is not None and asked.track != OPEN:
        raise ConfigError(f"track {asked.track} plays every environment's own team; leave --team out")
    if asked.env_options and asked.track != OPEN:
        raise ConfigError(f"track {asked.track} decides the options of its tasks; leave --env-options out")
    if len(asked.level) > 1:
        raise ConfigError("an entry plays a task at one level; give one --level, or none")


def _entrant(asked: "Evaluate", folder: Path) -> "Entrant":
    """Who enters: as the folder says if it holds an entry, else as the options do."""
    if (folder / RECORD).is_file():
        found = entrant_of(folder)
        if found.track != asked.track:
            raise ConfigError(
                f"{folder} holds an entry whose track is {found.track!r}, and this one's is {asked.track!r}; choose "
                f"another folder, or --track {found.track}"
            )
        return found
    return Entrant(
        track=asked.track,
        name=asked.entrant or folder.resolve().name,
        contact=asked.contact,
        licence=asked.licence,
        hardware=processor(),
    )


def _tasks(asked: "Evaluate", learner: Learner | None) -> "Sequence[Task]":
    """What is to be played. Raises: TrackError, ConfigError."""
    env_id = asked.env_id
    if env_id is None and asked.checkpoint is not None:
        env_id = _trained_on(asked.checkpoint) if learner is None else env_id_of(learner)
    if asked.track == OPEN:
        if env_id is None:
            raise ConfigError("track open plays one environment; give --env-id")
        options = asked.env_options | ({} if asked.team is None else {"team": asked.team})
        task = find_task(OPEN, env_id, None, options)  # type: ignore[arg-type]  # the schema refuses floats
        return [replace(task, level=asked.level[0] if asked.level else _easiest(task))]
    tasks = [
        task
        for task in tasks_of(asked.track)
        if env_id in (None, task.env_id) and (not asked.level or task.level == asked.level[0])
    ]
    if not tasks:
        known = ", ".join(task.key for task in tasks_of(asked.track))
        at = f" at level {asked.level[0]}" if asked.level else ""
        raise ConfigError(f"track {asked.track} does not play {env_id}{at}; it plays {known}")
    return tasks


def _trained_on(checkpoint: Path) -> str:
    return trained_settings(load_checkpoint(checkpoint)).env_id


def _easiest(task: "Task") -> str | None:
    """The first level that holds instances out; None where there are no levels."""
    probe = make_env(task.env_id, "train", dict(task.options))
    if not isinstance(probe, FlexMG):
        raise EnvironmentKindError(
            f"{task.env_id} is no FlexMG environment, so nobody can replay it; choose another one"
        )
    return easiest_with_test(ExperimentConfig(env_id=task.env_id, env_options=dict(task.options)), probe)


def _chosen(asked: "Evaluate", entrant: "Entrant", task: "Task", learner: Learner) -> "PlayedTask":
    """What a learner without language does."""
    seeds = seeds_of(entrant.season, task)
    found, module = learner
    run = restored(found, module, asked, {"env_options": dict(task.options), "level": task.level})
    rollouts = played_greedily(run, [Play(seed, task.level) for seed in seeds]).rollouts
    return chosen_task(task, seeds, environment(task), found, run.learner.package, run.learner.weights, rollouts)


def _played(asked: "Evaluate", entrant: "Entrant", task: "Task") -> "PlayedTask":
    """What a team of language models does."""
    seeds = seeds_of(entrant.season, task)
    at = replace(asked, level=() if task.level is None else (task.level,))
    cast = at.cast(task.env_id, dict(task.options))
    cast = replace(cast, settings=replace(cast.settings, env_options=dict(task.options), level=task.level))
    (result,) = at.evaluated(cast, seeds)
    how = Played(
        settings=cast.settings,
        checkpoint=cast.checkpoint,
        sampling=sampling_for(cast.settings, asked.temperature),
        plays=len(result.evaluation.rollouts) // len(seeds),
        vote=result.several is not None and result.several.vote is not None,
        few_shot=asked.few_shot,
    )
    return played_task(task, seeds, environment(task), how, result.evaluation.rollouts)
