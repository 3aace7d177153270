"""Packs a submission: the same bytes for the same files."""

import zipfile
from pathlib import Path

from leaderboard.archive import MAX_PACKED_BYTES, open_files

_MADE = (1980, 1, 1, 0, 0, 0)
"""The first time that a zip archive can hold: when a file was written is nobody's business."""


def pack(folder: str | Path, archive: str | Path) -> None:
    """Writes a zip archive of the submission in a folder.

    Raises: UnsafeArchiveError if there is anything that no submission has.
    """
    with open_files(folder) as files, zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in files.names:
            member = zipfile.ZipInfo(name, _MADE)
            member.external_attr = 0o100644 << 16
            # Logs are compressed already.
            member.compress_type = zipfile.ZIP_STORED if name.endswith(".gz") else zipfile.ZIP_DEFLATED
            packed.writestr(member, files.read(name, MAX_PACKED_BYTES))
