r"""Tasks from data sets: the formats of GSM8K and MATH, and any JSON lines with a question and an answer.

| format | question | answer | levels |
|---|---|---|---|
| `gsm8k` (arXiv 2110.14168) | `question` | what follows `####` in `answer` | steps: the lines of the worked answer |
| `math` (arXiv 2103.03874) | `problem` | `answer`, `final_answer`, or the last box of `solution` | `level`, 1 to 5 |
| `jsonl` | `question` | `answer`, text or a number | `level`, where the records have one |

Where the data have a part "test" of their own, that is the test split, and what it shares with the part "train" is left
out there. A single file is split by a hash of the question, from 2,000 tasks up.
"""

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from marft_envs.errors import DataError, SkippedRecordsWarning
from marft_envs.grading.answers import last_boxed
from marft_envs.math.arithmetic import MIN_SPLIT_INSTANCES
from marft_envs.math.places import Record, read_parts
from marft_envs.math.source import Source, Task

ALL = "all"
"""The last level of every data set, and the default: all of its tasks."""
MAX_STEPS = 8
"""GSM8K's worked answers have up to 14 lines; those with 8 or more, few, are one level."""
_MOST_LEVELS = 50
"""More different values of `level` are no levels."""
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Format:
    """How a record becomes a task."""

    question: Callable[[Record], object]
    answer: Callable[[Record], object]
    level: Callable[[Record], object]
    hub_id: str = ""
    """Where the data set lies on the Hugging Face Hub; empty for no place of its own."""
    configurations: tuple[str, ...] = ()
    """Those that make up the whole there."""


class DataSet(Source):
    """The tasks of a data set, all in memory.

    Args:
        format: One of `FORMATS`.
        place: What `marft_envs.math.places.read_parts` reads; empty for the format's own on the hub.

    Raises: DataError.
    """

    default_level = ALL

    def __init__(self, format: str, place: str = "") -> None:  # noqa: A002  # the field's word
        how = FORMATS[format]
        self.name = format
        place = place or how.hub_id
        if not place:
            raise DataError(f"source is {format!r}, which lies nowhere by itself; give the path of a file or folder")
        parts = {split: _tasks(how, records, place) for split, records in read_parts(place, how.configurations).items()}
        if len(parts) > 1:
            parts["train"] = _without(parts["train"], parts["test"], place)
        self._parts = frozenset(parts)
        self._tasks = _by_level(parts)
        self.levels = tuple(self._tasks)

    def draw(self, level: str | None, rng: np.random.Generator) -> Task:
        tasks = self._tasks[str(level)]
        return tasks[int(rng.integers(len(tasks)))]

    def why_not(self, split: str, level: str | None) -> str:
        tasks = self._tasks[str(level)]
        if any(task.split == split for task in tasks):
            return ""
        if tasks[0].split is None:
            few = split == "test" and len(tasks) < MIN_SPLIT_INSTANCES
            return f"level {level!r} has only {len(tasks)} tasks, too few to hold some out" if few else ""
        if split in self._parts:
            return f"level {level!r} has no task in the part {split!r}"
        if split == "test" and len(tasks) < MIN_SPLIT_INSTANCES:
            return f"{len(tasks)} tasks are too few to hold some out, and the data have no part 'test'; add test.jsonl"
        return f"the data have no part {split!r}"


def _tasks(how: Format, records: Sequence[Record], place: str) -> list[tuple[str, Task]]:
    """Level and task of every record that has an answer; the others are counted by a warning."""
    tasks: list[tuple[str, Task]] = []
    unanswered: list[int] = []
    for number, record in enumerate(records, start=1):
        question, answer, level = (_text(read(record)) for read in (how.question, how.answer, how.level))
        if not question:
            raise DataError(f"{place}: record {number} has no question; its fields are {', '.join(record)}")
        if answer:
            tasks.append((level, Task(question, answer, " ".join(question.split()))))
        else:
            unanswered.append(number)
    if not tasks:
        raise DataError(f"{place}: none of {len(records)} records has an answer; is this the right format?")
    _tell_skipped(place, "without an answer", unanswered, len(records))
    return tasks


def _text(value: object) -> str:
    """A field as text: numbers as they are written, nothing for what is neither."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _without(train: list[tuple[str, Task]], test: list[tuple[str, Task]], place: str) -> list[tuple[str, Task]]:
    held_out = {task.key for _, task in test}
    shared = [number for number, (_, task) in enumerate(train, start=1) if task.key in held_out]
    _tell_skipped(place, "of the training part that are in the test part, too,", shared, len(train))
    return [(level, task) for level, task in train if task.key not in held_out]


def _tell_skipped(place: str, what: str, numbers: list[int], total: int) -> None:
    if numbers:
        shown = ", ".join(map(str, numbers[:_SHOWN])) + (", …" if len(numbers) > _SHOWN else "")
        warnings.warn(
            f"{place}: {len(numbers)} of {total} records {what} are left out: {shown}",
            SkippedRecordsWarning,
            stacklevel=2,
        )


def _by_level(parts: Mapping[str, list[tuple[str, Task]]]) -> Mapping[str, Sequence[Task]]:
    """The tasks of each level, from easy to hard, and of all; each with the split to which the data assign it."""
    is_hashed = len(parts) == 1 and "train" in parts and len(parts["train"]) >= MIN_SPLIT_INSTANCES
    found: dict[str, list[Task]] = {}
    every: list[Task] = []
    for split, tasks in parts.items():
        for level, task in tasks:
            placed = task if is_hashed else replace(task, split=split)
            every.append(placed)
            if level:
                found.setdefault(level, []).append(placed)
    if not 1 < len(found) <= _MOST_LEVELS:
        found = {}
    names = sorted(found, key=int) if all(name.isdecimal() for name in found) else list(found)
    return {**{name: found[name] for name in names if name != ALL}, ALL: every}


# ---- the formats


def _steps(record: Record) -> str:
    """How many lines the worked answer has before the answer itself."""
    lines = str(record.get("answer", "")).rpartition("####")[0].splitlines()
    return str(min(max(sum(1 for line in lines if line.strip()), 1), MAX_STEPS))


def _boxed(record: Record) -> object:
    return record.get("answer") or record.get("final_answer") or last_boxed(str(record.get("solution", "")))


def _numbered_level(record: Record) -> str:
    """`Level 3`, `3` or 3 as `3`; empty for the few of MATH that have `Level ?`."""
    found = re.search(r"[0-9]+", str(record.get("level", "")))
    return found[0] if found else ""


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "gsm8k": Format(
            question=lambda record: record.get("question"),
            answer=lambda record: str(record.get("answer", "")).rpartition("####")[2],
            level=_steps,
            hub_id="openai/gsm8k",
            configurations=("main",),
        ),
        "math": Format(
            question=lambda record: record.get("problem"),
            answer=_boxed,
            level=_numbered_level,
            hub_id="EleutherAI/hendrycks_math",
            configurations=(
                "algebra",
                "counting_and_probability",
                "geometry",
                "intermediate_algebra",
                "number_theory",
                "prealgebra",
                "precalculus",
            ),
        ),
        "jsonl": Format(
            question=lambda record: record.get("question"),
            answer=lambda record: record.get("answer"),
            level=lambda record: record.get("level"),
        ),
    }
)
