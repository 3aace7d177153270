"""What every way of handing a submission in has in common: names that a submission has, and bounded reading.

Nothing is extracted: bytes are read into memory from files that have one of these names. Whatever else is there, is
refused: other names, links, devices, more files or bytes than a submission can need.
"""

import re
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import IO

from leaderboard.errors import UnsafeArchiveError
from leaderboard.names import LOGS
from leaderboard.schema import MAX_TASKS, README, RECORD

MAX_RECORD_BYTES = 2_000_000
MAX_README_BYTES = 1_000_000
MAX_PACKED_BYTES = 32_000_000
"""Of one compressed log."""
MAX_FILES = 2 * MAX_TASKS + 2
_NAME = re.compile(rf"(?:{re.escape(RECORD)}|{re.escape(README)}|{LOGS}/[a-z0-9_.=+-]{{1,110}}\.jsonl\.gz)")
_CHUNK = 1 << 16
_SHOWN = 80


class Files(AbstractContextManager["Files"], ABC):
    """The files of a submission, by their names below its folder."""

    @property
    @abstractmethod
    def names(self) -> Sequence[str]:
        """Of all of them, sorted."""

    @abstractmethod
    def _open(self, name: str) -> IO[bytes]:
        """One of them. Raises: UnsafeArchiveError if it is no plain file."""

    def read(self, name: str, limit: int) -> bytes:
        """All of a file. Raises: UnsafeArchiveError if it is longer than `limit` bytes, or cannot be read."""
        parts, size = [], 0
        for part in self._parts(name):
            size += len(part)
            if size > limit:
                raise UnsafeArchiveError(f"{name} is longer than {limit:,} bytes; no submission needs that")
            parts.append(part)
        return b"".join(parts)

    def _parts(self, name: str) -> Iterator[bytes]:
        try:
            with self._open(name) as file:
                while part := file.read(_CHUNK):
                    yield part
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise UnsafeArchiveError(f"{name} cannot be read ({error}); pack the submission again") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Whatever is open."""


def require_known(name: str, count: int) -> None:
    """Raises: UnsafeArchiveError for the `count`-th name, if no submission has it, or so many."""
    if not _NAME.fullmatch(name):
        raise UnsafeArchiveError(
            f"{quoted(name)} is no file that a submission has; it has {RECORD}, {README} and "
            f"{LOGS}/<task>.jsonl.gz: leave everything else out"
        )
    if count > MAX_FILES + 1:
        raise UnsafeArchiveError(f"there are more than {MAX_FILES} files; no submission has so many")


def quoted(name: str) -> str:
    """The beginning of a name that may be anything, for messages."""
    return repr(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…")
