"""Writing so that what is already saved survives: atomic files, synced folders, full disks told as such."""

import os
import shutil
from contextlib import suppress
from io import FileIO
from pathlib import Path

from baselines.errors import BaselinesError, tells_full_disk

_NO_ROOM_BYTES = 1 << 20
"""With less free than this a failed write counts as a full disk, whatever the library that wrote calls it."""


def is_disk_full(error: BaseException, folder: Path) -> bool:
    """Whether `error`, raised by somebody else's code that wrote into `folder`, means that the disk is full.

    Not every library says so: on a full disk torch.save raises a RuntimeError about a position in its
    archive. There the free space tells.
    """
    if isinstance(error, BaselinesError) or not isinstance(error, Exception):
        return False
    if tells_full_disk(error):
        return True
    return isinstance(error, OSError | RuntimeError) and shutil.disk_usage(folder).free < _NO_ROOM_BYTES


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file as a whole: whoever reads sees the old content or the new, also after a power cut."""
    unfinished = path.with_name(f".{path.name}.partial")
    try:
        unfinished.write_bytes(content)
        sync_file(unfinished)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def append_whole(file: FileIO, content: bytes) -> None:
    """Append to an unbuffered file; if there is no room for all of it, the file ends where it did before."""
    end = os.fstat(file.fileno()).st_size
    try:
        while content:  # an unbuffered file may take part of what it is given
            content = content[file.write(content) :]
    except BaseException:
        with suppress(OSError):  # what made the writing fail is what is to be told
            file.truncate(end)
        raise


def sync_file(path: Path) -> None:
    """Return once the file's content has reached the disk."""
    _sync(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)


def sync_folder(path: Path) -> None:
    """Return once the folder's entries have reached the disk; only POSIX systems can and need to be asked."""
    if os.name == "posix":
        _sync(path, os.O_RDONLY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
