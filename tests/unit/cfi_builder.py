"""ELF files with call frame information built in code, everything defaulted but the point of a test."""

import contextlib
import os
import struct
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ebpftrace.model.ids import ImageAddress
from ebpftrace.target.elf import ElfImage
from ebpftrace.unwind.rules import Found
from ebpftrace.unwind.table import UnwindTable
from tests.unit.elf_builder import TEXT_ADDRESS, Elf, Part

CODE = 0x800
"""Bytes of code in front of the tables: what FDEs describe."""

X86_64, AARCH64 = 62, 183
RBX, RBP, RSP, RIP = 3, 6, 7, 16
X29, X30, SP = 29, 30, 31

PC_REL_SDATA4 = 0x1B
GNU_EH_FRAME = 0x6474E550
COMPRESSED = 0x800

RESTORE_ROW, REMEMBER = b"\x0b", b"\x0a"


def uleb(value: int) -> bytes:
    """An unsigned LEB128 number."""
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def sleb(value: int) -> bytes:
    """A signed LEB128 number."""
    found = bytearray()
    while not -64 <= value < 64:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value & 0x7F])


def advance(delta: int) -> bytes:
    return bytes([0x40 | delta])  # DW_CFA_advance_loc


def cfa(register: int, offset: int) -> bytes:
    return b"\x0c" + uleb(register) + uleb(offset)  # DW_CFA_def_cfa


def cfa_offset(offset: int) -> bytes:
    return b"\x0e" + uleb(offset)  # DW_CFA_def_cfa_offset


def cfa_expression(*parts: bytes) -> bytes:
    code = b"".join(parts)
    return b"\x0f" + uleb(len(code)) + code  # DW_CFA_def_cfa_expression


def at_expression(register: int, *parts: bytes) -> bytes:
    code = b"".join(parts)
    return b"\x10" + uleb(register) + uleb(len(code)) + code  # DW_CFA_expression


def saved(register: int, factored: int) -> bytes:
    """At CFA + factored * the CIE's data alignment."""
    return bytes([0x80 | register]) + uleb(factored)  # DW_CFA_offset


def undefined(register: int) -> bytes:
    return b"\x07" + uleb(register)  # DW_CFA_undefined


def breg(register: int, offset: int) -> bytes:
    return bytes([0x70 + register]) + sleb(offset)  # DW_OP_breg0 + register


@dataclass
class Cie:
    """What GNU as writes on x86-64; `identity` and `length` can lie."""

    program: bytes = cfa(RSP, 8) + saved(RIP, 1)
    augmentation: bytes = b"zR"
    augmentation_data: bytes | None = None
    version: int = 1
    code: int = 1
    data: int = -8
    returns: int = RIP
    encoding: int = PC_REL_SDATA4
    identity: int | None = None

    def body(self, debug: bool, wide: bool) -> bytes:
        data = self.augmentation_data
        if data is None:
            data = bytes([self.encoding])
        return b"".join(
            [
                _offset(self.identity or (-1 if debug else 0), debug and wide),  # CIE_id
                bytes([self.version]),
                self.augmentation + b"\0",
                b"\x08\x00" if self.version == 4 else b"",  # address_size, segment_selector_size
                uleb(self.code),  # code_alignment_factor
                sleb(self.data),  # data_alignment_factor
                bytes([self.returns]),  # return_address_register: u8 in version 1, else uleb
                uleb(len(data)) + data if self.augmentation.startswith(b"z") else b"",
                self.program,  # initial_instructions
            ]
        )


@dataclass
class Fde:
    """Covers `size` bytes from `start` on, which counts from the start of the code."""

    program: bytes = b""
    start: int = 0
    size: int = 64
    pointer: bytes | None = None
    """The bytes of initial_location and address_range, for a CIE of another encoding."""
    back: int | None = None
    """CIE_pointer; None: the one CIE."""
    length: int | None = None
    listed_at: int | None = None
    """Where the table says it starts."""
    place: int | None = None
    """Where the table says it is, from the header's address on."""


AARCH64_CIE = Cie(program=cfa(SP, 0), code=4, data=-8, returns=X30)
"""What GNU as writes on AArch64."""


