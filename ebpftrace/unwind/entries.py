"""CIEs and FDEs: the entries of .eh_frame (LSB 10.6) and of .debug_frame (DWARF 5, 6.4.1).

Owns their layout. Raises Broken with the reason, or IndexError and struct.error where an entry ends
early, and reads nothing outside of it. Leaves finding the entry of an address to `index`.
"""

from collections.abc import Iterator
from typing import NamedTuple

from ebpftrace.unwind.encoding import INDIRECT, OMITTED, Broken, pointer, sleb, uleb, value_of
from ebpftrace.unwind.machines import Machine
from ebpftrace.unwind.program import NO_ROW, Program, Row, Scale
from ebpftrace.unwind.region import Region

_MOST_ENTRY = 64 << 10  # libLLVM's longest has 1.7 KB; to run 64 KiB takes up to 50 ms
_MOST_CIES = 1024  # libLLVM has two
_MOST_AUGMENTATION = 16
_LONG = 0xFFFFFFFF  # a length of 64 bits follows
_EVER = 1 << 128
_ALIGNED = 0x50


class Entry(NamedTuple):
    """One entry, from `at` to before `end` in its section; `cie`: where an FDE's CIE is, None in a
    CIE. `data` is all of it, empty if it is too long to be used; `body` is where in `data` that
    starts which differs between CIE and FDE.
    """

    at: int
    end: int
    data: bytes
    body: int
    cie: int | None


class Cie(NamedTuple):
    """What the FDEs of one CIE share. `row` holds before their first instruction."""

    scale: Scale
    row: Row
    return_register: int
    augmented: bool
    signal: bool


class Fde(NamedTuple):
    """The rows of the addresses from `start` to before `end`, as a program at `address`."""

    start: int
    end: int
    cie: Cie
    instructions: bytes
    address: int

    def program(self) -> Program:
        """A run of its program that stands before the first row."""
        return Program(self.instructions, self.address, self.cie.scale, self.cie.row, self.start)


