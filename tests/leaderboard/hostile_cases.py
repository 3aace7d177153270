"""Hostile submissions by name: how each is made, and which rules it breaks."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from leaderboard.names import log_name, tokens_name
from leaderboard.schema import RECORD, digest_of, sha256_of
from tests.leaderboard.submissions import SUM

Build = Callable[[Path, Path], Path | None]
"""(folder with a valid submission, an empty folder beside it) -> what is validated; None for the folder."""
CASES: dict[str, tuple[set[str], Build]] = {}
"""Name -> the rules one of which it breaks, and how it is made."""
LOG, TOKENS = log_name(SUM.key), tokens_name(SUM.key)


def case(name: str, rules: tuple[str, ...], build: Build) -> None:
    CASES[name] = (set(rules), build)


def refused_by(*rules: str) -> Callable[[Build], Build]:
    def kept(build: Build) -> Build:
        case(build.__name__.replace("_", " "), rules, build)
        return build

    return kept


def sealed(record: dict[str, Any]) -> bytes:
    """The record with its digest."""
    return json.dumps({**record, "digest": digest_of(record)}).encode()


def put(folder: Path, name: str, kind: str, content: bytes) -> None:
    """A file of the first task, with its digest in the record."""
    (folder / name).write_bytes(content)
    record = json.loads((folder / RECORD).read_bytes())
    record["tasks"][0][kind] = sha256_of(content)
    (folder / RECORD).write_bytes(sealed(record))