@dataclass
class Frames:
    """A library with one CIE, its FDEs, and a sorted table unless `table` is another encoding."""

    fdes: Sequence[Fde] = (Fde(),)
    cie: Cie = field(default_factory=Cie)
    machine: int = X86_64
    header: bool = True
    table: int = 0x3B  # DW_EH_PE_datarel | DW_EH_PE_sdata4
    count: int | None = None
    sections: bool = True
    debug: bool = False
    wide: bool = False
    """Lengths of 64 bits."""
    wrap: "tuple[int, bytes] | None" = None
    """For .debug_frame: the section's flags and its content in place of the entries."""
    tail: bytes = bytes(4)
    """What ends .eh_frame: a length of zero."""

    def build(self) -> bytes:
        header_size = 12 + 8 * len(self.fdes)
        header_at = CODE
        frame_at = header_at + header_size + -header_size % 8
        entries, places = self._entries(frame_at)
        if self.debug and self.wrap is not None:
            entries = self.wrap[1]
        header = self._header(header_at, frame_at, places)
        code = bytes(CODE) + header.ljust(frame_at - header_at, b"\0") + entries
        name = b".debug_frame" if self.debug else b".eh_frame"
        flags = self.wrap[0] if self.wrap is not None else 2  # SHF_ALLOC
        parts = []
        if self.sections:
            parts.append(Part(name, frame_at, len(entries), flags))
        if self.header and not self.debug:
            parts.append(Part(b"", header_at, header_size, program=GNU_EH_FRAME))
        return Elf(code=code, machine=self.machine, parts=parts).build()

    def entries(self) -> bytes:
        """What stands in the section."""
        return self._entries(0)[0]

    def _entries(self, frame_at: int) -> tuple[bytes, list[int]]:
        """The section that starts at `frame_at`, and where its FDEs are from the code's start."""
        length_size = 12 if self.wide else 4
        body = bytearray(_entry(self.cie.body(self.debug, self.wide), None, self.wide))
        places = []
        for fde in self.fdes:
            places.append(frame_at + len(body))
            pointer_at = len(body) + length_size
            back = fde.back if fde.back is not None else 0 if self.debug else pointer_at
            at = TEXT_ADDRESS + frame_at + pointer_at + 4
            location = fde.pointer
            if location is None and self.debug:
                location = struct.pack("<QQ", TEXT_ADDRESS + fde.start, fde.size)
            elif location is None:
                location = struct.pack("<iI", TEXT_ADDRESS + fde.start - at, fde.size)
            augmented = b"\0" if self.cie.augmentation.startswith(b"z") else b""
            content = _offset(back, self.debug and self.wide) + location + augmented + fde.program
            body += _entry(content, fde.length, self.wide)
        return bytes(body) + self.tail, places

    def _header(self, header_at: int, frame_at: int, places: Sequence[int]) -> bytes:
        rows = sorted(
            (
                fde.start - header_at if fde.listed_at is None else fde.listed_at - header_at,
                place - header_at if fde.place is None else fde.place,
            )
            for fde, place in zip(self.fdes, places, strict=True)
        )
        return b"".join(
            [
                bytes([1, PC_REL_SDATA4, 0x03, self.table]),  # version, three encodings
                struct.pack("<i", frame_at - header_at - 4),  # eh_frame_ptr
                struct.pack("<I", len(rows) if self.count is None else self.count),  # fde_count
                *(struct.pack("<ii", *row) for row in rows),  # initial location, address of the FDE
            ]
        )


def _offset(value: int, wide: bool) -> bytes:
    """A CIE_id or a CIE_pointer: of .eh_frame 32 bits, whatever its lengths have."""
    return struct.pack("<q" if wide else "<i", value)


def _entry(content: bytes, length: int | None, wide: bool) -> bytes:
    content += bytes(-len(content) % 4)  # DW_CFA_nop
    stated = len(content) if length is None else length
    return (struct.pack("<IQ", 0xFFFFFFFF, stated) if wide else struct.pack("<I", stated)) + content


def aarch64(*fdes: Fde, cie: Cie = AARCH64_CIE) -> Frames:
    return Frames(fdes, cie, AARCH64)


def with_cie(**fields: object) -> Frames:
    """One default FDE behind a CIE with these fields."""
    return Frames(cie=replace(Cie(), **fields))  # type: ignore[arg-type]


@contextlib.contextmanager
def image_of(content: bytes) -> Iterator[ElfImage]:
    """The file of these bytes, until the end of the block."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        yield ElfImage.open(file.fileno())


@contextlib.contextmanager
def image_at(path: Path) -> Iterator[ElfImage]:
    """The file at `path`, until the end of the block."""
    fd = os.open(path, os.O_RDONLY)
    try:
        yield ElfImage.open(fd)
    finally:
        os.close(fd)


def found_at(frames: Frames | bytes, offset: int = 0) -> Found:
    """What is found `offset` bytes into the code of such a file."""
    content = frames if isinstance(frames, bytes) else frames.build()
    with image_of(content) as image:
        return UnwindTable(image).rule_at(ImageAddress(TEXT_ADDRESS + offset))
