"""CodeContests (arXiv 2203.07814): problems of competitions, with public, private and generated tests.

| field | becomes |
|---|---|
| `description` | the description |
| `public_tests` | `{"input": […], "output": […]}`: the visible tests |
| `private_tests`, `generated_tests` | the same: the hidden tests |
| `solutions` | `{"language": […], "solution": […]}`: the first in Python 3 is the reference |
| `cf_rating` | the level, in steps of 400; none where it is 0 |

Time limits of the record, meant for compiled programs, are not read: what a run may use, the environment says. Outputs
are compared, so problems with several right answers reject some of them. Programs that read a file are left out.
"""

from marft_envs.coding.data import CodingData, Draft, UnusableError, asked, items_of, optional_text, stdio_test, text_of
from marft_envs.grading.programs import StdioTest
from marft_envs.task_sources.places import Record

_PYTHON3 = (3, "PYTHON3")
"""As a number of the data set's own, or by its name."""
_STEP = 400
"""Of Codeforces' ratings, which go from 800 to 3,500: eight levels."""


class CodeContests(CodingData):
    """The tasks of CodeContests."""

    hub_id = "deepmind/code_contests"

    def read(self, record: Record) -> Draft:
        if optional_text(record, "input_file"):
            raise UnusableError("whose program reads a file")
        return Draft(
            description=asked(text_of(record, "description"), ""),
            entry_point="",
            visible=_tests(record, "public_tests"),
            hidden=[*_tests(record, "private_tests"), *_tests(record, "generated_tests")],
            reference=_reference(record),
            level=_level(record.get("cf_rating")),
        )


def _tests(record: Record, name: str) -> list[StdioTest]:
    inputs, outputs = _columns(record, name, "input", "output")
    return [stdio_test(*pair) for pair in zip(inputs, outputs, strict=True)]


def _reference(record: Record) -> str:
    languages, programs = _columns(record, "solutions", "language", "solution")
    ours = (one for language, one in zip(languages, programs, strict=True) if language in _PYTHON3)
    return optional_text({"solution": next(ours, "")}, "solution")


def _columns(record: Record, name: str, *columns: str) -> list[list[object]]:
    written = record.get(name) or {}
    if not isinstance(written, dict):
        raise UnusableError(f"whose {name} are no object")
    found = [items_of(written.get(column, []), name) for column in columns]
    if len({len(column) for column in found}) > 1:
        raise UnusableError(f"whose {name} are not of one length")
    return found


def _level(rating: object) -> str:
    return str(rating // _STEP * _STEP) if isinstance(rating, int) and rating > 0 else ""
