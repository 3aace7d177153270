"""Where a run that was stopped goes on: after its newest checkpoint that is as it was saved."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from baselines.errors import CheckpointError
from baselines.runs.checkpoint_loading import Checkpoint, load_checkpoint
from baselines.runs.checkpoints import (
    CHECKPOINTS,
    NUM_DONE,
    PARTIAL,
    REMOVED,
    REPLACED,
    STATE,
    complete_checkpoints,
    replaced_by,
)
from baselines.runs.experiment import CIRCUMSTANCES, CURRICULUM_POSITION
from baselines.runs.summary import CONFIG, RUN, SUMMARY
from baselines.runs.training_state import GENERATORS, OPTIMIZERS


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where a run is to go on."""

    folder: Path
    config: Mapping[str, object]
    """The settings as config.json has them."""
    checkpoint: Checkpoint | None
    """None: no checkpoint was complete when the run was stopped, so it begins again."""
    skipped: tuple[str, ...] = ()
    """Newer checkpoints that cannot be taken, and why, a sentence each."""
    later: tuple[str, ...] = ()
    """Checkpoints that came after the one that was asked for."""

    @property
    def num_done(self) -> int:
        """Iterations that need not be done again."""
        return 0 if self.checkpoint is None else _num_done(self.checkpoint.state)

    @property
    def is_finished(self) -> bool:
        """Whether all iterations that config.json asks for are done, and the summary is written."""
        planned = self.config.get("num_iterations")
        return isinstance(planned, int) and self.num_done >= planned and (self.folder / SUMMARY).is_file()


def find_resume_point(path: Path) -> ResumePoint:
    """Where to go on, from a run's folder (after its newest whole checkpoint) or a checkpoint's (after that one).

    Raises: CheckpointError if `path` is neither, or no checkpoint can be gone on from.
    """
    folder = _run_folder(path)
    config = _read_config(folder)
    if path.resolve() in (folder.resolve(), (folder / CHECKPOINTS).resolve()):
        point = _newest_whole(folder, config)
    else:
        checkpoint = load_checkpoint(path)
        found = {name: _num_done_of(folder / CHECKPOINTS / name) for name in complete_checkpoints(folder / CHECKPOINTS)}
        later = [name for name, num_done in found.items() if num_done > _num_done(checkpoint.state)]
        point = ResumePoint(folder, config, checkpoint, later=tuple(later))
    if point.checkpoint is not None:
        _require_state(point.checkpoint)
    return point


def _run_folder(path: Path) -> Path:
    """The folder of the run that `path` is, or lies in."""
    for folder in (path, *path.absolute().parents[:2]):
        if (folder / CONFIG).is_file() and (folder / RUN).is_file():
            return folder
    raise CheckpointError(
        f"there is no run to go on with at {path}: a run's folder holds {CONFIG} and {RUN}. Give the folder that "
        "`marft train` named, or leave --resume out to begin a run"
    )


def _read_config(folder: Path) -> Mapping[str, object]:
    try:
        config = json.loads((folder / CONFIG).read_bytes())
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"cannot read the settings {folder / CONFIG}: {error}; mend it, or train again"
        ) from error
    if not isinstance(config, dict) or not isinstance(config.get("algorithm"), str):
        raise CheckpointError(
            f"{folder / CONFIG} does not name the algorithm, so the run comes from an earlier version; its checkpoints "
            "can be evaluated and played, not resumed"
        )
    return config


def _newest_whole(folder: Path, config: Mapping[str, object]) -> ResumePoint:
    """After the newest checkpoint that is as it was saved; those that are not are named."""
    place = folder / CHECKPOINTS
    complete = complete_checkpoints(place)
    unsealed = [name for name in _folders(place) if name.removesuffix(REPLACED) not in complete]
    skipped = [f"{name} was not written to the end" for name in unsealed]
    oldest_first = sorted(complete, key=lambda name: _num_done_of(place / name))  # equal ones stay as they were written
    for name in reversed(oldest_first):
        try:
            return ResumePoint(folder, config, load_checkpoint(place / name), tuple(skipped))
        except CheckpointError as error:
            skipped.append(f"{name} is damaged: {str(error).partition('; ')[0]}")
    if complete or any(not name.endswith(PARTIAL) for name in unsealed):
        raise CheckpointError(
            f"no checkpoint in {place} is whole: {'; '.join(skipped)}. Copy one again from where it was saved, or "
            f"remove {place} to begin the run again"
        )
    return ResumePoint(folder, config, None, tuple(skipped))


def _folders(place: Path) -> list[str]:
    """Names of all folders of checkpoints, whole or not, except what is being deleted."""
    if not place.is_dir():
        return []
    return sorted(path.name for path in place.iterdir() if path.is_dir() and not path.name.endswith(REMOVED))


def _num_done_of(path: Path) -> float:
    """What an unchecked checkpoint says of itself; infinity if that cannot be read, so that it is looked at first."""
    for folder in (path, replaced_by(path)):
        try:
            return _num_done(json.loads((folder / STATE).read_bytes()))
        except (OSError, ValueError, AttributeError):
            continue
    return float("inf")


def _num_done(state: Mapping[str, object]) -> int:
    num_done = state.get(NUM_DONE)
    return num_done if isinstance(num_done, int) else 0


def _require_state(checkpoint: Checkpoint) -> None:
    """Raises: CheckpointError for a checkpoint of a version that saved less."""
    entries = [name for name in (NUM_DONE, CURRICULUM_POSITION, CIRCUMSTANCES) if name not in checkpoint.state]
    files = [name for name in (OPTIMIZERS, GENERATORS) if not (checkpoint.path / name).is_file()]
    if entries or files:
        raise CheckpointError(
            f"{checkpoint.path} can be evaluated and played, but not resumed: it lacks {', '.join(files + entries)}, "
            "which earlier versions did not save. Train again, or go on with the version that saved it"
        )
