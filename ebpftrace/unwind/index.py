"""Which FDE may cover an address: by the sorted table of .eh_frame_hdr, or by one of our own.

Both only propose: whoever asks checks the FDE's own range, so a table that lies finds nothing.
"""

import time
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import Protocol

from ebpftrace.model.ids import ImageAddress
from ebpftrace.target.elf import ElfImage
from ebpftrace.unwind.encoding import BAD, DATA_RELATIVE, Broken, pointer, reason_of
from ebpftrace.unwind.entries import Entries
from ebpftrace.unwind.region import Region, read_all

_SORTED_TABLE = DATA_RELATIVE | 0xB  # sdata4, from the header's address: what every linker writes
_MOST_HEADER = 32
_MOST_TABLE = 2 << 20  # entries of 8 bytes, which stay in memory; chromium has half a million
_PIECE = 1 << 16
_MOST_SCANNED = 500_000  # as arrays they take 8 MB
_MOST_SECONDS = 3.0
_MOST_BYTES = 1 << 32  # a key for sorting has as many bits for the place
_CLOCK_EVERY = 1024


class Index(Protocol):
    """Finds FDEs by address. `incomplete`: why some may be missing from it, "" where none is."""

    incomplete: str

    def find(self, address: int) -> int | None:
        """Where in its section the FDE is that may cover `address`, None: none does."""


class Header:
    """What .eh_frame_hdr says (LSB 10.6.2): the start of .eh_frame, and a table if it is usable."""

    def __init__(self, image: ElfImage, address: ImageAddress) -> None:
        """For the header at `address`. Broken where it cannot even be read."""
        offset = image.file_offset(address)
        if offset is None:
            raise Broken(".eh_frame_hdr outside of the file")
        data = image.read(offset, min(_MOST_HEADER, image.room(address)))
        if not data or data[0] != 1:
            raise Broken(".eh_frame_hdr of another version")
        frame, count, table = data[1], data[2], data[3]
        self.address = address
        start, at = pointer(data, 4, frame, address + 4, address)
        self.eh_frame = ImageAddress(start)
        self._entries, self._table = 0, at
        if table == _SORTED_TABLE:
            self._entries, self._table = pointer(data, at, count, address + at, address)

    def table(self, image: ElfImage, region: Region) -> "HeaderTable | None":
        """Its table over `region`; None where that is missing, too long, not whole or unsorted."""
        offset = image.file_offset(self.address)
        size = 8 * self._entries
        if offset is None or not 0 < self._entries <= _MOST_TABLE:
            return None
        if self._table + size > image.room(self.address):
            return None
        data = read_all(image, offset + self._table, size)
        if len(data) < size:
            return None
        numbers = memoryview(data).cast("i")
        if not _ascending(numbers[::2]):
            return None
        return HeaderTable(numbers, self.address, self.address - region.address)


def _ascending(numbers: "memoryview[int]") -> bool:
    """Whether none is below the one before: a piece at a time, as objects they take far more."""
    for at in range(0, len(numbers), _PIECE):
        piece = numbers[at : at + _PIECE + 1].tolist()
        if piece != sorted(piece):
            return False
    return True


class HeaderTable:
    """The table as it is in the file: pairs of a start and an FDE, relative to the header."""

    incomplete = ""

    def __init__(self, numbers: "memoryview[int]", base: int, shift: int) -> None:
        """`shift`: from an FDE's distance to the header to where it is in its section."""
        self._starts = numbers[::2]
        self._places = numbers[1::2]
        self._base = base
        self._shift = shift

    def find(self, address: int) -> int | None:
        at = bisect_right(self._starts, address - self._base)
        return self._places[at - 1] + self._shift if at else None


class ScannedTable:
    """A table of our own, made by one pass over a section that has none."""

    def __init__(self, entries: Entries) -> None:
        """Ends early, and remembers why, at a limit and where an entry's length is wrong."""
        self.incomplete = ""
        found = []
        try:
            for start, at in self._bounded(entries):
                found.append(start << 32 | at)
        except BAD as error:
            self.incomplete = reason_of(error)
        found.sort()
        self._starts = array("Q", (key >> 32 for key in found))
        self._places = array("I", (key & 0xFFFFFFFF for key in found))

    def find(self, address: int) -> int | None:
        at = bisect_right(self._starts, address)
        return self._places[at - 1] if at else None

    def _bounded(self, entries: Entries) -> Iterator[tuple[int, int]]:
        deadline = time.monotonic() + _MOST_SECONDS
        for number, entry in enumerate(entries.every()):
            if number >= _MOST_SCANNED:
                raise Broken(f"section of more than {_MOST_SCANNED} entries without a table")
            if not number % _CLOCK_EVERY and time.monotonic() > deadline:
                raise Broken(f"section without a table that takes over {_MOST_SECONDS:.0f} s")
            if entry.end > _MOST_BYTES:
                raise Broken("section of more than 4 GiB")
            if entry.cie is None:
                continue
            try:
                start, end = entries.bounds(entry)
            except BAD as error:
                self.incomplete = reason_of(error)
                continue
            if end > start:
                yield start, entry.at