class Entries:
    """The entries of one section. Keeps the CIEs, of which a file has a few."""

    def __init__(self, region: Region, machine: Machine, is_eh: bool) -> None:
        """For a .eh_frame where `is_eh`, else a .debug_frame."""
        self.region = region
        self._machine = machine
        self._is_eh = is_eh
        self._cies: dict[int, Cie] = {}

    def fde(self, at: int) -> Fde:
        """The FDE at `at`."""
        entry = self.entry(at)
        if entry is None or entry.cie is None:
            raise Broken("no FDE where the index says")
        return self.parse(entry)

    def entry(self, at: int) -> Entry | None:
        """The entry at `at`; None at the zero that ends a section, and at its end."""
        if not 0 <= at <= self.region.length:
            raise Broken("entry outside of its section")
        if at + 4 > self.region.length:
            return None
        data, start = self.region.window(at, 24)
        place = at - start
        length, body = int.from_bytes(data[place : place + 4], "little"), 4
        if length == _LONG:
            length, body = int.from_bytes(data[place + 4 : place + 12], "little"), 12
        if not length:
            return None
        size = body + length
        if at + size > self.region.length:
            raise Broken("entry longer than its section")
        wide = body == 12 and not self._is_eh
        field = 8 if wide else 4
        if length < field:
            raise Broken("entry too short")
        identity = int.from_bytes(data[place + body : place + body + field], "little", signed=True)
        if self._is_eh:
            cie = at + body - identity if identity else None
        else:
            cie = None if identity == -1 else identity
        if size > _MOST_ENTRY:
            # Only its length is of use, to whoever goes from entry to entry.
            return Entry(at, at + size, b"", body + field, cie)
        if place + size > len(data):
            data, start = self.region.window(at, size)
            place = at - start
        data = data[place : place + size]
        if len(data) < size:  # the file is shorter by now
            raise Broken("truncated entry")
        return Entry(at, at + size, data, body + field, cie)

    def every(self) -> Iterator[Entry]:
        """The entries in their order, to the end of the section or the zero that ends it."""
        at = 0
        while (entry := self.entry(at)) is not None:
            yield entry
            at = entry.end

    def parse(self, entry: Entry) -> Fde:
        """The FDE that `entry` is."""
        start, end, cie, at = self._head(entry)
        data = entry.data
        if cie.augmented:
            length, at = uleb(data, at)
            at += length
        if at > len(data):
            raise Broken("augmentation longer than its entry")
        return Fde(start, end, cie, data[at:], self.region.address + entry.at + at)

    def bounds(self, entry: Entry) -> tuple[int, int]:
        """The first address of the FDE that `entry` is, and the first behind it."""
        return self._head(entry)[:2]

    def _head(self, entry: Entry) -> tuple[int, int, Cie, int]:
        if entry.cie is None:
            raise Broken("CIE where an FDE should be")
        if not entry.data:
            raise Broken(f"entry of more than {_MOST_ENTRY >> 10} KiB")
        cie = self._cies.get(entry.cie) or self._read_cie(entry.cie)
        data, at = entry.data, entry.body
        encoding = cie.scale.encoding
        start, at = pointer(data, at, encoding, self.region.address + entry.at + at, None)
        size, at = value_of(data, at, encoding & 0xF)
        if size < 0:
            raise Broken("FDE of negative length")
        return start, start + size, cie, at

    def _read_cie(self, at: int) -> Cie:
        entry = self.entry(at)
        if entry is None or entry.cie is not None:
            raise Broken("FDE without a CIE")
        if not entry.data:
            raise Broken(f"entry of more than {_MOST_ENTRY >> 10} KiB")
        cie = self._parse_cie(entry)
        if len(self._cies) >= _MOST_CIES:
            self._cies.clear()
        self._cies[at] = cie
        return cie

    def _parse_cie(self, entry: Entry) -> Cie:
        data, at = entry.data, entry.body
        version = data[at]
        if version not in (1, 3, 4):
            raise Broken(f"CIE version {version}")
        end = data.find(b"\0", at + 1, at + 2 + _MOST_AUGMENTATION)
        if end < 0:
            raise Broken("CIE augmentation without an end")
        augmentation, at = data[at + 1 : end], end + 1
        if version == 4:
            if data[at] != 8 or data[at + 1] != 0:
                raise Broken("CIE with addresses of another size")
            at += 2
        if augmentation == b"eh":
            at += 8  # GCC 2 kept a pointer here
        code, at = uleb(data, at)
        scale, at = sleb(data, at)
        if version == 1:
            return_register, at = data[at], at + 1
        else:
            return_register, at = uleb(data, at)
        encoding, signal = 0, False
        if augmentation.startswith(b"z"):
            length, at = uleb(data, at)
            if at + length > len(data):
                raise Broken("augmentation longer than its entry")
            encoding, signal = _augmentation(augmentation[1:], data[at : at + length])
            at += length
        elif augmentation not in (b"", b"eh"):
            raise Broken("CIE with an unknown augmentation")
        kept = self._machine.kept
        scales = Scale(code, scale, encoding, kept, self._machine.signs)
        address = self.region.address + entry.at + at
        program = Program(data[at:], address, scales, NO_ROW, 0)
        program.run(_EVER)
        return Cie(scales, program.row, return_register, augmentation[:1] == b"z", signal)


def _augmentation(letters: bytes, data: bytes) -> tuple[int, bool]:
    """The encoding of the FDEs' pointers, and whether they describe signal frames."""
    encoding, signal, at = 0, False, 0
    for letter in letters.decode("latin-1"):
        if letter == "R":
            encoding, at = data[at], at + 1
        elif letter == "L":
            at += 1
        elif letter == "P":
            at = _behind_personality(data, at)
        elif letter == "S":
            signal = True
        elif letter not in "BG":  # AArch64: return addresses signed by key B, tagged memory
            raise Broken("CIE with an unknown augmentation")
    if encoding & INDIRECT:
        raise Broken(f"pointer encoding {encoding:#x}")
    return encoding, signal


def _behind_personality(data: bytes, at: int) -> int:
    """Where the pointer to the personality routine ends; its value is of no use here."""
    encoding = data[at]
    if encoding == OMITTED:
        return at + 1
    if encoding & 0x70 == _ALIGNED:
        raise Broken(f"pointer encoding {encoding:#x}")
    return value_of(data, at + 1, encoding & 0xF)[1]
