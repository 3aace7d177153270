r"""Failures, told to those who repair the program: short, the same in every process, and unable to speak for the judge.

    1 of 3 tests passed.
    f(3, 4) should be 7, and is 12.
    f(-1) should be 1, and raised:
    > line 2, in f: return 1 / n
    > ZeroDivisionError: division by zero

Whatever the program made is written as a literal on one line, or quoted: every line of it behind `> `. Addresses, which
differ from run to run, are left out.
"""

import re
from collections.abc import Sequence

from marft_envs.errors import OutcomeError
from marft_envs.grading.programs import CallTest, Rules, StdioTest, Test, TestResult, Verdict
from marft_envs.records import whole_characters
from marft_envs.sandbox.runs import Plain
from marft_envs.transcript import quoted_lines

MAX_FAILURES = 2
"""A model of a few hundred million parameters repairs one thing at a time, and reads no long lists."""
MAX_VALUE_CHARS = 160
"""Of one value, or one line of a quotation; longer ones are shortened in the middle."""
MAX_LINES = 8
"""Of a quotation; longer ones are shortened in the middle."""

_RULES = Rules()
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,16}\b")
_MOST_BITS = 4096
"""Python refuses to write integers of more than 4,300 digits in decimal."""

_IN_WORDS = {
    "exited": "ended the whole process",
    "time": "took too long",
    "memory": "used too much memory",
    "output": "wrote too much",
    "crashed": "crashed the whole process",
    "lost": "could not be run, which says nothing about the program",
    "not reached": "was not reached",
    "forged": "left results behind that do not fit the calls",
}


def report(
    verdict: Verdict,
    entry_point: str,
    *,
    visible: Sequence[Test],
    rules: Rules = _RULES,
    max_failures: int = MAX_FAILURES,
    max_value_chars: int = MAX_VALUE_CHARS,
) -> str:
    """How many tests passed, and what the first failures are.

    `visible`: the tests that those who read it may see. `rules`: those of the verdict; with a property, no test has one
    expected value that could be told.

    Raises: OutcomeError for a verdict about a test that is not among the visible ones.
    """
    if any(result.test not in visible for result in verdict.results):
        raise OutcomeError("a verdict on hidden tests is for nobody to read; judge the visible tests apart")
    failures = verdict.failures
    told = [_summary(verdict)]
    same = {result.traceback for result in verdict.results}
    if len(failures) > 1 and len(same) == 1 and "" not in same:
        return "\n".join([*told, f"Every test raised{_traceback(failures[0], max_value_chars)}"])
    shown = [result for result in failures if result.reason != "not reached"][:max_failures]
    told += [_failure(result, entry_point, rules, max_value_chars) for result in shown]
    return "\n".join(told)


def literal(value: Plain, max_chars: int = MAX_VALUE_CHARS) -> str:
    """Plain data on one line, as Python writes it, shortened in the middle; sets in a fixed order."""
    return _shortened(_written(value), max_chars)


def call(entry_point: str, arguments: tuple[Plain, ...], max_chars: int = MAX_VALUE_CHARS) -> str:
    """A call as Python writes it: `f(3, 4)`, or `Solution().f(3)`."""
    owner, dot, name = entry_point.rpartition(".")
    function = f"{owner}().{name}" if dot else name
    return f"{function}({', '.join(literal(argument, max_chars) for argument in arguments)})"


def _summary(verdict: Verdict) -> str:
    total = len(verdict.results)
    if not total:
        return "There were no tests."
    passed = total - len(verdict.failures)
    return f"{passed} of {total} {'test' if total == 1 else 'tests'} passed."


def _failure(result: TestResult, entry_point: str, rules: Rules, max_chars: int) -> str:
    match result.test:
        case CallTest() as test:
            called = call(entry_point, test.arguments, max_chars)
            wanted = "" if rules.property else f" should be {literal(test.expected, max_chars)}, and"
            return f"{called}{wanted} {_came_back(result, rules, max_chars)}"
        case StdioTest() as test:
            return _script_failure(result, test, max_chars)


def _came_back(result: TestResult, rules: Rules, max_chars: int) -> str:
    match result.reason:
        case "wrong":
            return f"is {literal(result.got, max_chars)}{', which is not right' if rules.property else ''}."
        case "not plain":
            return f"is something else than plain data: {literal(result.got, max_chars)}."
        case "raised":
            return f"raised{_traceback(result, max_chars)}"
    return f"{_IN_WORDS[result.reason]}."


def _script_failure(result: TestResult, test: StdioTest, max_chars: int) -> str:
    told = f"With the input{_block(test.stdin, max_chars)}\nit should print{_block(test.expected, max_chars)}\n"
    if result.reason == "raised":
        return f"{told}and it raised{_traceback(result, max_chars)}"
    if result.reason == "wrong":
        return f"{told}and it printed{_block(str(result.got), max_chars)}"
    return f"{told}and it {_IN_WORDS[result.reason]}."


def _traceback(result: TestResult, max_chars: int) -> str:
    return _block(result.traceback, max_chars)


def _block(text: str, max_chars: int) -> str:
    """A quotation below a colon, or a word that there is nothing."""
    lines = whole_characters(text).rstrip().splitlines()
    if not lines:
        return ": nothing."
    if len(lines) > MAX_LINES:
        half = MAX_LINES // 2
        lines = [*lines[:half], f"… {len(lines) - 2 * half} lines …", *lines[-half:]]
    return f":\n> {quoted_lines(chr(10).join(_shortened(line, max_chars) for line in lines))}"


def _shortened(text: str, max_chars: int) -> str:
    """Without addresses, and with its middle left out where it is long."""
    if len(text) > 4 * max_chars:  # the rest is not looked at
        text = text[: 2 * max_chars] + text[-2 * max_chars :]
    text = _ADDRESS.sub("at 0x…", text)
    half = (max_chars - 3) // 2
    return text if len(text) <= max_chars else f"{text[:half]} … {text[-half:]}"


def _written(value: Plain) -> str:  # noqa: PLR0911  # one way out for each kind
    """`repr`, but for integers that Python refuses to write, and for sets, whose order differs between processes."""
    match value:
        case bool() | None | float() | complex() | str() | bytes():
            return repr(value)
        case int():
            return repr(value) if value.bit_length() <= _MOST_BITS else hex(value)
        case list():
            return f"[{_joined(value)}]"
        case tuple():
            return f"({_joined(value)}{',' * (len(value) == 1)})"
        case dict():
            return f"{{{', '.join(f'{_written(key)}: {_written(entry)}' for key, entry in value.items())}}}"
        case set() | frozenset():
            inside = f"{{{', '.join(sorted(map(_written, value)))}}}" if value else ""
            return inside if inside and isinstance(value, set) else f"{type(value).__name__}({inside})"
    return f"a value of type {type(value).__name__}"


def _joined(items: Sequence[Plain]) -> str:
    return ", ".join(map(_written, items))
