"""What sections and records are made of: a msgpack array of some short values and, last, bytes.

The bytes are left where they are: only their place is told.
"""

import struct
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import msgpack

from ebpftrace.snapshot.values import Unfit

MARKER = b"ebpf\xff\xc1record\xfe\xc1\x00\n"
"""What a record of a stream begins with: no text holds it, and none of its bytes is a name's."""

WINDOW = 128  # the short values take less
_BYTES = {0xC4: ">B", 0xC5: ">H", 0xC6: ">I"}  # msgpack's bin 8, bin 16, bin 32


class Cut(Exception):
    """The file ends in the middle of it."""


class Framed(NamedTuple):
    """`values` as they stand, of whatever type; its bytes are at `start` up to `end` of the file."""

    values: tuple[Any, ...]
    start: int
    end: int


def framed_at(read: Callable[[int, int], bytes], offset: int, values: int) -> Framed:
    """What is at `offset`. Cut, or Unfit where it is something else.

    `read` takes an offset and a length, and gives less at the end of the file.
    """
    window = read(offset, WINDOW)
    unpacker = msgpack.Unpacker(
        max_buffer_size=WINDOW, max_str_len=32, max_bin_len=32, max_array_len=0, max_map_len=0
    )
    unpacker.feed(window)
    try:
        if unpacker.read_array_header() != values + 1:
            raise Unfit("it does not begin as it should")
        given = tuple(unpacker.unpack() for _ in range(values))
    except msgpack.OutOfData:
        raise Cut from None
    except (ValueError, msgpack.UnpackException):
        raise Unfit("it does not begin as it should") from None
    at = unpacker.tell()
    form = _BYTES.get(window[at]) if at < len(window) else ">B"
    if form is None:
        raise Unfit("it does not begin as it should")
    length = window[at + 1 : at + 1 + struct.calcsize(form)]
    if len(length) < struct.calcsize(form):
        raise Cut
    start = offset + at + 1 + len(length)
    return Framed(given, start, start + struct.unpack(form, length)[0])


def checksum(*parts: str | int | bytes) -> int:
    """crc32 of one after the other: text as UTF-8, a number as 8 bytes, little-endian."""
    crc = 0
    for part in parts:
        if isinstance(part, int):
            crc = zlib.crc32(part.to_bytes(8, "little"), crc)
        else:
            crc = zlib.crc32(part.encode() if isinstance(part, str) else part, crc)
    return crc
