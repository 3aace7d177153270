"""Reading a checkpoint back: found by any of its names, every file compared with the manifest."""

import json
from dataclasses import dataclass
from pathlib import Path

from baselines.errors import CheckpointError
from baselines.runs.checkpoints import (
    CHECKPOINTS,
    FORMAT,
    LATEST,
    MANIFEST,
    PARTIAL,
    REPLACED,
    STATE,
    complete_checkpoints,
    is_checkpoint_name,
    replaced_by,
    sha256,
    what_is_safe,
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint whose every file has been compared with its manifest."""

    path: Path
    """The folder with what the trainer saved."""
    name: str
    state: dict[str, object]
    """What the trainer gave as `state`, as JSON brings it back: tuples as lists, keys as strings."""


def load_checkpoint(path: Path) -> Checkpoint:
    """Find a checkpoint, compare every file with its manifest, and read its state.

    `path` is a run's folder (its latest checkpoint is taken), a checkpoint's folder, or `checkpoints/latest`.

    Raises:
        CheckpointError: nothing there, half written, unreadable, or not what was saved. Names the file and the way
            out. Nothing else is loaded in its place: which other one will do is the caller's choice.
    """
    path = Path(path)
    try:
        folder = _find(path)
        _verify(folder)
        state = _read_json(folder / STATE)
    except OSError as error:
        raise CheckpointError(
            f"cannot read the checkpoint {path}: {error}; check the path and its permissions"
        ) from error
    return Checkpoint(path=folder, name=folder.name.removesuffix(REPLACED), state=state)


def latest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint in `folder` (a run's `checkpoints/`) that `latest` names; None if none has been saved.

    Raises:
        CheckpointError: `latest` names none that was written to the end.
    """
    pointer = folder / LATEST
    if not pointer.is_file():
        return None
    name = pointer.read_text(encoding="utf-8", errors="replace").strip()
    if not is_checkpoint_name(name):
        raise CheckpointError(f"{pointer} names no checkpoint but {name!r}; {_others(folder)}")
    return _written_to_the_end(folder / name)


def _find(path: Path) -> Path:
    """The checkpoint's folder that `path` means."""
    inside = path / CHECKPOINTS
    for folder in (inside, path, path.parent if path.name == LATEST else path):
        found = latest_checkpoint(folder)
        if found is not None:
            return found
    if inside.is_dir():
        raise CheckpointError(
            f"the run {path} has no checkpoint to load, {inside / LATEST} is missing; "
            f"{what_is_safe(inside)}. Name a complete one, or train again."
        )
    return _written_to_the_end(path)


def _written_to_the_end(folder: Path) -> Path:
    """`folder` if it has its manifest; what it was to replace, if the process died while exchanging them."""
    sealed = (folder / MANIFEST).is_file()
    if folder.name.endswith(PARTIAL) or (not sealed and (folder / STATE).is_file()):
        raise CheckpointError(f"the checkpoint {folder} was not written to the end; {_others(folder.parent)}")
    for candidate in (folder, replaced_by(folder)):
        if (candidate / MANIFEST).is_file():
            return candidate
    if folder.exists():
        raise CheckpointError(
            f"{folder} is neither a run nor a checkpoint, it has no {CHECKPOINTS}/{LATEST} and no "
            f"{MANIFEST}; {_others(folder.parent)}"
        )
    raise CheckpointError(f"no checkpoint at {folder}, there is no such folder; {_others(folder.parent)}")


def _verify(folder: Path) -> None:
    """Compare every file that the manifest lists."""
    manifest = _read_json(folder / MANIFEST)
    if manifest.get("format") != FORMAT:
        raise CheckpointError(
            f"{folder / MANIFEST} has format {manifest.get('format')!r}, this version reads {FORMAT}; "
            "load it with the version of marft-envs that saved it"
        )
    files = manifest.get("files")
    if not isinstance(files, dict) or STATE not in files:
        raise CheckpointError(f"{folder / MANIFEST} does not list the files; {_elsewhere(folder)}")
    for name, saved in files.items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"{path} is missing, though {MANIFEST} lists it; {_elsewhere(folder)}")
        found = {"bytes": path.stat().st_size, "sha256": sha256(path)}
        if found != saved:
            raise CheckpointError(
                f"{path} is not what was saved: {MANIFEST} has {saved}, the file {found}; {_elsewhere(folder)}"
            )


def _read_json(path: Path) -> dict[str, object]:
    """A JSON object from a file of the checkpoint."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON ({error}); {_elsewhere(path.parent)}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is not a JSON object; {_elsewhere(path.parent)}")
    return content


def _others(folder: Path) -> str:
    """The way out where a path leads to no checkpoint: those that are complete in `folder`."""
    complete = complete_checkpoints(folder)
    if not complete:
        return "give the folder of a run that has saved one"
    return f"complete ones in {folder}: {', '.join(complete)}"


def _elsewhere(folder: Path) -> str:
    """The way out of a damaged checkpoint: the file again, or another checkpoint."""
    others = [name for name in complete_checkpoints(folder.parent) if name != folder.name]
    if not others:
        return "copy the folder again from where it was saved, or train again"
    return f"copy the file again, or load another one from {folder.parent}: {', '.join(others)}"
