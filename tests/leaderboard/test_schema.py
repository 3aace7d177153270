"""leaderboard/schema.py, players.py and fields.py: what a record may say, and what not."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from leaderboard.fields import Agent, EnvId, Line, ModelId, Name, Sha256, Text, Word
from leaderboard.players import prompts_of, scripts_of
from leaderboard.schema import Submission, TaskResult, digest_of, sha256_of
from tests.leaderboard.submissions import Opened

SHA = "sha256:" + "0" * 64


def accepts(kind: Any, value: object) -> bool:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


FIELDS: list[tuple[Any, list[str], list[str]]] = [
    (
        Name,
        ["a", "Team 1", "v2.0_x+y-z"],
        ["", " a", "a ", "a  b", "-a", "Téam", "а", "a\nb", "a" * 81, "a\u200b", "a/b"],
    ),
    (Line, ["", "naïve “text” 語 🙂", "  x "], ["a\nb", "\t", "\x00", "\x1b[2J", "\x85", "\u2028", "\u202e", "\u061c"]),
    (Line, ["x" * 200, "👩\u200d🚀 ❤\ufe0f"], ["x" * 201, "\ufeff", "\u200b", "\u2066", "\U000e0041", "\x7f"]),
    (Text, ["a\n\tb", "x" * 8_000], ["a\rb", "\x0b", "\x1b", "\u202e", "x" * 8_001, "\x00"]),
    (Agent, ["actor_0", "A-1"], ["", "0a", "a b", "a" * 65, "a\n"]),
    (
        ModelId,
        ["smollm2-135m", "Qwen/Qwen2.5-3B-Instruct"],
        ["", "/etc/passwd", "../x", "a/b/c", "a\\b", "~/x", "a//b"],
    ),
    (EnvId, ["math/reason_act-v0"], ["os:math/x-v0", "../../x", "math/x", "Math/x-v0", "math/x-v00000", "math/x-v0\n"]),
    (Word, ["easy", "a_1"], ["", "_a", "Easy", "a" * 41, "../x.yaml", "a.b", "a-b"]),
    (Sha256, [SHA], ["", SHA.upper(), SHA[:-1], SHA + "0", SHA + "\n", "md5:" + "0" * 64]),
]


@pytest.mark.parametrize(("kind", "good", "bad"), FIELDS, ids=[str(place) for place in range(len(FIELDS))])
def test_a_field_takes_what_it_should_and_nothing_else(kind, good, bad):
    assert [value for value in good if not accepts(kind, value)] == []
    assert [value for value in bad if accepts(kind, value)] == []


@given(st.text())
def test_no_line_has_characters_that_a_terminal_obeys(text):
    if accepts(Line, text):
        assert not {char for char in text if ord(char) < 32 or 127 <= ord(char) < 160 or char in "\u202e\u2028\u061c"}


@pytest.fixture
def record(tiny) -> dict[str, Any]:
    return Opened.of(tiny).record


def errors(record: dict[str, Any]) -> list[tuple[str, str]]:
    try:
        Submission.model_validate_json(json.dumps(record))
    except ValidationError as error:
        return [(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors()]
    return []


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("created", "2026-02-30", "day is out of range"),
        ("created", "2026-00-10", "month must be in 1..12"),
        ("created", "26-01-01", "should match pattern"),
        ("url", "http://example.org", "should match pattern"),
        ("url", "javascript:alert(1)", "should match pattern"),
        ("url", 'https://e.org/"><script>', "should match pattern"),
        ("licence", "MIT\n", "should match pattern"),
        ("season", "../2026", "should match pattern"),
        ("track", "open/../x", "should match pattern"),
        ("schema_version", 2, "should be 1"),
        ("suite_version", "0.1.0; rm", "should match pattern"),
        ("notes", "x" * 2001, "at most 2000 characters"),
        ("notes", "a\x1b]0;title\x07", "should match pattern"),
        ("hardware", None, "valid string"),
        ("tasks", [], "at least 1 item"),
        ("favourite", 1, "Extra inputs are not permitted"),
    ],
)
def test_a_record_that_says_what_none_may_say_is_refused(record, field, value, message):
    record[field] = value
    found = errors(record)
    assert any(where.startswith(field) and message in told for where, told in found), found


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("plays", 0, "greater than or equal to 1"),
        ("plays", 65, "less than or equal to 64"),
        ("plays", True, "valid integer"),
        ("plays", 1.0, "valid integer"),
        ("few_shot", -1, "greater than or equal to 0"),
        ("solo", "both", "'blind' or 'informed'"),
        ("env_id", "os:math/x-v0", "should match pattern"),
        ("level", "../x", "should match pattern"),
        ("options", {"team": "../x.yaml"}, "should match pattern"),
        ("options", {"horizon": 1_000_001}, "less than or equal to 1000000"),
        ("options", {"horizon": 1.5}, "valid integer"),
        ("options", {"data": ["x"]}, "valid"),
        ("players", {}, "at least 1 item"),
        ("training", None, "somebody is trained, and training is null"),
        ("log", "sha256:x", "should match pattern"),
        ("vote", 1, "valid boolean"),
    ],
)
def test_a_task_that_says_what_none_may_say_is_refused(record, field, value, message):
    record["tasks"][0][field] = value
    found = errors(record)
    assert any(message in told for _, told in found), found


def test_training_is_told_of_trained_teams_and_of_no_others(record):
    assert errors(record) == []
    for player in record["tasks"][0]["players"].values():
        player["adapter"] = None
    ((_, told),) = errors(record)
    assert "nobody is trained, and training is not null" in told


def test_a_task_is_there_once(record):
    record["tasks"].append(record["tasks"][0])
    ((_, told),) = errors(record)
    assert "tasks holds collab/sum_relay-v0@easy twice" in told


@pytest.mark.parametrize(
    ("players", "division"),
    [
        ([{"kind": "script", "script": "echo"}], "scripted"),
        ([{"kind": "script", "script": "echo"}, {"kind": "model", "model": "m"}], "frozen"),
        ([{"kind": "model", "model": "m"}, {"kind": "model", "model": "m", "adapter": SHA}], "trained"),
        ([{"kind": "model", "model": "m", "weights": SHA}], "trained"),
        ([{"kind": "choices", "package": "sb3"}], "trained"),
    ],
)
def test_a_division_says_what_a_task_may_be_compared_with(record, players, division):
    result = record["tasks"][0]
    for player in players:
        if player["kind"] == "model":
            player["sampling"] = {"temperature": 0.0}
    result["players"] = {f"a_{place}": player for place, player in enumerate(players)}
    result["training"] = {"algorithm": "x", "config": {}} if division == "trained" else None
    assert TaskResult.model_validate_json(json.dumps(result)).division == division


def test_prompts_and_scripts_are_those_of_who_has_them(record):
    result = record["tasks"][0]
    first, second = result["players"]
    result["players"][first]["prompt"] = {"system": "Be\nbrief."}
    result["players"][second] = {"kind": "script", "script": "echo"}
    players = TaskResult.model_validate_json(json.dumps(result)).players
    assert prompts_of(players) == {first: "Be\nbrief."}
    assert scripts_of(players) == {second: "echo"}


def test_a_digest_is_of_what_is_said_and_not_of_how():
    record = {"b": 1, "a": [1.5, "é"], "digest": "sha256:x"}
    assert digest_of(record) == digest_of({"a": [1.5, "é"], "b": 1}) == sha256_of('{"a":[1.5,"é"],"b":1}'.encode())
    assert digest_of({**record, "b": 2}) != digest_of(record)
