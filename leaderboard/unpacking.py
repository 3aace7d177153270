"""Unpacks a compressed log line by line, and never more of it than a log can have."""

import zlib
from collections.abc import Iterator

from leaderboard.errors import UnsafeArchiveError

MAX_LOG_BYTES = 128_000_000
"""Of one log, unpacked."""
MAX_LINE_BYTES = 1_000_000
"""Of a log: a turn's action, or a header with a team's profiles."""
MAX_LINES = 1_000_000
"""Of a log: no line of one has less than 80 bytes, and most have twice as many."""

_MARK = b"\x1f\x8b\x08\x00"
"""How gzip begins that holds nothing but what is packed. Source: RFC 1952."""
_CHUNK = 1 << 16
"""Of what is packed: what a piece of it unpacks to is not all at once in memory either."""


def unpacked_lines(packed: bytes, name: str) -> Iterator[bytes]:
    """The lines of a compressed log, each with its line feed but perhaps the last.

    Raises: UnsafeArchiveError for what is no gzip, unpacks to more than `MAX_LOG_BYTES`, or has too many or too long
    lines.
    """
    rest, count = b"", 0
    for part in _unpacked(packed, name):
        lines = (rest + part).split(b"\n")
        rest = lines.pop()
        count += len(lines)
        if count > MAX_LINES:
            raise UnsafeArchiveError(f"{name} has more than {MAX_LINES:,} lines; no log has that")
        for line in lines:
            yield _short(line, name) + b"\n"
        _short(rest, name)
    if rest:
        yield rest


def _short(line: bytes, name: str) -> bytes:
    if len(line) > MAX_LINE_BYTES:
        raise UnsafeArchiveError(f"{name} has a line of more than {MAX_LINE_BYTES:,} bytes; no log has that")
    return line


def _unpacked(packed: bytes, name: str) -> Iterator[bytes]:
    if packed[: len(_MARK)] != _MARK:
        raise UnsafeArchiveError(f"{name} is no gzip without a file's name or a comment; write the log again")
    gzip = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    size = 0
    for begins in range(0, len(packed), _CHUNK):
        for part in _parts(gzip, packed[begins : begins + _CHUNK], name):
            size += len(part)
            if size > MAX_LOG_BYTES:
                raise UnsafeArchiveError(f"{name} unpacks to more than {MAX_LOG_BYTES:,} bytes; no log has that")
            yield part
        if gzip.eof:
            if gzip.unused_data or begins + _CHUNK < len(packed):
                raise UnsafeArchiveError(f"{name} goes on behind the end of its gzip member; write the log again")
            return
    raise UnsafeArchiveError(f"{name} ends before its gzip member does; write the log again")


def _parts(gzip: "zlib._Decompress", waiting: bytes, name: str) -> Iterator[bytes]:
    """What these bytes unpack to, piece by piece."""
    try:
        while not gzip.eof:
            part = gzip.decompress(waiting, MAX_LINE_BYTES)
            waiting = gzip.unconsumed_tail
            if not part and not waiting:
                return
            yield part
    except zlib.error as error:
        raise UnsafeArchiveError(f"{name} is no gzip ({error}); write the log again") from error
