"""Records that are made to do harm."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from leaderboard.names import log_name, task_key, tokens_name
from leaderboard.schema import RECORD
from tests.leaderboard.hostile_cases import LOG, TOKENS, case, sealed
from tests.leaderboard.hostile_files import MB


def record(name: str, make: Callable[[dict[str, Any]], bytes], *rules: str) -> None:
    def build(folder: Path, beside: Path) -> None:
        (folder / RECORD).write_bytes(make(json.loads((folder / RECORD).read_bytes())))

    case(f"record: {name}", rules or ("record",), build)


def saying(**fields: Any) -> Callable[[dict[str, Any]], bytes]:
    """The record with other fields, and its digest."""
    return lambda record: sealed({**record, **fields})


def task_saying(**fields: Any) -> Callable[[dict[str, Any]], bytes]:
    return lambda record: sealed({**record, "tasks": [{**record["tasks"][0], **fields}, *record["tasks"][1:]]})


def open_task(name: str, **fields: Any) -> None:
    """A task of the open track, whose files have the names that it should have."""

    def build(folder: Path, beside: Path) -> None:
        record = json.loads((folder / RECORD).read_bytes())
        (folder / RECORD).write_bytes(task_saying(**fields)({**record, "track": "open"}))
        told = {**record["tasks"][0], **fields}
        key = task_key(told["env_id"], told["level"], told["options"])
        for before, after in ((LOG, log_name(key)), (TOKENS, tokens_name(key))):
            (folder / before).rename(folder / after)

    case(f"open task: {name}", ("task",), build)


record("nothing", lambda _: b"")
record("deep lists", lambda _: b"[" * 10**6)
record("deep objects", lambda _: b'{"a":' * 300_000)
record("deep lists in a field", lambda record: json.dumps(record).encode()[:-1] + b',"x":' + b"[" * 10**6)
record("NaN", lambda record: json.dumps({**record, "notes": float("nan")}).encode())
record("infinity", lambda record: json.dumps({**record, "notes": float("inf")}).encode())
record("1e999", lambda record: json.dumps(record).encode()[:-1] + b',"x":1e999}')
record("a million digits", lambda record: json.dumps(record).encode()[:-1] + b',"x":' + b"9" * 10**6 + b"}")
record(
    "a million digits behind a point",
    lambda record: json.dumps(record).encode()[:-1] + b',"x":0.' + b"9" * 10**6 + b"}",
)
record("a name twice", lambda record: json.dumps(record).encode()[:-1] + b',"track":"tiny"}')
record(
    "very many names, the last one twice",
    lambda _: b"{" + b",".join(b'"%d":0' % n for n in range(180_000)) + b',"179999":0}',
)
record("half a character", lambda record: json.dumps({**record, "notes": "\ud800"}).encode())
record("a mark of byte order", lambda record: b"\xef\xbb\xbf" + json.dumps(record).encode())
record("UTF-16", lambda record: json.dumps(record).encode("utf-16"))
record("UTF-32", lambda record: json.dumps(record).encode("utf-32"))
record("no UTF-8", lambda record: json.dumps(record).encode().replace(b"laptop", b"\xff\xfe"))
record("an overlong character", lambda record: json.dumps(record).encode().replace(b"laptop", b"\xc0\xaf"))
record("a list", lambda _: b"[]")
record("a text", lambda _: b'"x"')
record("a pickle", pickle.dumps)
record("two objects", lambda record: json.dumps(record).encode() * 2)
record("too long", lambda record: json.dumps({**record, "notes": "x" * 3 * MB}).encode(), "archive")
record("100,000 tasks", lambda record: json.dumps({**record, "tasks": [{}] * 100_000}).encode())
record("100,000 players", task_saying(players={f"a_{number}": 0 for number in range(100_000)}))
record("100,000 settings", task_saying(training={"algorithm": "x", "config": {f"a{n}": {} for n in range(100_000)}}))
record("a list of 100,000", task_saying(training={"algorithm": "x", "config": {"a": [{}] * 100_000}}))
record(
    "19,000 wrong values", task_saying(training={"algorithm": "x", "config": {f"k{n}": [{}] * 95 for n in range(199)}})
)
record("a key of a million characters", lambda record: json.dumps({**record, "\x1b" * 300_000: 0}).encode())
for _field in ("name", "contact", "hardware", "notes", "url", "licence", "season", "track", "created", "suite_version"):
    record(f"a {_field} of a million characters", saying(**{_field: "x" * 10**6}))
    record(f"a {_field} that a terminal obeys", saying(**{_field: "a\x1b[2J\x07b"}))
    record(f"a {_field} written backwards", saying(**{_field: "https://e.org/\u202egpj.exe"}))
for _field in ("env_id", "level", "behaviour", "log", "tokens", "solo"):
    record(f"a task's {_field} of a million characters", task_saying(**{_field: "x" * 10**6}))
for _id in ("os:math/x-v0", "../../x", "/etc/passwd", "math/../x-v0", "a.b:c/d-v0", "collab/sum_relay", "C:/x-v0", ""):
    record(f"the id {_id!r}", task_saying(env_id=_id))
record("another track", saying(track="open"), "duplicate episode", "missing episode", "seed")
for _options in (
    {"team": "../x.yaml"},
    {"team": "/etc/passwd"},
    {"data": "../x"},
    {"source": "os"},
    {"team": ["x"]},
    {"a" * 41: 1},
):
    record(f"the options {_options}", task_saying(options=_options), "record", "task", "archive")
for _options in ({"data": "x"}, {"source": "jsonl"}, {"split": "train"}, {"render_mode": "human"}):
    open_task(f"the open options {_options}", options=_options)
open_task("a horizon of a million", options={"horizon": 10**6})
open_task("an unknown environment", env_id="collab/gone-v0")
open_task("an unknown team", options={"team": "octet"})
open_task("no level", level=None)
open_task("an unknown level", level="impossible")
for _plays in (0, 65, 10**9, 10**30, -1, 1.5, True, "64"):
    record(f"{_plays!r} plays", task_saying(plays=_plays))
record("64 plays", task_saying(plays=64), "missing episode")
record("a score that is no number", task_saying(scores={"score": "1e999"}))
record(
    "a model that is a path", task_saying(players={"holder_0": {"kind": "model", "model": "../../x", "sampling": {}}})
)
