r"""Tasks from data sets: the formats of GSM8K and MATH, and any JSON lines with a question and an answer.

| format | question | answer | levels |
|---|---|---|---|
| `gsm8k` (arXiv 2110.14168) | `question` | what follows `####` in `answer` | steps: the lines of the worked answer |
| `math` (arXiv 2103.03874) | `problem` | `answer`, `final_answer`, or the last box of `solution` | `level`, 1 to 5 |
| `jsonl` | `question` | `answer`, text or a number | `level`, where the records have one |

Splits are those of `marft_envs.task_sources.data_set`; the key is the question. Only equal ones have one split: MATH's
training file has 125 groups of problems that differ in nothing but their numbers, 49 of which a hash puts into both.

Left out, and told by a warning, is what nobody could learn from: no answer, or one that no reply could match; several
answers to one question. Of a question that is repeated the first is kept.
"""

import re
from collections.abc import Sequence

from marft_envs.errors import DataError
from marft_envs.grading.equality import is_right, same_answer
from marft_envs.math.formats import FORMATS, Format, as_text, unboxed
from marft_envs.math.source import Source, Task
from marft_envs.task_sources import data_set
from marft_envs.task_sources.data_set import Row, Sieve, read_data_set
from marft_envs.task_sources.places import Record

_PLAIN_INTEGER = re.compile(r"-?[0-9]{1,18}")
"""Nearly all of GSM8K, and any reply can match it: trying every one would take longer than reading them."""


class DataSet(Source, data_set.DataSet[Task]):
    """The tasks of a data set, all in memory.

    Args:
        format: One of `FORMATS`.
        place: What `marft_envs.task_sources.places.read_parts` reads; empty for the format's own on the hub.

    Raises: DataError.
    """

    def __init__(self, format: str, place: str = "") -> None:  # noqa: A002  # the field's word
        how = FORMATS[format]
        self.name = format
        self.place = place or how.hub_id
        if not self.place:
            raise DataError(f"source is {format!r}, which lies nowhere by itself; give the path of a file or folder")
        parts = read_data_set(
            self.place,
            how.configurations,
            lambda records, sieve: _solvable(_rows(how, records, self.place), sieve),
        )
        super().__init__(parts, lambda task: (task.question, task.answer))


def _rows(how: Format, records: Sequence[Record], place: str) -> list[Row[Task]]:
    rows = []
    for number, record in enumerate(records, start=1):
        question, answer, level = (as_text(read(record)) for read in (how.question, how.answer, how.level))
        if not question:
            raise DataError(f"{place}: record {number} has no question; its fields are {', '.join(record)}")
        rows.append(Row(number, level, Task(question, unboxed(answer), " ".join(question.split()))))
    return rows


def _solvable(rows: list[Row[Task]], sieve: Sieve[Task]) -> list[Row[Task]]:
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
    firsts: dict[str, Row[Task]] = {}
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
