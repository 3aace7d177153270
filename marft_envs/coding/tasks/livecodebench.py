"""LiveCodeBench (arXiv 2403.07974): problems of competitions, dated, with public and private tests.

| field | becomes |
|---|---|
| `question_content`, `starter_code` | the description |
| `public_test_cases` | JSON, a list of `{"input", "output", "testtype"}`: the visible tests |
| `private_test_cases` | the same, or it packed: base64 of zlib of a pickled text: the hidden tests |
| `metadata` | JSON; its `func_name` is the function, a method where the starter code has a `class Solution` |
| `difficulty` | the level: easy, medium, hard |

A pickle can run anything as it is loaded. None is: its operations are listed, and only those that make one text are
accepted. There are no references.
"""

import base64
import pickletools
import zlib

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
from marft_envs.errors import DataError
from marft_envs.grading.programs import CallTest, Test
from marft_envs.task_sources.places import Record

_MOST_BYTES = 2**27
"""Of unpacked tests of one task: enough for all that is published, and no bomb."""
_TEXTS = {"UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
_AROUND_A_TEXT = {"PROTO", "FRAME", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "STOP"}
_FUNCTIONAL = "functional"


class LiveCodeBench(CodingData):
    """The tasks of LiveCodeBench."""

    hub_id = "livecodebench/code_generation_lite"
    order = ("easy", "medium", "hard")

    def read(self, record: Record) -> Draft:
        question, starter = text_of(record, "question_content"), optional_text(record, "starter_code")
        metadata = parsed(record.get("metadata") or "{}", "metadata")
        entry_point = entry_point_in(metadata.get("func_name") or "" if isinstance(metadata, dict) else "", starter)
        public = parsed(record.get("public_test_cases") or "[]", "public tests")
        return Draft(
            description=asked(question, entry_point, starter),
            entry_point=entry_point,
            visible=_tests(public, is_call=bool(entry_point)),
            hidden=_tests(_private(record.get("private_test_cases") or "[]"), is_call=bool(entry_point)),
            rules=OF_JSON if entry_point else EXACT,
            level=optional_text(record, "difficulty"),
        )


def _tests(cases: object, *, is_call: bool) -> list[Test]:
    tests: list[Test] = []
    for case in items_of(cases, "tests"):
        if not isinstance(case, dict) or (case.get("testtype") == _FUNCTIONAL) != is_call:
            raise UnusableError("whose tests are not of one kind")
        given, expected = case.get("input"), case.get("output")
        if not is_call:
            tests.append(stdio_test(given, expected))
        elif isinstance(given, str) and isinstance(expected, str):
            lines = [line for line in given.split("\n") if line.strip()]
            tests.append(CallTest(tuple(parsed(line, "inputs") for line in lines), parsed(expected, "outputs")))
        else:
            raise UnusableError("whose inputs or outputs are no text")
    return tests


def _private(written: object) -> object:
    if not isinstance(written, str):
        return written
    if written.lstrip().startswith("["):
        return parsed(written, "private tests")
    try:
        unpacker = zlib.decompressobj()
        pickled = unpacker.decompress(base64.b64decode(written, validate=True), _MOST_BYTES)
    except (ValueError, zlib.error):
        raise UnusableError("whose private tests are neither JSON nor packed") from None
    if not unpacker.eof:
        raise UnusableError(f"whose private tests are cut, or unpack to more than {_MOST_BYTES:,} bytes")
    return parsed(_pickled_text(pickled), "private tests")


def _pickled_text(pickled: bytes) -> str:
    """The text that was pickled. Raises: DataError if anything else was, UnusableError for what is no pickle."""
    try:
        operations = [(operation.name, argument) for operation, argument, _ in pickletools.genops(pickled)]
    except ValueError:
        raise UnusableError("whose private tests are no pickle") from None
    texts = [argument for name, argument in operations if name in _TEXTS]
    others = [name for name, _ in operations if name not in _TEXTS | _AROUND_A_TEXT]
    if others or len(texts) != 1:
        raise DataError(
            f"has private tests that are a pickle of something else than one text ({', '.join(others[:3])}), which "
            "could run anything; nothing was run; do not trust where these data come from"
        )
    return str(texts[0])
