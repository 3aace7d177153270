"""MBPP (arXiv 2108.07732): short Python functions, each with three assertions. Both files are read, full and sanitized.

| field | becomes |
|---|---|
| `text` or `prompt` | the description, with the function's name |
| `code` | the reference |
| `test_list` | the first is visible, as in the paper's prompts; the others are hidden |
| `challenge_test_list` | hidden |

Assertions are read, and never run: `assert f(…) == …` and `assert math.isclose(f(…), …, rel_tol=…)` of literals. A task
with any other assertion is left out, since the rest of its tests would judge another task.
"""

import ast
from math import isfinite

from marft_envs.coding.data import (
    MOST_TEST_CHARS,
    CodingData,
    Draft,
    UnusableError,
    asked,
    items_of,
    optional_text,
    text_of,
)
from marft_envs.grading.programs import CallTest, Rules
from marft_envs.task_sources.places import Record

_OTHER_FORM = "with an assertion that is not of the form f(…) == … with literals"
_DEFAULT_TOLERANCE = 1e-9
"""That of `math.isclose`."""


class Mbpp(CodingData):
    """The tasks of MBPP."""

    hub_id = "google-research-datasets/mbpp"
    configurations = ("full",)

    def read(self, record: Record) -> Draft:
        description = text_of(record, "text", "prompt")
        lists = [items_of(record.get(name) or [], "assertions") for name in ("test_list", "challenge_test_list")]
        found = [_Assertion(line) for tests in lists for line in tests]
        names = {assertion.function for assertion in found}
        if len(names) != 1:
            raise UnusableError("without one function that all assertions call")
        (entry_point,) = names
        tests = [assertion.test for assertion in found]
        return Draft(
            description=asked(description, entry_point),
            entry_point=entry_point,
            visible=tests[:1],
            hidden=tests[1:],
            reference=optional_text(record, "code"),
            rules=Rules(tolerance=max(assertion.tolerance for assertion in found)),
        )


class _Assertion:
    """One line, read. Raises: UnusableError for another form."""

    def __init__(self, line: object) -> None:
        self.tolerance = 0.0
        """0 if the values have to be equal."""
        call, expected = self._sides(_parsed(line))
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)) or call.keywords:
            raise UnusableError(_OTHER_FORM)
        self.function = call.func.id
        self.test = CallTest(tuple(_literal(argument) for argument in call.args), _literal(expected))

    def _sides(self, asserted: ast.expr) -> tuple[ast.expr, ast.expr]:
        match asserted:
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
                return left, right
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="math"), attr="isclose"), args=[call, expected], keywords=options
            ):
                given = [_literal(option.value) for option in options if option.arg in ("rel_tol", "abs_tol")]
                self.tolerance = max([_DEFAULT_TOLERANCE, *map(_tolerance, given)])
                return call, expected
        raise UnusableError(_OTHER_FORM)


def _parsed(line: object) -> ast.expr:
    if not isinstance(line, str) or len(line) > MOST_TEST_CHARS:
        raise UnusableError(_OTHER_FORM)
    try:
        body = ast.parse(line.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last three: nested or too large on purpose
        raise UnusableError(_OTHER_FORM) from None
    if len(body) != 1 or not isinstance(body[0], ast.Assert):
        raise UnusableError(_OTHER_FORM)
    return body[0].test


def _literal(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError, SyntaxError):  # TypeError: {[]: 1}
        raise UnusableError(_OTHER_FORM) from None


def _tolerance(value: object) -> float:
    if isinstance(value, int | float) and isfinite(value) and value >= 0:
        return float(value)
    raise UnusableError(_OTHER_FORM)
