"""The entries of one ELF symbol table.

Owns reading them in bounded pieces; the file is hostile, so a name may start anywhere and end
nowhere. Leaves looking up an address to `symbols.table`.
"""

import os
import struct
from collections.abc import Collection, Iterable, Iterator
from typing import Final, Literal, NamedTuple

from ebpftrace.model.ids import ImageAddress
from ebpftrace.text import clean

MOST_STRINGS = 24 << 20
"""Bytes of a string table that are read; what is named behind them stays unnamed."""
MOST_FUNCTIONS = 250_000
"""Functions of one table that are kept."""
MOST_NAME = 4096
"""Bytes of one name; a C++ symbol beyond that is cut."""

_PIECE = 256 << 10  # bytes of entries at a time: as tuples they take ten times that
_MOST_ENTRIES = 128 << 20  # bytes: five million entries
_FUNCTIONS: Final = frozenset({2, 10})  # STT_FUNC, STT_GNU_IFUNC
_OBJECTS: Final = frozenset({1})  # STT_OBJECT
_IFUNC = 10
_UNDEFINED: Final = frozenset({0, 0xFFF1})  # SHN_UNDEF, SHN_ABS
_HIDDEN: Final = frozenset({1, 2})  # STV_INTERNAL, STV_HIDDEN
_LAYOUTS: Final = {32: "IIIBBH", 64: "IBBHQQ"}  # gABI, figure 4-16

Table = Literal["dynsym", "symtab"]
Bind = Literal["local", "global", "weak", "other"]

_BINDS: Final[dict[int, Bind]] = {0: "local", 1: "global", 2: "weak"}


# NamedTuples: they are made by the thousand for one library, and a frozen dataclass with slots
# takes three times as long to make.
class Symbol(NamedTuple):
    """A defined function. `size` 0: not stated. `ifunc`: its value is a resolver, not the code."""

    name: str
    value: ImageAddress
    size: int
    bind: Bind
    ifunc: bool
    hidden: bool
    table: Table


class Entry(NamedTuple):
    """A defined function as its table has it; `name` is an offset into the string table."""

    name: int
    info: int
    other: int
    section: int
    value: int
    size: int

    @property
    def bind(self) -> Bind:
        return _BINDS.get(self.info >> 4, "other")


class RawSymbols:
    """One table: where its entries and its strings lie in the file, as (offset, length)."""

    def __init__(
        self,
        fd: int,
        table: Table,
        bits: int,
        order: str,
        entries: tuple[int, int],
        strings: tuple[int, int],
    ) -> None:
        self.table: Table = table
        self._fd = fd
        self._bits = bits
        self._layout = struct.Struct(order + _LAYOUTS[bits])
        self._entries = entries
        self._strings = strings

    def strings(self) -> bytes:
        """The string table, its first MOST_STRINGS bytes; empty where it cannot be read."""
        offset, length = self._strings
        return _pread(self._fd, offset, min(length, MOST_STRINGS))

    def entries(
        self, places: Collection[int] | None = None, kinds: Collection[int] = _FUNCTIONS
    ) -> Iterator[Entry]:
        """The defined functions, at most MOST_FUNCTIONS, in file order.

        With `places` only those whose names stand at one of these offsets.
        """
        left = MOST_FUNCTIONS
        for piece in self._pieces():
            rows: Iterable[tuple[int, ...]] = self._layout.iter_unpack(piece)
            if places is not None:
                rows = [row for row in rows if row[0] in places]
            if self._bits == 32:
                rows = [(n, i, o, x, v, s) for n, v, s, i, o, x in rows]
            found = [r for r in rows if r[1] & 15 in kinds and r[3] not in _UNDEFINED]
            yield from map(Entry._make, found[:left])
            left -= len(found)
            if left <= 0:
                return

    def functions(self, wanted: Collection[bytes] | None) -> Iterator[Symbol]:
        """The defined functions with their names; only those named in `wanted`, if given."""
        strings = self.strings()
        places = None if wanted is None else _places_of(strings, wanted)
        if places is not None and not places:
            return
        table = self.table
        for name, info, other, _, value, size in self.entries(places):
            yield Symbol(
                name_at(strings, name),
                ImageAddress(value),
                size,
                _BINDS.get(info >> 4, "other"),
                info & 15 == _IFUNC,
                other & 3 in _HIDDEN,
                table,
            )

    def variable(self, name: bytes) -> ImageAddress | None:
        """Where the first defined variable of that name is."""
        places = _places_of(self.strings(), (name,))
        found = self.entries(places, _OBJECTS) if places else iter(())
        return next((ImageAddress(one.value) for one in found), None)

    def _pieces(self) -> Iterator[bytes]:
        offset, length = self._entries
        length = min(length, _MOST_ENTRIES)
        whole = _PIECE // self._layout.size * self._layout.size
        while length >= self._layout.size:
            piece = _pread(self._fd, offset, min(length, whole))
            piece = piece[: len(piece) // self._layout.size * self._layout.size]
            if not piece:
                return
            yield piece
            offset += len(piece)
            length -= len(piece)


def name_at(strings: bytes, place: int) -> str:
    """The clean name at `place`, "" behind the end; a version ("malloc@@GLIBC_2.2.5") left out."""
    end = strings.find(b"\0", place, place + MOST_NAME)
    raw = strings[place : end if end >= 0 else place + MOST_NAME]
    return clean(raw.partition(b"@")[0] if b"@" in raw else raw)


def _places_of(strings: bytes, wanted: Collection[bytes]) -> set[int]:
    """Every offset at which one of `wanted` stands, ends of longer names too: linkers share them.

    A hostile table repeats a name as often as it likes: the first 10,000 count.
    """
    found: set[int] = set()
    for name in wanted:
        at = strings.find(name + b"\0")
        for _ in range(10_000):
            if at < 0:
                break
            found.add(at)
            at = strings.find(name + b"\0", at + 1)
    return found


def _pread(fd: int, offset: int, length: int) -> bytes:
    try:
        return os.pread(fd, length, offset) if length > 0 else b""
    except OSError:
        return b""
