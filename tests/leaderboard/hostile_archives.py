"""Zip archives that are made to do harm."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from leaderboard.files import MAX_FILES
from leaderboard.schema import RECORD
from tests.leaderboard.hostile_cases import LOG, case
from tests.leaderboard.hostile_files import MB, Member, repeated, zipped

JUST = Member(RECORD.encode(), b"{}")


def archive(name: str, make: Callable[[], bytes], *rules: str) -> None:
    def build(folder: Path, beside: Path) -> Path:
        path = beside / "packed.zip"
        path.write_bytes(make())
        return path

    case(f"archive: {name}", rules or ("archive",), build)


def of(*names: bytes, **fields: Any) -> Callable[[], bytes]:
    return lambda: zipped([JUST, *(Member(name, b"x", **fields) for name in names)])


def _bomb() -> bytes:
    return zipped([Member(JUST.name, raw=repeated(bytes(MB), 4000), size=4000 * MB, method=8)])


def _bomb_that_says_little() -> bytes:
    return zipped([Member(JUST.name, raw=repeated(bytes(MB), 4000), size=10, method=8)])


def _many(count: int | None = None) -> bytes:
    return zipped([Member(b"logs/%d.jsonl.gz" % number) for number in range(200_000)], count=count)


def _zip64() -> bytes:
    content = _many(0xFFFF)
    return content[:-22] + b"PK\x06\x06" + bytes(52) + b"PK\x06\x07" + bytes(16) + content[-22:]


def _one_within_another(behind: int = 0) -> bytes:
    """Both can be read: the second lies in what the first holds. Behind them so much that is in no list."""
    second = Member(b"README.md", b"x")
    alone = zipped([second])
    header = alone[: 30 + len(second.name) + 1]  # what stands before a name has 30 bytes
    first = Member(JUST.name, b"{}" + header)
    return zipped([first, Member(second.name, second.content, offset=30 + len(first.name) + 2)], between=b"x" * behind)


archive("a bomb", _bomb)
archive("a bomb that says to be small", _bomb_that_says_little)
archive(
    "a bomb beside a record",
    lambda: zipped([JUST, Member(LOG.encode(), raw=repeated(bytes(MB), 4000), method=8)]),
    "record",
)
archive("200,000 members", _many)
archive("200,000 members that say to be three", lambda: _many(3))
archive("200,000 members as zip64", _zip64)
archive(
    "one member more than there can be", lambda: zipped([Member(b"logs/%d.jsonl.gz" % n) for n in range(MAX_FILES + 2)])
)
archive("an archive within", of(b"inner.zip"))
archive("a member that overlaps another", lambda: zipped([JUST, Member(b"README.md", b"{}", offset=0)]))
archive("a member within another", _one_within_another)
archive("a member within another, and as much behind them", lambda: _one_within_another(30 + len(b"README.md") + 1))
archive("a member twice", of(b"README.md", b"README.md"))
archive("the record twice", of(JUST.name))
archive("an absolute name", of(b"/etc/passwd"))
archive("a name that leads out", of(b"../submission.json"))
archive("a name that leads out and in", of(b"logs/../submission.json"))
archive("backslashes", of(b"logs\\x.jsonl.gz"))
archive("a drive", of(b"C:submission.json"))
archive("a NUL in a name", of(b"README.md\x00.exe"))
archive("a record behind a NUL", lambda: zipped([Member(JUST.name + b"\x00x", b"{}")]))
archive("a name of control characters", of(b"\x1b[2J\x07"))
archive("a name that is no UTF-8", of(b"\xff\xfe", flags=0x800))
archive("a name of 60,000 characters", of(b"x" * 60_000))
archive("an empty name", of(b""))
archive("a link", of(b"README.md", mode=0o120777))
archive("a device", of(b"README.md", mode=0o060644))
archive("a pipe", of(b"README.md", mode=0o010644))
archive("a folder where a file should be", of(b"README.md/"))
archive("a folder by its mode", of(b"README.md", mode=0o040755))
archive("a folder of logs with content", of(b"logs/"))
archive("an encrypted member", of(b"README.md", flags=1))
archive("a strongly encrypted member", of(b"README.md", flags=0x41))
archive("patched data", lambda: zipped([Member(JUST.name, b"{}", flags=0x20)]))
archive("sizes behind the member", of(b"README.md", flags=8))
for _method in (1, 6, 9, 12, 14, 93, 99):
    archive(f"packed by method {_method}", of(b"README.md", method=_method))
archive("a size that is too small", lambda: zipped([Member(JUST.name, b"x" * 99, size=5)]))
archive("a size that is too large", lambda: zipped([Member(JUST.name, b"x" * 99, size=500)]))
archive("a packed size that is too large", lambda: zipped([Member(JUST.name, b"x" * 99, packed_size=5000)]))
archive("a packed size that is too small", lambda: zipped([Member(JUST.name, b"x" * 99, packed_size=50)]))
archive("sizes of zip64 in a member", lambda: zipped([Member(JUST.name, b"x", size=2**32 - 1, packed_size=2**32 - 1)]))
archive("zip64 extras that are cut", of(b"README.md", extra=b"\x01\x00\x08\x00\x00", size=2**32 - 1))
archive("another name in the member's own header", lambda: zipped([Member(JUST.name, b"{}", local_name=b"x")]))
archive("a header behind the end", lambda: zipped([Member(JUST.name, b"{}", offset=10**6)]))
archive("no deflate", lambda: zipped([Member(JUST.name, b"\xff" * 50, method=8)]))
archive("something before it", lambda: zipped([JUST], before=b"MZ" * 100))
archive("something between members and list", lambda: zipped([JUST], between=b"x" * 100))
archive("something behind the list", lambda: zipped([JUST], behind=b"x" * 100))
archive("something behind it", lambda: zipped([JUST]) + b"x" * 100)
archive("a comment", lambda: zipped([JUST], comment=b"PK\x05\x06" + bytes(18)))
archive("a list that is said to be elsewhere", lambda: zipped([JUST], shift=-7))
archive("a member that is in no list", lambda: zipped([Member(b"x", b"x"), JUST])[:0] + _unlisted())
archive("no member", lambda: zipped([]))
archive("nothing", lambda: b"")
archive("half an archive", lambda: zipped([JUST])[:50])
archive("only an end", lambda: zipped([JUST])[-22:])
archive("text", lambda: b"hello " * 1000)
archive("a pickle", lambda: pickle.dumps({"a": 1}))


def _unlisted() -> bytes:
    whole, alone = zipped([Member(b"x", b"x"), JUST]), zipped([JUST])
    first = 30 + 1 + 1
    return zipped([JUST], before=whole[:first], shift=0) if len(whole) > len(alone) else b""
