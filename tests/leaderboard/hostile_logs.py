"""Logs and records of tokens that are made to do harm."""

import gzip
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from leaderboard.names import log_name
from tests.leaderboard.hostile_cases import LOG, TOKENS, case, put, refused_by
from tests.leaderboard.hostile_files import MB, gzip_of, packed
from tests.leaderboard.submissions import WORD


def log(name: str, make: Callable[[list[bytes]], bytes], *rules: str) -> None:
    """The compressed log that is made of the lines of a valid one, with its digest in the record."""

    def build(folder: Path, beside: Path) -> None:
        lines = gzip.decompress((folder / LOG).read_bytes()).splitlines(keepends=True)
        put(folder, LOG, "log", make(lines))

    case(f"log: {name}", rules or ("log",), build)


def with_line(place: int, line: bytes) -> Callable[[list[bytes]], bytes]:
    def make(lines: list[bytes]) -> bytes:
        lines[place] = line + b"\n"
        return packed(lines)

    return make


def with_fields(place: int, **fields: Any) -> Callable[[list[bytes]], bytes]:
    def make(lines: list[bytes]) -> bytes:
        line = json.dumps({**json.loads(lines[place]), **fields}, ensure_ascii=False)
        return with_line(place, line.encode("utf-8", "surrogatepass"))(lines)

    return make


def with_raw(place: int, old: bytes, new: bytes) -> Callable[[list[bytes]], bytes]:
    def make(lines: list[bytes]) -> bytes:
        assert old in lines[place]
        return with_line(place, lines[place].replace(old, new, 1).rstrip(b"\n"))(lines)

    return make


