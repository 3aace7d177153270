"""What earlier replays came to, kept in a folder, so that a page of many entries replays only those that are new.

What a task's episodes come to follows from its record, the files that the record names by their hashes, the season's
seeds, how the environment behaves, and this suite on this Python. All of that is in the name under which it is kept, so
whatever changes is replayed again; only what was found right is kept. It is believed as it is: the folder must be one
that nobody else can write into. A change of this suite that leaves its version alone is nothing that the name tells,
so forget what was kept when the suite changes (the workflow that publishes does).
"""

import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

import marft_envs
from leaderboard.schema import TaskResult
from leaderboard.scores import Played
from leaderboard.tracks import Task

_FORM = 1
"""Of what is kept; another one is not read."""
_PLAYS = TypeAdapter(tuple[Played, ...])


class Remembered:
    """Replays that are in a folder."""

    def __init__(self, folder: Path) -> None:
        """Raises: OSError if there can be no such folder."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def find(self, name: str) -> tuple[Played, ...] | None:
        """What is kept under a name; None if nothing is, or nothing that can be read."""
        try:
            return _PLAYS.validate_json((self.folder / f"{name}.json").read_bytes(), strict=True)
        except (OSError, ValidationError):
            return None

    def keep(self, name: str, plays: Sequence[Played]) -> None:
        """All of it, or nothing, whatever stops it."""
        handle, temporary = tempfile.mkstemp(dir=self.folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_PLAYS.dump_json(tuple(plays)))
            Path(temporary).replace(self.folder / f"{name}.json")
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise


def name_of(season: str, task: Task, result: TaskResult, behaviour: str) -> str:
    """All that the plays of a task follow from, as one hash."""
    told = {
        "form": _FORM,
        "suite": marft_envs.__version__,
        "python": platform.python_version(),
        "season": season,
        "task": task.key,
        "instances": task.num_instances,
        "result": result.model_dump(mode="json"),
        "behaviour": behaviour,
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
