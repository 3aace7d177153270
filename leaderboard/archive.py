"""Opens what somebody handed in: a folder, or a zip archive, either of them possibly made to do harm.

Nothing is extracted: bytes are read into memory, bounded, from files that have one of the names that a submission has.
Whatever else is there, is refused: other names, links, devices, encrypted members, members with the same name, more
files or bytes than a submission can need, gzip that unpacks to more than it should. How many members an archive has is
read from its last bytes before anything is listed, so that a million of them cost nothing.
"""

import os
import re
import stat
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO, Self

from leaderboard.errors import UnsafeArchiveError
from leaderboard.schema import LOGS, MAX_TASKS, README, RECORD

MAX_RECORD_BYTES = 2_000_000
MAX_README_BYTES = 1_000_000
MAX_PACKED_BYTES = 32_000_000
"""Of one compressed log."""
MAX_LOG_BYTES = 128_000_000
"""Of one log, unpacked."""
MAX_LINE_BYTES = 1_000_000
"""Of a log: a turn's action, or a header with a team's profiles."""
MAX_ARCHIVE_BYTES = 512_000_000
MAX_FILES = 2 * MAX_TASKS + 2
_MAX_DIRECTORY_BYTES = MAX_FILES * 512
"""Of an archive's list of members: each takes 46 bytes and its name, and archivers add a few."""
_NAME = re.compile(rf"(?:{re.escape(RECORD)}|{re.escape(README)}|{LOGS}/[a-z0-9_.=+-]{{1,110}}\.jsonl\.gz)")
_CHUNK = 1 << 16
_END = struct.Struct("<4s4H2LH")
_END_MARK, _ZIP64_MARK = b"PK\x05\x06", b"PK\x06\x07"
_ZIP64_LOCATOR_BYTES = 20
_ENCRYPTED = 0x1
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


def open_files(path: str | Path) -> Files:
    """A folder or a zip archive.

    Raises: UnsafeArchiveError for anything that no submission has; FileNotFoundError if nothing is there.
    """
    path = Path(path)
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        return _Folder(path)
    if stat.S_ISREG(mode):
        return _Archive(path)
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
                    raise UnsafeArchiveError(f"{_shown(name)} is a link; put the file itself there")
                if name == LOGS and entry.is_dir(follow_symlinks=False):
                    continue
                if not entry.is_file(follow_symlinks=False):
                    raise UnsafeArchiveError(f"{_shown(name)} is no plain file; leave it out")
                _require_known(name, count)
                yield name


def _require_known(name: str, count: int) -> None:
    if not _NAME.fullmatch(name):
        raise UnsafeArchiveError(
            f"{_shown(name)} is no file that a submission has; it has {RECORD}, {README} and "
            f"{LOGS}/<task>.jsonl.gz: leave everything else out"
        )
    if count > MAX_FILES + 1:
        raise UnsafeArchiveError(f"there are more than {MAX_FILES} files; no submission has so many")


def _shown(name: str) -> str:
    return repr(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…")


class _Archive(Files):
    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        try:
            _require_small_directory(self._file)
            self._archive = zipfile.ZipFile(self._file)
            self._members = _members(self._archive)
        except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, ValueError, struct.error) as error:
            self._file.close()
            if isinstance(error, UnsafeArchiveError):
                raise
            raise UnsafeArchiveError(f"{path.name} is no zip archive ({error}); {_PACK}") from error

    @property
    def names(self) -> Sequence[str]:
        return sorted(self._members)

    def _open(self, name: str) -> IO[bytes]:
        return self._archive.open(self._members[name])

    def close(self) -> None:
        self._archive.close()
        self._file.close()

    def __enter__(self) -> Self:
        return self


_PACK = "pack the files of the submission's folder by `marft leaderboard pack`"


def _require_small_directory(file: BinaryIO) -> None:
    """Looks at an archive's last bytes only: what they say of its directory is all that is read of it afterwards.

    Raises: UnsafeArchiveError for an archive too long, with something behind its end, or with too many members.
    """
    size = file.seek(0, os.SEEK_END)
    if size > MAX_ARCHIVE_BYTES:
        raise UnsafeArchiveError(f"the archive has {size:,} bytes; a submission has at most {MAX_ARCHIVE_BYTES:,}")
    if size < _END.size:
        raise UnsafeArchiveError(f"the file has {size} bytes and is no zip archive; {_PACK}")
    file.seek(-_END.size, os.SEEK_END)
    mark, disk, first_disk, here, count, num_bytes, _, comment = _END.unpack(file.read(_END.size))
    if mark != _END_MARK or comment:
        raise UnsafeArchiveError(f"the file does not end as a zip archive without a comment does; {_PACK}")
    if size >= _END.size + _ZIP64_LOCATOR_BYTES:
        file.seek(-_END.size - _ZIP64_LOCATOR_BYTES, os.SEEK_END)
        if file.read(len(_ZIP64_MARK)) == _ZIP64_MARK:
            raise UnsafeArchiveError(f"the archive is a zip64 one, for sizes that no submission has; {_PACK}")
    if disk or first_disk or here != count or count > MAX_FILES + 1 or num_bytes > _MAX_DIRECTORY_BYTES:
        raise UnsafeArchiveError(f"the archive lists {count:,} members in {num_bytes:,} bytes; {_PACK}")
    file.seek(0)


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Those that are files. Raises: UnsafeArchiveError at the first that no submission has."""
    found: dict[str, zipfile.ZipInfo] = {}
    for count, member in enumerate(archive.infolist(), start=1):
        name = member.filename
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UnsafeArchiveError(f"{_shown(name)} is a link or a device; put a plain file there")
        if name == f"{LOGS}/" and not member.file_size:
            continue
        _require_known(name, count)
        if kind == stat.S_IFDIR or name in found:
            raise UnsafeArchiveError(f"{_shown(name)} is a folder, or is there twice; {_PACK}")
        if member.flag_bits & _ENCRYPTED or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UnsafeArchiveError(f"{_shown(name)} is encrypted, or packed in a way that nobody needs; {_PACK}")
        found[name] = member
    return found


def unpacked_lines(packed: bytes, name: str) -> Iterator[bytes]:
    """The lines of a compressed log, each with its line feed but perhaps the last.

    Raises: UnsafeArchiveError for what is no gzip, unpacks to more than `MAX_LOG_BYTES`, or has a line too long.
    """
    rest = b""
    for part in _unpacked(packed, name):
        lines = (rest + part).split(b"\n")
        rest = lines.pop()
        for line in lines:
            yield line + b"\n"
        if len(rest) > MAX_LINE_BYTES:
            raise UnsafeArchiveError(f"{name} has a line of more than {MAX_LINE_BYTES:,} bytes; no log has that")
    if rest:
        yield rest


def _unpacked(packed: bytes, name: str) -> Iterator[bytes]:
    gzip = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    size, waiting = 0, packed
    try:
        while not gzip.eof:
            part = gzip.decompress(waiting, MAX_LINE_BYTES)
            waiting = gzip.unconsumed_tail
            size += len(part)
            if not part and not waiting:
                break
            if size > MAX_LOG_BYTES:
                raise UnsafeArchiveError(f"{name} unpacks to more than {MAX_LOG_BYTES:,} bytes; no log has that")
            yield part
    except zlib.error as error:
        raise UnsafeArchiveError(f"{name} is no gzip ({error}); write the log again") from error
    if not gzip.eof or gzip.unused_data:
        raise UnsafeArchiveError(f"{name} ends too early, or holds more than one gzip member; write the log again")