log("nothing at all", lambda _: b"", "archive")
log("an empty log", lambda _: packed([]), "missing episode")
log("no gzip", b"".join, "archive")
log("a pickle", pickle.dumps, "archive")
log("a pickle, compressed", lambda lines: packed([pickle.dumps(lines)]), "missing episode")
log("10 GB of zeros", lambda _: gzip_of(bytes(MB), 10_000), "archive")
log("10 GB of line feeds", lambda _: gzip_of(b"\n" * MB, 10_000), "archive")
log("10 GB of short lines", lambda _: gzip_of(b"{}\n" * 333_333, 10_000), "archive")
log("10 GB of headers", lambda _: gzip_of(b'{"kind": "episode"}\n' * 50_000, 10_000), "archive")
log("128 MB of long lines", lambda _: gzip_of(b"[" * 999_999 + b"\n", 127), "archive")
log(
    "128 MB of headers of a megabyte",
    lambda _: packed([b'{"kind": "episode", "x": [' + b"[], " * 240_000 + b"[]]}\n"] * 127),
    "missing episode",
)
log("an endless line", lambda lines: packed([lines[0][:-1], b"x" * 20 * MB]), "archive")
log("an episode of a million turns", lambda lines: packed([lines[0], *[lines[1]] * 900_000]), "archive")
log("an episode of 9 MB", lambda lines: packed([lines[0], *[b"x" * 900_000 + b"\n"] * 10]), "archive")
log("a million episodes", lambda lines: packed([lines[0]] * 700_000), "duplicate episode")
log("two gzip members", lambda lines: packed(lines[:4]) + packed(lines[4:]), "archive")
log("something behind it", lambda lines: packed(lines) + b"x", "archive")
log("half of it", lambda lines: packed(lines)[:-20], "archive")
log("another checksum", lambda lines: packed(lines)[:-8] + bytes(8), "archive")
log(
    "a file name of 20 MB in gzip's header",
    lambda lines: b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * 20 * MB + b"\x00" + packed(lines)[10:],
    "archive",
)
log(
    "gzip's header with a comment",
    lambda lines: b"\x1f\x8b\x08\x10" + bytes(6) + b"x\x00" + packed(lines)[10:],
    "archive",
)
log("too long when packed", lambda lines: packed(lines) + bytes(33 * MB), "archive")
log("deep lists", with_line(1, b"[" * 900_000))
log("deep options", with_raw(0, b'"easy"', b"[" * 400_000 + b"]" * 400_000), "log", "missing episode")
log("NaN", with_raw(-1, b'"info": {', b'"info": {"x": NaN, '))
log("1e999", with_raw(-1, b'"info": {', b'"info": {"x": 1e999, '), "replay")
log("a million digits", with_raw(1, b'"shortened": 0', b'"shortened": ' + b"9" * 900_000))
log("four thousand digits", with_raw(1, b'"start_us": 0', b'"start_us": ' + b"9" * 4_000), "replay")
log("a seed of a million digits", with_raw(0, b'"seed": ', b'"seed": ' + b"9" * 900_000), "seed", "missing episode")
log("a seed of four thousand digits", with_raw(0, b'"seed": ', b'"seed": ' + b"9" * 4_000), "seed", "missing episode")
log("a name twice", with_raw(1, b'"round"', b'"round": 0, "round"'))
log(
    "very many names, the last one twice",
    with_line(1, b"{" + b",".join(b'"%d":0' % n for n in range(90_000)) + b',"89999":0}'),
)
log("half a character in an action", with_raw(1, b'"action": "', b'"action": "\\ud800'), "replay")
log("half a character in a name", with_raw(1, b'"agent": "', b'"agent": "\\ud800'), "log")
log("a mark of byte order", lambda lines: packed([b"\xef\xbb\xbf", *lines]), "missing episode", "seed", "log")
log("UTF-16", lambda lines: packed([b"".join(lines).decode().encode("utf-16")]), "missing episode")
log("no UTF-8", with_raw(1, b'"action": "', b'"action": "\xff'))
log("no object", with_line(1, b"[1]"))
log("null", with_line(1, b"null"))
log("an empty line", with_line(1, b""))
log("an environment that has to be imported", with_fields(0, env="os:collab/sum_relay-v0"), "task")
log("an environment that is a path", with_fields(0, env="../../x"), "task")
log("the environment of another task", with_fields(0, env=WORD.env_id), "task")
log("options with paths", with_fields(0, options={"team": "../x.yaml", "data": "/etc/passwd"}), "task")
log("a team of 10,000", with_fields(0, options={"team": [{"role": "a", "system": "x" * 60}] * 10_000}), "task")
log("a team that is none", with_fields(0, options={"team": [{"role": ["x"]}]}))
log("100,000 options", with_fields(0, options={str(number): number for number in range(60_000)}), "task")
log("100,000 parents", with_fields(1, parents=list(range(100_000))))
log("100,000 rewards", with_fields(1, rewards=[["holder_0", 1.0, 5]] * 40_000), "replay")
log(
    "100,000 returns",
    with_fields(-1, returns={f"a_{number}": 1.0 for number in range(60_000)} | {"holder_0": 1, "holder_1": 1}),
    "replay",
)
log("100,000 measurements", with_fields(-1, measurements=[True] * 100_000), "replay")
log("deep measurements", with_raw(-1, b'"info": {', b'"measurements": ' + b"[" * 500 + b"]" * 500 + b', "info": {'))
log("an action of 900,000 characters", with_fields(1, action="x" * 900_000), "action length")
log("an action of 200,000 brackets", with_fields(1, action="(" * 200_000), "action length")
log("an action of 2,048 brackets", with_fields(1, action="(" * 2_048), "replay")
log("an agent of 900,000 characters", with_fields(1, agent="x" * 900_000), "log")
log("an agent that a terminal obeys", with_fields(1, agent="\x1b[2J\u202e\n::error::"), "log")
log("an environment that a terminal obeys", with_fields(0, env="\x1b[2J\u202e\n::error::"), "task")


@refused_by("missing episode", "seed")
def the_log_of_another_task(folder, beside):
    put(folder, LOG, "log", (folder / log_name(WORD.key)).read_bytes())


def tokens(name: str, make: Callable[[list[bytes]], bytes], *rules: str) -> None:
    def build(folder: Path, beside: Path) -> None:
        lines = gzip.decompress((folder / TOKENS).read_bytes()).splitlines(keepends=True)
        put(folder, TOKENS, "tokens", make(lines))

    case(f"tokens: {name}", rules or ("tokens",), build)


tokens("nothing at all", lambda _: b"", "archive")
tokens("10 GB of zeros", lambda _: gzip_of(bytes(MB), 10_000), "archive")
tokens("128 MB of counts", lambda _: packed([b'{"read": [' + b"9999999, " * 99_999 + b'1], "wrote": []}\n'] * 140))
tokens("a million episodes", lambda lines: packed(lines[:1] * 900_000))
tokens("deep lists", lambda lines: packed([b"[" * 900_000]))
tokens("a million digits", lambda lines: packed([b'{"read": [' + b"9" * 900_000 + b'], "wrote": []}']))
tokens("names twice", lambda lines: packed([b'{"read": [1], "read": [1], "wrote": []}']))
tokens("no UTF-8", lambda lines: packed([b"\xff"]))
