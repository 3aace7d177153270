"""Bytes that are made to do harm: archives with lying headers, compressed bombs."""

import gzip
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MB = 10**6
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")


@dataclass(frozen=True)
class Member:
    """Of an archive. What is None is told as it is."""

    name: bytes
    content: bytes = b""
    raw: bytes | None = None
    """What lies there in place of the content."""
    size: int | None = None
    packed_size: int | None = None
    method: int = 0
    flags: int = 0
    mode: int = 0o100644
    local_name: bytes | None = None
    offset: int | None = None
    """Where its header is said to lie."""
    extra: bytes = b""


def zipped(
    members: Sequence[Member],
    *,
    before: bytes = b"",
    between: bytes = b"",
    behind: bytes = b"",
    comment: bytes = b"",
    count: int | None = None,
    shift: int = 0,
) -> bytes:
    """An archive, with whatever lies are asked for."""
    parts, listed, place = [before], [], len(before)
    for member in members:
        raw = member.content if member.raw is None else member.raw
        size = len(member.content) if member.size is None else member.size
        packed = len(raw) if member.packed_size is None else member.packed_size
        name = member.name if member.local_name is None else member.local_name
        fields = (20, member.flags, member.method, 0, 33, zlib.crc32(member.content), packed, size)
        header = _LOCAL.pack(b"PK\x03\x04", *fields, len(name), 0)
        offset = place if member.offset is None else member.offset
        listed.append(
            _CENTRAL.pack(
                *(b"PK\x01\x02", 3 << 8 | 20, *fields, len(member.name), len(member.extra)),
                *(0, 0, 0, member.mode << 16, offset),
            )
            + member.name
            + member.extra
        )
        if member.offset is None:
            parts += [header, name, raw]
            place += len(header) + len(name) + len(raw)
    directory = b"".join(listed)
    number = (len(members) if count is None else count) & 0xFFFF
    end = _END.pack(b"PK\x05\x06", 0, 0, number, number, len(directory), place + len(between) + shift, len(comment))
    return b"".join([*parts, between, directory, behind, end, comment])


def repeated(piece: bytes, times: int, *, wbits: int = -15) -> bytes:
    """A compressed stream that unpacks to so many pieces, made in a moment: what is flushed is the same each time."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packer.compress(piece)
    packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    end = zlib.compressobj(9, zlib.DEFLATED, -15).flush()
    raw = block * times + end
    if wbits < 0:
        return raw
    head = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    return head + raw + struct.pack("<2L", 0, len(piece) * times & 0xFFFFFFFF)


def gzip_of(piece: bytes, times: int) -> bytes:
    """The same as a gzip member; its checksum is wrong, which nobody gets to see."""
    return repeated(piece, times, wbits=31)


def packed(lines: Iterable[bytes]) -> bytes:
    return gzip.compress(b"".join(lines), 1, mtime=0)
