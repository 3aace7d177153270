r"""Tasks from data sets: the formats of GSM8K and MATH, and any JSON lines with a question and an answer.

| format | question | answer | levels |
|---|---|---|---|
| `gsm8k` (arXiv 2110.14168) | `question` | what follows `####` in `answer` | steps: the lines of the worked answer |
| `math` (arXiv 2103.03874) | `problem` | `answer`, `final_answer`, or the last box of `solution` | `level`, 1 to 5 |
| `jsonl` | `question` | `answer`, text or a number | `level`, where the records have one |

Where the data have a part "test" of their own, that is the test split, and what it shares with the part "train" is left
out there. A single file is split by a hash of the question, from 2,000 tasks up; equal questions have one split, in
whatever format they stand. Only equal ones: MATH's training file has 125 groups of problems that differ in nothing but
their numbers, 49 of which a hash puts into both splits.

Left out, and told by a warning, is what nobody could learn from: no answer, or one that no reply could match; several
answers to one question. Of a question that is repeated the first is kept.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np

from marft_envs.errors import DataError
from marft_envs.grading.equality import is_right, same_answer
from marft_envs.math.arithmetic import MIN_SPLIT_INSTANCES
from marft_envs.math.formats import FORMATS, Format, as_text, unboxed
from marft_envs.math.source import Source, Task
from marft_envs.seeding import split_of
from marft_envs.task_sources.places import Record, read_parts

ALL = "all"
"""The last level of every data set, and the default: all of its tasks."""
SALT = "data"
"""One for all formats: who trains on GSM8K as `gsm8k` is not tested on it as `jsonl`."""
_MOST_LEVELS = 50
"""More different values of `level` are no levels."""
_SHOWN = 8
_DIGEST_BYTES = 20
"""Enough that nobody finds other tasks with the same fingerprint."""
_PLAIN_INTEGER = re.compile(r"-?[0-9]{1,18}")
"""Nearly all of GSM8K, and any reply can match it: trying every one would take longer than reading them."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A record on its way to a task of a level."""

    number: int
    """Its place in the data, from 1."""
    level: str
    task: Task


class DataSet(Source):
    """The tasks of a data set, all in memory.

    Args:
        format: One of `FORMATS`.
        place: What `marft_envs.task_sources.places.read_parts` reads; empty for the format's own on the hub.

    Raises: DataError.
    """

    default_level = ALL
    split_salt = SALT

    def __init__(self, format: str, place: str = "") -> None:  # noqa: A002  # the field's word
        how = FORMATS[format]
        self.name = format
        self.place = place or how.hub_id
        if not self.place:
            raise DataError(f"source is {format!r}, which lies nowhere by itself; give the path of a file or folder")
        parts, self.skipped = _read(how, self.place)
        self._parts = frozenset(parts)
        self._is_hashed = [*parts] == ["train"] and len(parts["train"]) >= MIN_SPLIT_INSTANCES
        rows = [_placed(row, None if self._is_hashed else split) for split, part in parts.items() for row in part]
        self.fingerprint = _fingerprint(rows)
        self._tasks = _by_level_and_split(rows)
        self.levels = tuple(self._tasks)

    def draw(self, level: str | None, rng: np.random.Generator, split: str) -> Task:
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


def _read(how: Format, place: str) -> tuple[dict[str, list[_Row]], tuple[str, ...]]:
    """The rows of each part that can be tasks; and, in words, what was left out."""
    sieves: dict[str, _Sieve] = {}
    parts: dict[str, list[_Row]] = {}
    for split, records in read_parts(place, how.configurations).items():
        sieves[split] = _Sieve(place, f"{len(records)} records ({split})")
        parts[split] = _solvable(_rows(how, records, place), sieves[split])
    if len(parts) > 1:
        held_out = {row.task.key for row in parts["test"]}
        parts["train"] = sieves["train"].kept(
            parts["train"], lambda row: row.task.key not in held_out, "that are in the test part, too,"
        )
    return parts, tuple(words for sieve in sieves.values() for words in sieve.skipped)


