"""LEB128 numbers and encoded pointers, as DWARF and the LSB (10.5, "DWARF Extensions") write them.

The bytes belong to a hostile file: a number has at most ten of them. Only little-endian files come
here. Reading behind the end of `data` raises IndexError or struct.error: whoever asks catches BAD.
"""

import struct
from typing import Final

_MOST_SHIFT = 63  # the tenth byte of 64 bits
_MASK = (1 << 64) - 1

OMITTED = 0xFF
PC_RELATIVE, DATA_RELATIVE, INDIRECT = 0x10, 0x30, 0x80
_ABSOLUTE, _ULEB, _SLEB, _SIGNED = 0x0, 0x1, 0x9, 0x8
_FIXED: Final = {
    _ABSOLUTE: struct.Struct("<Q"),
    0x2: struct.Struct("<H"),
    0x3: struct.Struct("<I"),
    0x4: struct.Struct("<Q"),
    _SIGNED: struct.Struct("<q"),
    0xA: struct.Struct("<h"),
    0xB: struct.Struct("<i"),
    0xC: struct.Struct("<q"),
}


class Broken(Exception):
    """Unwind information that contradicts itself or that is not supported; says which in words."""


BAD: Final = (Broken, IndexError, struct.error)
"""All that reading bad unwind information raises."""


def reason_of(error: Exception) -> str:
    """One of BAD in words."""
    return str(error) if isinstance(error, Broken) else "truncated entry"


def uleb(data: bytes, at: int) -> tuple[int, int]:
    """The unsigned LEB128 number at `at`, and where it ends. Broken beyond ten bytes."""
    byte = data[at]
    at += 1
    if byte < 0x80:
        return byte, at
    value, shift = byte & 0x7F, 7
    while shift <= _MOST_SHIFT:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise Broken("LEB128 number of more than ten bytes")


def sleb(data: bytes, at: int) -> tuple[int, int]:
    """The signed LEB128 number at `at`, and where it ends. Broken beyond ten bytes."""
    value, end = uleb(data, at)
    bits = 7 * (end - at)
    return value - (1 << bits) if value >> (bits - 1) else value, end


def value_of(data: bytes, at: int, encoding: int) -> tuple[int, int]:
    """The number at `at` in the format of a pointer's encoding, relative to nothing, and its end."""
    form = encoding & 0xF
    layout = _FIXED.get(form)
    if layout is not None:
        return layout.unpack_from(data, at)[0], at + layout.size
    if form == _ULEB:
        return uleb(data, at)
    if form == _SLEB:
        return sleb(data, at)
    raise Broken(f"pointer encoding {encoding:#x}")


def pointer(data: bytes, at: int, encoding: int, address: int, base: int | None) -> tuple[int, int]:
    """The pointer at `at` and where it ends; `address` is that of `at`, `base` what data-relative
    ones count from, None: nothing is known to. Broken in an encoding that only a process resolves.
    """
    value, end = value_of(data, at, encoding)
    relative = encoding & 0xF0
    if relative == PC_RELATIVE:
        value += address
    elif relative == DATA_RELATIVE and base is not None:
        value += base
    elif relative:
        raise Broken(f"pointer encoding {encoding:#x}")
    return value & _MASK, end
