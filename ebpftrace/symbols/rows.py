"""How the locations of one place stand in a row of the store, and how a damaged row is known.

A row is four bytes of checksum, then for each location four bytes that refer to a scope, its line
and its column; a number is a varint of 7 bits a byte, 0 for None, else one more than it is. A scope
is a text that starts with four bytes that refer to the text of its file, 0 for none; a byte 1 and
the function's name follow, or nothing. The checksum is over the key, the address, the row and the
checksums of its scopes, files included: a row in the wrong place, or one that refers to the wrong
text, is damaged too.
"""

import zlib
from collections.abc import Callable
from typing import NamedTuple

from ebpftrace.symbols.locations import MOST_INLINED, MOST_NAME, Location, Locations


class Scope(NamedTuple):
    """A function, its file, and the checksum of the texts that say so."""

    function: str | None
    file: str | None
    checksum: int


_MOST_NUMBER = (1 << 64) - 1
# Names are text of any kind, lone surrogates of undecodable bytes included.
_CODEC, _ERRORS = "utf-8", "surrogatepass"


class Damaged(ValueError):
    """A row or a text that was not written so."""


def storable(found: Locations) -> bool:
    """Whether `found` is within the bounds that `locations` sets."""
    return len(found) <= MOST_INLINED and all(
        _is_name(at.function)
        and _is_name(at.file)
        and _is_number(at.line)
        and _is_number(at.column)
        for at in found
    )


def pack(key: bytes, address: int, found: Locations, refer: Callable[[bytes], int]) -> bytes:
    """The row of `address`; `refer` keeps a text and returns its number, 1 to 2**32 - 1."""
    row, scopes = bytearray(), bytearray()
    for at in found:
        file = b"" if at.file is None else at.file.encode(_CODEC, _ERRORS)
        name = b"" if at.function is None else b"\1" + at.function.encode(_CODEC, _ERRORS)
        scope = (0 if at.file is None else refer(file)).to_bytes(4, "little") + name
        scopes += _scope_checksum(scope, file).to_bytes(4, "little")
        row += refer(scope).to_bytes(4, "little")
        _put(row, at.line)
        _put(row, at.column)
    return _checksum(key, address, row, scopes) + row


def unpack(key: bytes, address: int, row: object, scope: Callable[[int], Scope]) -> Locations:
    """What `row` says of `address`, Damaged where it cannot be relied on."""
    if not isinstance(row, bytes) or len(row) < 4:
        raise Damaged
    found: list[Location] = []
    scopes = bytearray()
    at = 4
    while at < len(row):
        if len(found) == MOST_INLINED:
            raise Damaged
        function, file, checksum = scope(int.from_bytes(row[at : at + 4], "little"))
        scopes += checksum.to_bytes(4, "little")
        line, at = _get(row, at + 4)
        column, at = _get(row, at)
        found.append(Location(function, file, line, column))
    if _checksum(key, address, row[4:], scopes) != row[:4]:
        raise Damaged
    return tuple(found)


def read_scope(text: bytes, refer: Callable[[int], bytes]) -> Scope:
    """The scope that `text` stands for; `refer` returns the text of a number."""
    if len(text) < 4 or text[4:5] not in (b"", b"\1"):
        raise Damaged
    number = int.from_bytes(text[:4], "little")
    file = refer(number) if number else b""
    return Scope(
        _name(text[5:]) if len(text) > 4 else None,
        _name(file) if number else None,
        _scope_checksum(text, file),
    )


def _name(text: bytes) -> str:
    try:
        name = text.decode(_CODEC, _ERRORS)
    except UnicodeDecodeError:
        raise Damaged from None
    if len(name) > MOST_NAME:
        raise Damaged
    return name


def _is_name(value: object) -> bool:
    return value is None or (isinstance(value, str) and len(value) <= MOST_NAME)


def _is_number(value: object) -> bool:
    return value is None or (type(value) is int and 0 <= value <= _MOST_NUMBER)


def _scope_checksum(scope: bytes, file: bytes) -> int:
    return zlib.crc32(file, zlib.crc32(scope))


def _checksum(key: bytes, address: int, row: bytes | bytearray, scopes: bytes | bytearray) -> bytes:
    # 32 bits find every damage of up to 32 bits in a row, and of any other all but one in 2**32.
    place = zlib.crc32(key + address.to_bytes(8, "little"))
    return zlib.crc32(scopes, zlib.crc32(row, place)).to_bytes(4, "little")


def _put(row: bytearray, number: int | None) -> None:
    rest = 0 if number is None else number + 1
    while rest > 0x7F:
        row.append(rest & 0x7F | 0x80)
        rest >>= 7
    row.append(rest)


def _get(row: bytes, at: int) -> tuple[int | None, int]:
    value = shift = 0
    while at < len(row) and shift < 70:
        byte = row[at]
        value |= (byte & 0x7F) << shift
        at += 1
        shift += 7
        if byte < 0x80:
            if value > _MOST_NUMBER + 1:
                break
            return (value - 1 if value else None), at
    raise Damaged
