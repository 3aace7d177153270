"""APPS (arXiv 2105.09938): problems of competitions, with tests for programs that print, and some for functions.

| field | becomes |
|---|---|
| `question`, `starter_code` | the description |
| `input_output` | JSON, `{"inputs": […], "outputs": […]}`, with `fn_name` for functions: the tests |
| `solutions` | JSON, a list of programs: the first is the reference |
| `difficulty` | the level: introductory, interview, competition |

Visible are the first test and all whose input and output stand in the question, as its examples do. A method of a
`class Solution` returns the output as it is written. Of any other function the outputs are written in a list of their
own, if all are lists with one element.
"""

from marft_envs.coding.data import (
    EXACT,
    OF_JSON,
    CodingData,
    Draft,
    UnusableError,
    asked,
    entry_point_in,
    items_of,
    optional_text,
    parsed,
    stdio_test,
    text_of,
)
from marft_envs.grading.programs import CallTest, StdioTest, Test
from marft_envs.task_sources.places import Record


class Apps(CodingData):
    """The tasks of APPS."""

    hub_id = "codeparrot/apps"
    order = ("introductory", "interview", "competition")

    def read(self, record: Record) -> Draft:
        question, starter = text_of(record, "question"), optional_text(record, "starter_code")
        written = parsed(record.get("input_output") or "{}", "tests")
        if not isinstance(written, dict):
            raise UnusableError("whose tests are no object")
        inputs, outputs = (items_of(written.get(name, []), name) for name in ("inputs", "outputs"))
        if len(inputs) != len(outputs):
            raise UnusableError("whose inputs and outputs differ in number")
        entry_point = entry_point_in(written.get("fn_name") or "", starter)
        tests: list[Test] = (
            [*_calls(inputs, outputs, is_method="class Solution" in starter)]
            if entry_point
            else [stdio_test(*pair) for pair in zip(inputs, outputs, strict=True)]
        )
        shown = [test for place, test in enumerate(tests) if place == 0 or _stands_in(question, test)]
        return Draft(
            description=asked(question, entry_point, starter),
            entry_point=entry_point,
            visible=shown,
            hidden=tests,
            reference=_first(record),
            rules=OF_JSON if entry_point else EXACT,
            level=optional_text(record, "difficulty"),
        )


def _calls(inputs: list[object], outputs: list[object], *, is_method: bool) -> list[CallTest]:
    is_wrapped = not is_method and all(isinstance(output, list) and len(output) == 1 for output in outputs)
    results = [output[0] for output in outputs if isinstance(output, list)] if is_wrapped else outputs
    return [CallTest(tuple(items_of(one, "inputs")), result) for one, result in zip(inputs, results, strict=True)]


def _stands_in(question: str, test: Test) -> bool:
    """Whether the input and the output of this test are whole lines of the question."""
    if not isinstance(test, StdioTest):
        return False
    lines = _stripped(question)
    return all(_stripped(text).strip("\n") and _stripped(text) in lines for text in (test.stdin, test.expected))


def _stripped(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines()]
    return "\n".join(["", *lines, ""])


def _first(record: Record) -> str:
    solutions = parsed(record.get("solutions") or "[]", "solutions")
    first = next(iter(items_of(solutions, "solutions")), "")
    return optional_text({"solution": first}, "solution")
