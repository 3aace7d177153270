"""A run's folder: made for a new run, or made ready for one that goes on.

config.json     the settings, as given            run.json            title, starts, commands, versions, machine
metrics.jsonl   one line per iteration            evaluations.jsonl   one line per evaluation
tensorboard/    the same for TensorBoard          checkpoints/        see `checkpoints`
curve.png       the learning curve                summary.json        how it ended
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from baselines.errors import CheckpointError, ConfigError, disk_full_explained, extra_required
from baselines.runs.checkpoints import CHECKPOINTS, remove_checkpoint, what_is_safe
from baselines.runs.claim import FolderClaim
from baselines.runs.disk import write_atomically
from baselines.runs.records import keep_records, pretty_json
from baselines.runs.summary import CONFIG, EVALUATIONS, METRICS, RUN, SUMMARY, provenance

_PACKAGES = ("matplotlib", "rich", "tensorboard")


@dataclass(frozen=True, slots=True)
class Reopened:
    """A folder that is ready to be gone on with."""

    title: str
    claim: FolderClaim


def begin_folder(folder: Path, config: Mapping[str, object], title: str) -> FolderClaim:
    """Make a folder for a new run; it may exist if it is empty.

    Raises: ConfigError, DiskFullError, MissingExtraError; see `Run.create`.
    """
    _check_packages()
    try:
        with disk_full_explained(folder, "free some room, or choose a folder on another disk"):
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise ConfigError(
                    f"the run folder {folder} is not empty; a run wants a folder of its own, so that nothing is "
                    "overwritten: choose another one, or remove it first; to go on with the run in it, use --resume"
                )
            claim = FolderClaim(folder)
            write_atomically(folder / RUN, pretty_json(provenance(title)))
            write_atomically(folder / CONFIG, pretty_json(config))  # the last: with it the run can be resumed
    except (FileExistsError, NotADirectoryError) as error:
        raise ConfigError(f"the run folder {folder} is, or lies in, a file; choose another one") from error
    except PermissionError as error:
        raise ConfigError(f"may not write into the run folder {folder}; choose another one") from error
    return claim


def reopen_folder(
    folder: Path, start: int, config: Mapping[str, object] | None = None, later: Sequence[str] = ()
) -> Reopened:
    """Leave in a folder what a run had when `start` iterations were done.

    Raises: CheckpointError, ConfigError, DiskFullError, MissingExtraError; see `Run.resume`.
    """
    _check_packages()
    try:
        described = dict(json.loads((folder / RUN).read_bytes()))
        title = str(described["title"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{folder} cannot be resumed, {folder / RUN} is missing or damaged; give the folder of a run"
        ) from error
    claim = FolderClaim(folder)
    resumed = [*described.get("resumed", ()), provenance(title) | {"num_iterations_done": start}]
    with disk_full_explained(folder, what_is_safe(folder / CHECKPOINTS)):
        for name in later:  # before the records: killed in between, no checkpoint is ahead of them
            remove_checkpoint(folder / CHECKPOINTS / name)
        keep_records(folder / METRICS, lambda iteration: iteration < start)
        keep_records(folder / EVALUATIONS, lambda num_done: num_done <= start)
        write_atomically(folder / RUN, pretty_json(described | {"resumed": resumed}))
        if config is not None:
            write_atomically(folder / CONFIG, pretty_json(config))
        (folder / SUMMARY).unlink(missing_ok=True)  # of an end that is no longer the end
    return Reopened(title, claim)


def _check_packages() -> None:
    """Miss a package before the folder is made, not when the curve is to be drawn."""
    with extra_required("train", "a training run"):
        for package in _PACKAGES:
            if find_spec(package) is None:
                raise ModuleNotFoundError(f"No module named {package!r}", name=package)
