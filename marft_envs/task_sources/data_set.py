"""A list of tasks from a data set: which split and level each has, what is left out, and how one is drawn.

Where the data have a part "test" of their own, that is the test split, and what it shares with the part "train" is left
out there. A single file is split by a hash of the key, from 2,000 tasks up; equal tasks have one split, in whatever
format they stand.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np

from marft_envs.errors import DataError
from marft_envs.seeding import MIN_SPLIT_INSTANCES, split_of
from marft_envs.task_sources.places import Record, read_parts
from marft_envs.task_sources.source import Source

ALL = "all"
"""The last level of every data set, and the default: all of its tasks."""
SALT = "data"
"""One for all formats: who trains on GSM8K as `gsm8k` is not tested on it as `jsonl`."""
_MOST_LEVELS = 50
"""More different values of `level` are no levels."""
_SHOWN = 8
_DIGEST_BYTES = 20
"""Enough that nobody finds other tasks with the same fingerprint."""


class KeyedTask(Protocol):
    """A dataclass with what decides about its split."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def key(self) -> str:
        """The same for tasks that teach the same."""

    @property
    def split(self) -> str | None:
        """Which it is in, where the source knows."""


TaskT = TypeVar("TaskT", bound=KeyedTask)


@dataclass(frozen=True, slots=True)
class Row(Generic[TaskT]):
    """A record on its way to a task of a level."""

    number: int
    """Its place in the data, from 1."""
    level: str
    task: TaskT


@dataclass(frozen=True, slots=True)
class Parts(Generic[TaskT]):
    """What was read of a data set."""

    rows: Mapping[str, Sequence[Row[TaskT]]]
    """By the parts that it has: "train", "test", or both."""
    skipped: tuple[str, ...] = ()
    """What was left out, in words."""


class DataSet(Source[TaskT]):
    """The tasks of a data set, all in memory.

    Args:
        parts: What was read.
        words: All that is drawn of a task but its split, for the fingerprint.
        order: Levels from easy to hard. Others, if one is not among these, are in numeric order, or that of the data.
    """

    default_level = ALL
    split_salt = SALT

    def __init__(self, parts: Parts[TaskT], words: Callable[[TaskT], Iterable[str]], order: Sequence[str] = ()) -> None:
        self.skipped = parts.skipped
        self._parts = frozenset(parts.rows)
        self._is_hashed = [*parts.rows] == ["train"] and len(parts.rows["train"]) >= MIN_SPLIT_INSTANCES
        rows = [_placed(row, None if self._is_hashed else split) for split, part in parts.rows.items() for row in part]
        self.fingerprint = _fingerprint(rows, words)
        self._tasks = _by_level_and_split(rows, order)
        self.levels = tuple(self._tasks)

    def draw(self, level: str | None, rng: np.random.Generator, split: str) -> TaskT:
        tasks = self._tasks[str(level)][split]
        return tasks[int(rng.integers(len(tasks)))]

    def why_not(self, split: str, level: str | None) -> str:
        tasks = self._tasks[str(level)]
        count = sum(map(len, tasks.values()))
        is_few = split == "test" and count < MIN_SPLIT_INSTANCES
        if self._is_hashed and is_few:
            return f"level {level!r} has only {count} tasks, too few to hold some out"
        if split in tasks:
            return ""
        if self._is_hashed:
            return f"level {level!r} is small, and a hash of the question puts none of its tasks into this split"
        if split in self._parts:
            return f"level {level!r} has no task in the part {split!r}"
        if is_few:
            return f"{count} tasks are too few to hold some out, and the data have no part 'test'; add test.jsonl"
        return f"the data have no part {split!r}"


# ---- from records to rows


class Sieve(Generic[TaskT]):
    """Leaves rows of a part out, and keeps in words which."""

    def __init__(self, place: str, records: str) -> None:
        self.place = place
        self.records = records
        """How many there are, of which part."""
        self.skipped: list[str] = []

    def kept(
        self, rows: Sequence[Row[TaskT]], keep: Callable[[Row[TaskT]], bool], what: str, or_else: str = ""
    ) -> list[Row[TaskT]]:
        """The rows that stay. Raises: DataError if there are none, and `or_else` says that there have to be some."""
        kept = [row for row in rows if keep(row)]
        self.told([row.number for row in rows if not keep(row)], what)
        self.check_some(kept, or_else)
        return kept

    def told(self, numbers: Sequence[int], what: str) -> None:
        """Keeps in words that these records are left out."""
        if numbers:
            shown = ", ".join(map(str, numbers[:_SHOWN])) + (", …" if len(numbers) > _SHOWN else "")
            self.skipped.append(f"{self.place}: {len(numbers)} of {self.records} {what} are left out: {shown}")

    def check_some(self, rows: Sequence[Row[TaskT]], or_else: str) -> None:
        """Raises: DataError if there are none, and `or_else` says that there have to be some."""
        if or_else and not rows:
            raise DataError(f"{self.place}: none of {self.records} has {or_else}; is this the right format?")


def read_data_set(
    place: str,
    configurations: tuple[str, ...],
    rows_of: Callable[[Sequence[Record], Sieve[TaskT]], list[Row[TaskT]]],
) -> Parts[TaskT]:
    """The rows of each part that can be tasks; what is in the test part, too, is no longer in the part for training.

    Raises: DataError.
    """
    sieves: dict[str, Sieve[TaskT]] = {}
    rows: dict[str, list[Row[TaskT]]] = {}
    for split, records in read_parts(place, configurations).items():
        sieves[split] = Sieve(place, f"{len(records)} records ({split})")
        rows[split] = rows_of(records, sieves[split])
    if len(rows) > 1:
        held_out = {row.task.key for row in rows["test"]}
        rows["train"] = sieves["train"].kept(
            rows["train"], lambda row: row.task.key not in held_out, "that are in the test part, too,"
        )
    return Parts(rows, tuple(words for sieve in sieves.values() for words in sieve.skipped))


# ---- from rows to tasks


def _placed(row: Row[TaskT], part: str | None) -> Row[TaskT]:
    """The row with its split: that of its part, or where the data have none, by a hash of the key."""
    return replace(row, task=replace(row.task, split=part or split_of(SALT, row.task.key)))


def _fingerprint(rows: Sequence[Row[TaskT]], words: Callable[[TaskT], Iterable[str]]) -> str:
    """How many there are, and a hash of all that is drawn, in its order, since a seed stands for a place in it."""
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for row in rows:
        for field in (*words(row.task), str(row.task.split), row.level):
            digest.update(f"{len(field)}:{field}".encode())
    return f"{len(rows)} tasks {digest.hexdigest()}"


def _by_level_and_split(rows: Sequence[Row[TaskT]], order: Sequence[str]) -> dict[str, dict[str, list[TaskT]]]:
    """The tasks of each level, from easy to hard, and of all; only splits that it has."""
    found: dict[str, dict[str, list[TaskT]]] = {}
    for row in rows:
        for level in {row.level, ALL}:
            found.setdefault(level, {}).setdefault(str(row.task.split), []).append(row.task)
    names = [name for name in found if name not in ("", ALL)]
    if not 1 < len(names) <= _MOST_LEVELS:
        names = []
    if all(name in order for name in names):
        names.sort(key=list(order).index)
    elif all(name.isdecimal() for name in names):
        names.sort(key=int)
    return {name: found[name] for name in (*names, ALL)}
