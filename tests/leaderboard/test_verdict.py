"""Comments on pull requests: whatever stands in a verdict, it is shown as text, and cannot do anything."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.verdict import MAX_BYTES, NOTHING, comment_on


def verdict(**finding: str) -> bytes:
    told = {"rule": "seed", "where": "tasks.0", "message": "is 3", **finding}
    return json.dumps([{"path": "leaderboard/submissions/a", "valid": False, "findings": [told]}]).encode()


def test_a_verdict_is_told() -> None:
    assert comment_on(verdict()).splitlines()[:2] == [
        "❌ not valid: `leaderboard/submissions/a`",
        "- `seed` at `tasks.0`: `is 3`",
    ]
    valid = json.dumps([{"path": "a", "valid": True, "findings": [], "tasks": {"x": 1}}]).encode()
    assert comment_on(valid).startswith("✅ valid: `a`\n")


@pytest.mark.parametrize(
    "content",
    [None, b"", b"{}", b"[]", b"[1]", b"\xff", b"[" * 100_000, b" " * (MAX_BYTES + 1), b'[{"path": 1}]', b"[NaN]"],
)
def test_what_is_no_verdict_is_told_as_none(content: bytes | None) -> None:
    assert comment_on(content) == NOTHING + "\n"


@given(st.text(max_size=80))
def test_whatever_is_told_stays_within_its_code(text: str) -> None:
    lines = comment_on(verdict(message=f"{text} @someone [a](https://x) ![b](https://y) `<script>`\n# c")).splitlines()
    assert len(lines) == 4
    told = lines[1].removeprefix("- `seed` at `tasks.0`: ")
    assert told[0] == told[-1] == "`"
    assert "`" not in told[1:-1]


def test_many_findings_and_entries_are_counted() -> None:
    finding = {"rule": "seed", "where": "", "message": "x"}
    entry = {"path": "a", "valid": False, "findings": [finding] * 30}
    told = comment_on(json.dumps([entry] * 25).encode())
    assert "- and 10 more" in told
    assert "and 5 more submissions" in told
    assert len(told) < 20_000
