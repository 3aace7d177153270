"""Reads a submission out of a zip archive, possibly made to do harm.

How many members an archive has is read from its last bytes before anything is listed, so that a million of them cost
nothing. Members lie one after another from the first byte on, each once: what two programs could read differently, and
what is in no list, is refused.
"""

import os
import stat
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, BinaryIO, Self

from leaderboard.errors import UnsafeArchiveError
from leaderboard.files import MAX_FILES, Files, quoted, require_known
from leaderboard.names import LOGS

MAX_ARCHIVE_BYTES = 512_000_000
_MAX_DIRECTORY_BYTES = MAX_FILES * 512
"""Of an archive's list of members: each takes 46 bytes and its name, and archivers add a few."""
_END = struct.Struct("<4s4H2LH")
_END_MARK, _ZIP64_MARK = b"PK\x05\x06", b"PK\x06\x07"
_ZIP64_LOCATOR_BYTES = 20
_LOCAL = struct.Struct("<4s5H3L2H")
"""What stands before a member's name and bytes; its last two numbers are how long name and extras are."""
_LOCAL_MARK = b"PK\x03\x04"
_ENCRYPTED, _DESCRIBED_BEHIND = 0x1, 0x8
"""Flags of a member: the second, that its sizes stand behind it, as where an archive was written to a pipe."""
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_PACK = "pack the files of the submission's folder by `marft leaderboard pack`"


class ZipFiles(Files):
    """The files of a submission in a zip archive."""

    def __init__(self, path: Path) -> None:
        """Raises: UnsafeArchiveError for anything that no submission has; OSError."""
        self._file = path.open("rb")
        try:
            begins = _require_small_directory(self._file)
            self._archive = zipfile.ZipFile(self._file)
            self._members = _members(self._archive)
            _require_nothing_else(self._file, self._archive.infolist(), begins)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error) as error:
            self._file.close()
            if isinstance(error, UnsafeArchiveError):
                raise
            raise UnsafeArchiveError(f"{quoted(path.name)} is no zip archive ({error}); {_PACK}") from error

    @property
    def names(self) -> Sequence[str]:
        return sorted(self._members)

    def read(self, name: str, limit: int) -> bytes:
        content = super().read(name, limit)
        if len(content) != self._members[name].file_size:
            raise UnsafeArchiveError(f"{name} is said to have {self._members[name].file_size:,} bytes; {_PACK}")
        return content

    def _open(self, name: str) -> IO[bytes]:
        return self._archive.open(self._members[name])

    def close(self) -> None:
        self._archive.close()
        self._file.close()

    def __enter__(self) -> Self:
        return self


def _require_small_directory(file: BinaryIO) -> int:
    """Looks at an archive's last bytes only, and returns where its list of members begins.

    Raises: UnsafeArchiveError for an archive too long, with something behind its end, or with too many members.
    """
    size = file.seek(0, os.SEEK_END)
    if size > MAX_ARCHIVE_BYTES:
        raise UnsafeArchiveError(f"the archive has {size:,} bytes; a submission has at most {MAX_ARCHIVE_BYTES:,}")
    if size < _END.size:
        raise UnsafeArchiveError(f"the file has {size} bytes and is no zip archive; {_PACK}")
    file.seek(-_END.size, os.SEEK_END)
    mark, disk, first_disk, here, count, num_bytes, begins, comment = _END.unpack(file.read(_END.size))
    if mark != _END_MARK or comment:
        raise UnsafeArchiveError(f"the file does not end as a zip archive without a comment does; {_PACK}")
    if size >= _END.size + _ZIP64_LOCATOR_BYTES:
        file.seek(-_END.size - _ZIP64_LOCATOR_BYTES, os.SEEK_END)
        if file.read(len(_ZIP64_MARK)) == _ZIP64_MARK:
            raise UnsafeArchiveError(f"the archive is a zip64 one, for sizes that no submission has; {_PACK}")
    if disk or first_disk or here != count or count > MAX_FILES + 1 or num_bytes > _MAX_DIRECTORY_BYTES:
        raise UnsafeArchiveError(f"the archive lists {count:,} members in {num_bytes:,} bytes; {_PACK}")
    if begins + num_bytes + _END.size != size:
        raise UnsafeArchiveError(f"something stands before the archive, or between its list and its end; {_PACK}")
    file.seek(0)
    return int(begins)


def _members(archive: zipfile.ZipFile) -> Mapping[str, zipfile.ZipInfo]:
    """Those that are files. Raises: UnsafeArchiveError at the first that no submission has."""
    found: dict[str, zipfile.ZipInfo] = {}
    for count, member in enumerate(archive.infolist(), start=1):
        name = member.orig_filename  # `filename` ends at a NUL
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UnsafeArchiveError(f"{quoted(name)} is a link or a device; put a plain file there")
        if name == f"{LOGS}/" and not member.file_size and name not in found:
            found[name] = member
            continue
        require_known(name, count)
        if kind == stat.S_IFDIR or name in found:
            raise UnsafeArchiveError(f"{quoted(name)} is a folder, or is there twice; {_PACK}")
        if member.flag_bits & (_ENCRYPTED | _DESCRIBED_BEHIND) or member.compress_type not in _PACKINGS:
            raise UnsafeArchiveError(f"{quoted(name)} is encrypted, or packed in a way that nobody needs; {_PACK}")
        found[name] = member
    return {name: member for name, member in found.items() if not name.endswith("/")}


def _require_nothing_else(file: BinaryIO, members: Sequence[zipfile.ZipInfo], end: int) -> None:
    """Raises: UnsafeArchiveError if members overlap, or something stands between them that is in no list."""
    reached = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        file.seek(member.header_offset)
        mark, *_, name_bytes, extra_bytes = _LOCAL.unpack(file.read(_LOCAL.size))
        if mark != _LOCAL_MARK or member.header_offset != reached:
            raise UnsafeArchiveError(f"{quoted(member.filename)} does not begin where one before it ends; {_PACK}")
        reached += _LOCAL.size + name_bytes + extra_bytes + member.compress_size
    if reached != end:
        raise UnsafeArchiveError(f"something stands behind the last member that is in no list; {_PACK}")
