"""Coding tasks from data sets: what all formats share, from a record's tests to a task's.

A format says how a record is read (`CodingData.read`). Here is decided what becomes of the tests: no hidden test has
the input of a visible one, at most `MOST_TESTS` of each are kept, chosen by their place alone, and none of more than
`MOST_TEST_CHARS` characters. Left out, and told by a warning, is a task without a hidden test, one whose tests want
different outputs of one input, a question that all tests answer with yes, or all with no, and of a description that is
repeated all but the first. Programs are not run here: whether a reference passes its tests, a play of references says.

Splits are those of `marft_envs.task_sources.data_set`; the key is the description.
"""

import json
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from keyword import iskeyword
from typing import ClassVar, TypeVar
from unicodedata import normalize

from marft_envs.coding.task import Task
from marft_envs.errors import DataError
from marft_envs.grading.programs import CallTest, Rules, StdioTest, Test
from marft_envs.records import whole_characters
from marft_envs.sandbox.jail.plain import NotPlainError, encode
from marft_envs.task_sources.data_set import DataSet, Row, Sieve, read_data_set
from marft_envs.task_sources.places import Record

MOST_TESTS = 20
"""Of each kind for one task. Some tasks have hundreds; a judge runs all of them after every round."""
MOST_TEST_CHARS = 2**16
"""Of input and output together; larger ones test speed, in data sets of gigabytes."""
_MOST_SHOWN = 60
EXACT = Rules()
OF_JSON = Rules(tuples_are_lists=True)
"""For calls that were written in JSON."""


class UnusableError(Exception):
    """A record cannot be a task; says why, as in `4 of 9 records (train) … are left out`. `CodingData` counts them."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a record says of a task."""

    description: str
    entry_point: str
    visible: Sequence[Test]
    hidden: Sequence[Test]
    """Those that are not among the visible; all of them may be."""
    reference: str = ""
    rules: Rules = EXACT
    level: str = ""


class CodingData(DataSet[Task], ABC):
    """The tasks of a data set in one format, all in memory.

    Where a task has no reference, it can be played and trained on as any other; only reference plays, and what is made
    of them (upper bounds, imitation), are not to be had.

    Args:
        place: What `marft_envs.task_sources.places.read_parts` reads; empty for the format's own on the hub.

    Raises: DataError.
    """

    takes_data = True
    configurations: ClassVar[tuple[str, ...]] = ()
    """Those that make up the whole on the hub."""
    order: ClassVar[tuple[str, ...]] = ()
    """The levels from easy to hard, where their names do not say it."""

    def __init__(self, place: str = "") -> None:
        self.name = type(self).__module__.rpartition(".")[2]
        self.place = place or self.hub_id
        if not self.place:
            raise DataError(f"source is {self.name!r}, which lies nowhere by itself; give the path of a file or folder")
        super().__init__(read_data_set(self.place, self.configurations, self._rows), words_of, self.order)

    @abstractmethod
    def read(self, record: Record) -> Draft:
        """What the record says. Raises: UnusableError; DataError for a record of another format, or a hostile one."""

    def _rows(self, records: Sequence[Record], sieve: Sieve[Task]) -> list[Row[Task]]:
        rows: list[Row[Task]] = []
        unusable: dict[str, list[int]] = {}
        for number, record in enumerate(records, start=1):
            try:
                draft = self.read(record)
                rows.append(Row(number, draft.level, task_of(draft)))
            except UnusableError as reason:
                unusable.setdefault(str(reason), []).append(number)
            except DataError as error:
                raise DataError(f"{self.place}: record {number} {error}") from error
        for words, numbers in unusable.items():
            sieve.told(numbers, words)
        why = f" ({'; '.join(unusable)})" if unusable else ""
        sieve.check_some(rows, f"what makes a task{why}")
        firsts: dict[str, Row[Task]] = {}
        for row in rows:
            firsts.setdefault(row.task.key, row)
        return sieve.kept(rows, lambda row: firsts[row.task.key] is row, "whose description stands there before")


# ---- fields of a record


def text_of(record: Record, *names: str) -> str:
    """The first of these fields that there is. Raises: DataError if it is no text, or there is none, or it is empty."""
    for name in names:
        value = record.get(name)
        if isinstance(value, str) and value.strip():
            return whole_characters(value)
        if value is not None and value != "":
            raise DataError(f"has {shown(value)} as its {name}; write text")
    raise DataError(f"has no {' or '.join(names)}; its fields are {', '.join(record)}")


def optional_text(record: Record, name: str) -> str:
    """The field as text; empty where there is none. Raises: DataError if it is something else."""
    return text_of(record, name) if record.get(name) not in (None, "") else ""


def shown(value: object) -> str:
    """A wrong value for a message: short, however large or deep it is."""
    return reprlib.repr(value)[:_MOST_SHOWN]


def items_of(value: object, what: str) -> list[object]:
    """The value as a list. Raises: UnusableError if it is none."""
    if not isinstance(value, list | tuple):
        raise UnusableError(f"whose {what} are no list")
    return list(value)