def _rows(how: Format, records: Sequence[Record], place: str) -> list[_Row]:
    rows = []
    for number, record in enumerate(records, start=1):
        question, answer, level = (as_text(read(record)) for read in (how.question, how.answer, how.level))
        if not question:
            raise DataError(f"{place}: record {number} has no question; its fields are {', '.join(record)}")
        rows.append(_Row(number, level, Task(question, unboxed(answer), " ".join(question.split()))))
    return rows


class _Sieve:
    """Leaves rows of a part out, and keeps in words which."""

    def __init__(self, place: str, records: str) -> None:
        self.place = place
        self.records = records
        """How many there are, of which part."""
        self.skipped: list[str] = []

    def kept(self, rows: list[_Row], keep: Callable[[_Row], bool], what: str, or_else: str = "") -> list[_Row]:
        """The rows that stay. Raises: DataError if there are none, and `or_else` says that there have to be some."""
        kept = [row for row in rows if keep(row)]
        if or_else and not kept:
            raise DataError(f"{self.place}: none of {self.records} has {or_else}; is this the right format?")
        if len(kept) < len(rows):
            numbers = [str(row.number) for row in rows if not keep(row)]
            shown = ", ".join(numbers[:_SHOWN]) + (", …" if len(numbers) > _SHOWN else "")
            self.skipped.append(f"{self.place}: {len(numbers)} of {self.records} {what} are left out: {shown}")
        return kept


def _solvable(rows: list[_Row], sieve: _Sieve) -> list[_Row]:
    """Those with one answer that a reply can match, each question once."""
    rows = sieve.kept(rows, lambda row: row.task.answer != "", "without an answer", or_else="an answer")
    tried = {row.task.answer: row.task.boxed for row in rows}
    hopeless = {
        answer
        for answer, reply in tried.items()
        if not _PLAIN_INTEGER.fullmatch(answer) and not is_right(reply, answer)
    }
    rows = sieve.kept(
        rows,
        lambda row: row.task.answer not in hopeless,
        "with an answer that no reply could match",
        or_else="an answer that a reply could match",
    )
    firsts: dict[str, _Row] = {}
    disputed: set[str] = set()
    for row in rows:
        first = firsts.setdefault(row.task.key, row)
        if first is not row and not same_answer(row.task.answer, first.task.answer):
            disputed.add(row.task.key)
    rows = sieve.kept(
        rows,
        lambda row: row.task.key not in disputed,
        "whose question stands there with different answers",
        or_else="a question with one answer",
    )
    return sieve.kept(rows, lambda row: firsts[row.task.key] is row, "whose question stands there before")


# ---- from rows to tasks


def _placed(row: _Row, part: str | None) -> _Row:
    """The row with its split: that of its part, or where the data have none, by a hash of the question."""
    return replace(row, task=replace(row.task, split=part or split_of(SALT, row.task.key)))


def _fingerprint(rows: list[_Row]) -> str:
    """How many there are, and a hash of all that is drawn, in its order, since a seed stands for a place in it."""
    fields = [field for row in rows for field in (row.task.question, row.task.answer, str(row.task.split), row.level)]
    lengths_first = "".join(f"{len(field)}:{field}" for field in fields)
    return f"{len(rows)} tasks {blake2b(lengths_first.encode('utf-8'), digest_size=_DIGEST_BYTES).hexdigest()}"


def _by_level_and_split(rows: list[_Row]) -> dict[str, dict[str, list[Task]]]:
    """The tasks of each level, from easy to hard, and of all; only splits that it has."""
    found: dict[str, dict[str, list[Task]]] = {}
    for row in rows:
        for level in {row.level, ALL}:
            found.setdefault(level, {}).setdefault(str(row.task.split), []).append(row.task)
    names = [name for name in found if name not in ("", ALL)]
    if not 1 < len(names) <= _MOST_LEVELS:
        names = []
    if all(name.isdecimal() for name in names):
        names.sort(key=int)
    return {name: found[name] for name in (*names, ALL)}
