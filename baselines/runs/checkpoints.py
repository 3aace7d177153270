"""Checkpoints that are whole or not there: written aside, hashed, synced, then renamed into place.

Layout of a run's `checkpoints/`:

    <name>/            what the trainer saved, `state.json` (its numbers), `manifest.json` (every size and SHA-256)
    latest             a text file with the name of the newest; replaced only after that one is in place
    <name>.partial/    one that was being written when the process was killed
    <name>.replaced/   the former content of <name>, there only while the new one takes its place
    <name>.removed/    one that is being deleted

Reading them back is in `checkpoint_loading`.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from baselines.errors import DiskFullError
from baselines.runs.disk import is_disk_full, sync_file, sync_folder, write_atomically

CHECKPOINTS = "checkpoints"
MANIFEST, STATE, LATEST = "manifest.json", "state.json", "latest"
PARTIAL, REPLACED, REMOVED = ".partial", ".replaced", ".removed"
NUM_DONE = "num_iterations_done"
"""The bookkeeping's own entry in a state: how many iterations were done when it was saved."""
FORMAT = 1
"""Version of the manifest. A change of its meaning bumps it."""
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)


def save_checkpoint(folder: Path, name: str, save: Callable[[Path], None], state: Mapping[str, object]) -> Path:
    """Write the checkpoint `name` into `folder` and make it the latest, or leave everything as it was.

    `save` is given an empty folder and writes files into it. An existing checkpoint of that name is replaced once the
    new one is complete, so there must be room for both. Floats in `state` come back bit for bit, NaN too.

    Raises:
        ValueError: a name that cannot be a folder of its own, or that is kept for the bookkeeping.
        DiskFullError: no room; tells which checkpoints are complete. What was written of this one is removed.
    """
    if not is_checkpoint_name(name):
        raise ValueError(
            f"{name!r} cannot name a checkpoint; use letters, digits, '_', '-' and '.', but not {LATEST!r}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    final, partial, pointer = folder / name, folder / (name + PARTIAL), folder / (LATEST + PARTIAL)
    _restore(final)
    try:
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir()
        save(partial)
        (partial / STATE).write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
        _seal(partial)
        pointer.write_text(f"{name}\n")
        sync_file(pointer)
        # From here on there are renames only: what takes room has been written.
        _put_in_place(partial, final)
        pointer.replace(folder / LATEST)
        sync_folder(folder)
    except BaseException as error:
        full = is_disk_full(error, folder)  # asked before the clean-up makes room again
        shutil.rmtree(partial, ignore_errors=True)
        pointer.unlink(missing_ok=True)
        _restore(final)
        if full:
            raise DiskFullError(
                f"no room left on the disk while saving the checkpoint {name!r} into {folder}; "
                f"{what_is_safe(folder)}. Free some room, then go on from there."
            ) from error
        raise
    shutil.rmtree(replaced_by(final), ignore_errors=True)
    return final


def keep_newest(folder: Path, number: int) -> None:
    """Delete all checkpoints in `folder` but the newest `number` (0: none), and what killed processes left half done.

    To be called once a checkpoint has been saved: that one is the newest, so a whole one always stays.
    """
    for name in complete_checkpoints(folder)[:-number] if number else ():
        remove_checkpoint(folder / name)
    for leftover in [*folder.glob(f"*{PARTIAL}"), *folder.glob(f"*{REMOVED}")]:
        shutil.rmtree(leftover, ignore_errors=True)


def remove_checkpoint(path: Path) -> None:
    """Delete a checkpoint; killed at any moment, it is whole under its name or gone."""
    going = path.with_name(path.name + REMOVED)
    shutil.rmtree(going, ignore_errors=True)
    _restore(path)
    shutil.rmtree(replaced_by(path), ignore_errors=True)
    path.rename(going)
    sync_folder(path.parent)
    shutil.rmtree(going, ignore_errors=True)


def make_latest(path: Path) -> None:
    """Let `latest` name this checkpoint, which is whole already."""
    write_atomically(path.parent / LATEST, f"{path.name.removesuffix(REPLACED)}\n".encode())


def is_checkpoint_name(name: str) -> bool:
    """Whether a checkpoint may have this name: one plain folder, not confused with what stands beside it."""
    return bool(_NAME.fullmatch(name)) and name != LATEST and not name.endswith((PARTIAL, REPLACED, REMOVED))


def complete_checkpoints(folder: Path) -> tuple[str, ...]:
    """Names of the checkpoints in `folder` that were written to the end, oldest first; hashes unchecked."""
    sealed = [path for path in folder.glob(f"*/{MANIFEST}") if not path.parent.name.endswith((PARTIAL, REMOVED))]
    sealed.sort(key=lambda path: path.stat().st_mtime_ns)
    return tuple(dict.fromkeys(path.parent.name.removesuffix(REPLACED) for path in sealed))


def half_written_checkpoints(folder: Path) -> tuple[str, ...]:
    """Names of the folders that a killed process left behind half written."""
    return tuple(sorted(path.name for path in folder.glob(f"*{PARTIAL}") if path.is_dir()))


def what_is_safe(folder: Path) -> str:
    """Half a sentence on what `folder` holds: the newest complete checkpoint, and what is half written."""
    complete, half_written = complete_checkpoints(folder), half_written_checkpoints(folder)
    safe = "no checkpoint is complete yet"
    if complete:
        safe = f"the last complete checkpoint is {folder / complete[-1]}"
    if half_written:
        safe += f" (half written, and free to be deleted: {', '.join(half_written)})"
    return safe


def replaced_by(final: Path) -> Path:
    """Where the former content of a checkpoint waits while it is replaced."""
    return final.with_name(final.name + REPLACED)


def sha256(path: Path) -> str:
    """Hash of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _seal(folder: Path) -> None:
    """Sync and hash every file, and write the manifest, which is what makes the folder a checkpoint."""
    files: dict[str, dict[str, object]] = {}
    folders = [folder]
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            folders.append(path)
        else:
            sync_file(path)
            name = path.relative_to(folder).as_posix()
            files[name] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    for each in folders:
        sync_folder(each)
    saved_at = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = {"format": FORMAT, "saved_at": saved_at, "files": files}
    write_atomically(folder / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())


def _put_in_place(partial: Path, final: Path) -> None:
    """Rename the sealed folder to its name; a former one of that name waits beside it."""
    shutil.rmtree(replaced_by(final), ignore_errors=True)
    if final.exists():
        final.rename(replaced_by(final))
    partial.rename(final)
    sync_folder(final.parent)


def _restore(final: Path) -> None:
    """Put the former content back if the process was stopped between the two renames."""
    if not final.exists() and replaced_by(final).exists():
        replaced_by(final).rename(final)
