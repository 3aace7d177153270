"""Fills a folder with files, and takes away those that it was filled with before; nobody else's are touched."""

import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from leaderboard.errors import SubmissionError
from leaderboard.schema import sha256_of

MANIFEST = "files.json"
"""Lists the files of a folder by their digests."""


def require_folder(path: Path) -> None:
    """Raises: SubmissionError if something else than a folder is there."""
    if path.exists() and not path.is_dir():
        raise SubmissionError(f"{path} is there, and no folder; choose another place, or move it")


def fill_folder(folder: Path, files: Iterable[tuple[str, str]]) -> None:
    """Writes files, given as names below the folder and texts, and their list. Left-over ones of last time are removed.

    Raises: SubmissionError if one stands in the way that no list tells of.
    """
    before = _listed(folder)
    written: dict[str, str] = {}
    try:
        for name, text in files:
            assert name not in written and name != MANIFEST, f"{name} is written twice"
            path = folder / name
            if path.exists() and name not in before:
                raise SubmissionError(f"{path} is there, and no page of a board; choose another folder, or move it")
            content = text.encode()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            written[name] = sha256_of(content)
    except BaseException:
        _write_list(folder, before | written)  # so that who is stopped here can go on
        raise
    for name in sorted(set(before) - set(written)):
        path = folder / name
        path.unlink(missing_ok=True)
        _remove_empty(path.parent, folder)
    _write_list(folder, written)


def _write_list(folder: Path, digests: dict[str, str]) -> None:
    if digests:
        (folder / MANIFEST).write_text(json.dumps(digests, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _listed(folder: Path) -> dict[str, str]:
    """Name -> digest of what it was filled with. Raises: SubmissionError if its list is none."""
    path = folder / MANIFEST
    if not path.exists():
        return {}
    try:
        digests = dict(json.loads(path.read_text(encoding="utf-8")))
        if not all(isinstance(name, str) and _is_below(name) for name in digests):
            raise ValueError("it names something outside of the folder")
    except (ValueError, TypeError) as error:
        raise SubmissionError(f"{path} is no list of a board's files ({error}); choose another folder") from error
    return digests


def _is_below(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and ".." not in parts and not name.startswith("/")


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
