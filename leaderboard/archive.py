"""Opens what somebody handed in: a folder, or a zip archive, either of them possibly made to do harm."""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from leaderboard.errors import UnsafeArchiveError
from leaderboard.files import MAX_PACKED_BYTES, Files, quoted, require_known
from leaderboard.names import LOGS
from leaderboard.zips import ZipFiles

__all__ = ["MAX_PACKED_BYTES", "Files", "open_files"]


def open_files(path: str | Path) -> Files:
    """A folder or a zip archive.

    Raises: UnsafeArchiveError for anything that no submission has; FileNotFoundError if nothing is there.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return _Folder(path)
        if stat.S_ISREG(mode):
            return ZipFiles(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnsafeArchiveError(f"{path} cannot be read ({error.strerror}); give it to who validates") from error
    raise UnsafeArchiveError(f"{path} is neither a folder nor a file; give the folder of a submission, or its archive")


class _Folder(Files):
    def __init__(self, path: Path) -> None:
        self._path = path
        self._names = sorted(_listed(path))

    @property
    def names(self) -> Sequence[str]:
        return self._names

    def _open(self, name: str) -> IO[bytes]:
        # NOFOLLOW: it may have become a link; NONBLOCK: a pipe must not hold us.
        number = os.open(self._path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            raise UnsafeArchiveError(f"{name} is no plain file; leave it out")
        return os.fdopen(number, "rb")


def _listed(folder: Path) -> Iterator[str]:
    """Every file of a submission. Stops at the first thing that none has, however many there are."""
    count = 0
    for below in ("", f"{LOGS}/"):
        if below and not (folder / LOGS).is_dir():
            continue
        with os.scandir(folder / below) as entries:
            for entry in entries:
                name = below + entry.name
                count += 1
                if entry.is_symlink():
                    raise UnsafeArchiveError(f"{quoted(name)} is a link; put the file itself there")
                if name == LOGS and entry.is_dir(follow_symlinks=False):
                    continue
                if not entry.is_file(follow_symlinks=False):
                    raise UnsafeArchiveError(f"{quoted(name)} is no plain file; leave it out")
                require_known(name, count)
                yield name
