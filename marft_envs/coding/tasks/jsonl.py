"""Tasks of your own: JSON lines, one task each.

| field | |
|---|---|
| `description` | what the program does; a sentence about its form is added |
| `entry_point` | the function, `f`, or a method, `Class.f`; left out for a program that reads standard input |
| `tests` | of a function `[[argument, …], output]`, of a program `{"stdin": …, "expected": …}` |
| `visible` | tests that agents may see; where it is left out, the first of `tests` is the visible one |
| `reference` | a program that passes all tests; may be left out |
| `level` | may be left out |
| `tolerance` | how far floats may be off, absolutely or relatively; 0 where it is left out |
"""

from marft_envs.coding.data import OF_JSON, CodingData, Draft, asked, is_name, optional_text, shown, stdio_test, text_of
from marft_envs.errors import DataError
from marft_envs.grading.programs import CallTest, Rules, Test
from marft_envs.task_sources.places import Record


class Jsonl(CodingData):
    """The tasks of a file or folder in our own format."""

    def read(self, record: Record) -> Draft:
        entry_point = optional_text(record, "entry_point")
        if entry_point and not is_name(entry_point):
            raise DataError(f"has {shown(entry_point)} as its entry_point; write `f` or `Class.f`, or leave it out")
        tests = _tests(record, "tests", is_call=bool(entry_point))
        has_own = record.get("visible") is not None
        tolerance = record.get("tolerance", 0)
        if not isinstance(tolerance, int | float) or not 0 <= tolerance < 1:
            raise DataError(f"has {shown(tolerance)} as its tolerance; write a number from 0 up, below 1")
        level = record.get("level")
        return Draft(
            description=asked(text_of(record, "description"), entry_point),
            entry_point=entry_point,
            visible=_tests(record, "visible", is_call=bool(entry_point)) if has_own else tests[:1],
            hidden=tests,
            reference=optional_text(record, "reference"),
            rules=Rules(tolerance=float(tolerance), tuples_are_lists=OF_JSON.tuples_are_lists and bool(entry_point)),
            level=str(level) if isinstance(level, int) else optional_text(record, "level"),
        )


def _tests(record: Record, name: str, *, is_call: bool) -> list[Test]:
    written = record.get(name)
    if not isinstance(written, list):
        raise DataError(f"has {shown(written)} as its {name}; write a list")
    return [_call(test) if is_call else _stdio(test) for test in written]


def _call(test: object) -> CallTest:
    match test:
        case [[*arguments], expected]:
            return CallTest(tuple(arguments), expected)
    raise DataError(f"has {shown(test)} as a test of a function; write [[argument, …], output]")


def _stdio(test: object) -> Test:
    match test:
        case {"stdin": str(stdin), "expected": str(expected)}:
            return stdio_test(stdin, expected)
    raise DataError(f'has {shown(test)} as a test of a program; write {{"stdin": …, "expected": …}}')
