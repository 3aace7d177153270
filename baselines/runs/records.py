"""A run's records: JSON lines that survive a kill, and JSON that any other program can read."""

import dataclasses
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from types import TracebackType
from typing import Self, TypeAlias

import numpy as np

from baselines.errors import CheckpointError
from baselines.runs.disk import append_whole, write_atomically

Record: TypeAlias = dict[str, object]
"""One line of a record file."""

STAMPS = ("iteration", "wall_s", "cpu_s")
"""What the bookkeeping adds to every record; no metric may have such a name."""

_NOT_AGENTS = frozenset({"train", "critic", "time"})
"""Groups of metrics that concern the whole team."""


class RecordWriter:
    """Appends records to a file of JSON lines; each has reached the system when `append` returns."""

    def __init__(self, path: Path):
        self.path = path
        self._file = path.open("ab", buffering=0)

    def append(self, record: Mapping[str, object]) -> None:
        """Write one line. If that fails, the file ends where it ended before."""
        line = json.dumps(to_json(record), ensure_ascii=False, allow_nan=False) + "\n"
        append_whole(self._file, line.encode())

    def sync(self) -> None:
        """Return once every record has reached the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_records(path: Path) -> list[Record]:
    """Every complete record of a file; none if there is no file.

    A last line without its line end was being written when the process was killed, and is left out.

    Raises:
        CheckpointError: a line in the middle is not a JSON object.
    """
    if not path.exists():
        return []
    *lines, _ = path.read_bytes().split(b"\n")
    records: list[Record] = []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise CheckpointError(
                f"{path}:{number} is not a JSON object: {line[:80]!r}. The file was edited or damaged; "
                "delete that line to use the others."
            )
        records.append(record)
    return records


def keep_records(path: Path, keep: Callable[[int], bool]) -> None:
    """Drop the records of the iterations that `keep` refuses, and an unfinished last line."""
    if not path.exists():
        return
    kept = [record for record in read_records(path) if keep(iteration_of(record))]
    lines = [json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n" for record in kept]
    write_atomically(path, "".join(lines).encode())


def iteration_of(record: Mapping[str, object]) -> int:
    """The iteration that a record belongs to; -1 if it does not say."""
    iteration = record.get("iteration")
    return iteration if isinstance(iteration, int) else -1


def number_of(value: object) -> float | None:
    """A recorded value as a float: numbers, truth values, and the words for what JSON cannot write."""
    if isinstance(value, bool | int | float):
        return float(value)
    if value in ("nan", "inf", "-inf"):
        return float(str(value))
    return None


def group_of(name: str) -> str:
    """`reasoner_0/kl` belongs to `reasoner_0`; a name without a group to ''."""
    return name.rpartition("/")[0]


def agents_in(records: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
    """The groups that are agents, in order of appearance: those with a policy, hence a KL or an entropy."""
    policies = (group_of(name) for record in records for name in record if name.endswith(("/kl", "/entropy")))
    return tuple(dict.fromkeys(group for group in policies if group and group not in _NOT_AGENTS))


def to_json(value: object) -> object:
    """The value as strict JSON has it: paths as text, dataclasses by field, NaN and infinities as words.

    Raises:
        TypeError: there is no faithful form, as for a tensor or a function.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, PurePath):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    raise TypeError(f"cannot record {value!r}: {type(value).__name__} has no JSON form; convert it first")


def pretty_json(value: object) -> bytes:
    """A JSON document for people: indented, one line end at the end."""
    return (json.dumps(to_json(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