def parsed(text: object, what: str) -> object:
    """What a field holds that is JSON in a text, or was read already. Raises: UnusableError."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise UnusableError(f"whose {what} are no JSON") from None


def stdio_test(stdin: object, expected: object) -> StdioTest:
    """A test of text, or of lists of lines. Raises: UnusableError for anything else."""
    return StdioTest(*(whole_characters(_joined(text)) for text in (stdin, expected)))


def _joined(text: object) -> str:
    if isinstance(text, str):
        return text
    lines = [line for line in items_of(text, "inputs or outputs") if isinstance(line, str)]
    if len(lines) != len(items_of(text, "inputs or outputs")):
        raise UnusableError("whose inputs or outputs are no text")
    return "\n".join(lines)


def entry_point_in(name: object, starter: str) -> str:
    """The function to call, a method where the starter code has a class for it; empty if there is no name.

    Raises: UnusableError.
    """
    if not isinstance(name, str):
        raise UnusableError("whose function has no name")
    return f"Solution.{name}" if name and "class Solution" in starter else name


def asked(description: str, entry_point: str, starter: str = "") -> str:
    """The description with what the program has to look like."""
    if not entry_point:
        return f"{description.strip()}\n\nThe program reads standard input and prints to standard output."
    if starter.strip():
        return f"{description.strip()}\n\nThe program completes this:\n\n{starter.strip()}"
    return f"{description.strip()}\n\nThe function is `{entry_point}`."


# ---- from drafts to tasks


def task_of(draft: Draft) -> Task:
    """The task, with the tests that it keeps. Raises: UnusableError."""
    if draft.entry_point and not is_name(draft.entry_point):
        raise UnusableError("whose function has a name that Python has not")
    _check_agreement([*draft.visible, *draft.hidden])
    visible = _chosen(draft.visible, taken=set())
    hidden = _chosen(draft.hidden, taken={_input(test) for test in draft.visible})
    if not hidden:
        raise UnusableError("without a hidden test")
    answers = [test.expected for test in (*visible, *hidden) if isinstance(test, CallTest)]
    if answers and all(answer is answers[0] for answer in answers) and isinstance(answers[0], bool):
        raise UnusableError("that ask a question, and all tests have one answer")
    description = draft.description.strip()
    return Task(
        description=description,
        entry_point=draft.entry_point,
        reference=draft.reference,
        visible=visible,
        hidden=hidden,
        rules=draft.rules,
        key=" ".join(description.split()),
    )


def is_name(entry_point: str) -> bool:
    """Whether a program can define it: `f` or `Class.f`, without letters that Python reads as others."""
    parts = entry_point.split(".")
    return len(parts) <= 2 and all(  # noqa: PLR2004  # a class and its method
        part.isidentifier() and not iskeyword(part) and normalize("NFKC", part) == part for part in parts
    )


TestT = TypeVar("TestT", bound=Test)


def _chosen(tests: Sequence[TestT], taken: set[str]) -> tuple[TestT, ...]:
    """Each input once, none of those that are taken, and of many some that lie evenly, from the first to the last."""
    distinct: dict[str, TestT] = {}
    for test in tests:
        distinct.setdefault(_input(test), test)
    usable = [
        test for key, test in distinct.items() if key not in taken and len(key) + len(_output(test)) <= MOST_TEST_CHARS
    ]
    if len(usable) > MOST_TESTS:
        last = len(usable) - 1
        usable = [usable[place * last // (MOST_TESTS - 1)] for place in range(MOST_TESTS)]
    return tuple(usable)


def _check_agreement(tests: Sequence[Test]) -> None:
    """Raises: UnusableError if a test holds what cannot go into the sandbox, or two of them cannot both be passed."""
    outputs: dict[str, str] = {}
    for test in tests:
        if isinstance(test, CallTest):
            try:
                encode((test.arguments, test.expected))
            except NotPlainError:
                raise UnusableError("with a test that is no plain data, or nested too deep") from None
        if outputs.setdefault(_input(test), _output(test)) != _output(test):
            raise UnusableError("whose tests want different outputs of one input")


def _input(test: Test) -> str:
    return test.stdin if isinstance(test, StdioTest) else canonical(test.arguments)


def _output(test: Test) -> str:
    return " ".join(test.expected.split()) if isinstance(test, StdioTest) else canonical(test.expected)


def canonical(value: object) -> str:
    """Plain data as text: the same for equal data of the same types, whatever order a set has in this process."""
    if isinstance(value, set | frozenset):
        return f"{type(value).__name__}({', '.join(sorted(map(canonical, value)))})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{canonical(key)}: {canonical(item)}' for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}({', '.join(map(canonical, value))})"
    return hex(value) if type(value) is int else repr(value)  # Python writes no decimals of more than 4,300 digits


def words_of(task: Task) -> Iterator[str]:
    """All that is drawn, for the fingerprint of the data."""
    yield from (task.description, task.entry_point, task.reference, repr(task.rules))
    for tests in (task.visible, task.hidden):
        yield str(len(tests))
        for test in tests:
            yield from (_input(test), test.expected if isinstance(test, StdioTest) else _output(test))
