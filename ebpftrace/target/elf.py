"""What an ELF file says of itself, read from a descriptor.

The file belongs to whoever is traced and is read as root: every count and size is checked against
the file and against a limit of our own before it is used, and only `BadElf` leaves this module.
Parsed with `struct` alone: pyelftools (the tests' oracle) costs 50-90 ms to import, and follows
some header fields without bounds. Leaves addresses in a process to `modules`.
"""

import os
import struct
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from ebpftrace.errors import EbpftraceError
from ebpftrace.model.ids import FileOffset, ImageAddress
from ebpftrace.target.elf_symbols import MOST_NAME, Entry, RawSymbols, Symbol, Table
from ebpftrace.text import clean

_MOST_SEGMENTS = 1024  # real files have about a dozen
_MOST_SECTIONS = 4096  # linked files have about forty
_MOST_NAMES = 1 << 20
_MOST_NOTES = 64 << 10
_MOST_DYNAMIC = 64 << 10
_MOST_BUILD_ID = 64  # bytes; SHA-1 has 20
_MOST_READ = 1 << 20
_MOST_NEEDED = 1024
_MOST_SYMBOLS = 100_000  # as objects they take 25 MB
_MOST_ASKED, _MOST_KEPT = 8, 1000  # sets of names whose symbols are kept, and symbols of one
_MOST_BEGINNING = 256

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP, _PT_NOTE = 1, 2, 3, 4
_PT_GNU_EH_FRAME = 0x6474E550
_PN_XNUM = 0xFFFF
_SHT_SYMTAB, _SHT_NOTE, _SHT_NOBITS, _SHT_DYNSYM = 2, 7, 8, 11
_DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_SONAME = 1, 5, 10, 14
_NT_GNU_BUILD_ID = 3
_SYMBOL_TABLES: Final[tuple[tuple[int, Table], ...]] = (
    (_SHT_DYNSYM, "dynsym"),
    (_SHT_SYMTAB, "symtab"),
)
_MACHINES: Final = {3: "i386", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
_TYPES: Final = {1: "relocatable", 2: "executable", 3: "shared", 4: "core"}

# Field orders of the gABI (figures 4-3, 4-8, 5-1) behind the 16 bytes of e_ident.
_EHDR: Final = {32: "HHIIIIIHHHHHH", 64: "HHIQQQIHHHHHH"}
_PHDR: Final = {32: "IIIIIIII", 64: "IIQQQQQQ"}
_SHDR: Final = {32: "IIIIIIIIII", 64: "IIQQQQIIQQ"}
_DYN: Final = {32: "iI", 64: "qQ"}


class BadElf(EbpftraceError):
    """The file is not ELF, or its headers contradict it; what is mapped from it stays unnamed."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A PT_LOAD: `filesz` bytes at file `offset`, seen at `vaddr`; `flags` 1 is executable."""

    vaddr: int
    offset: int
    filesz: int
    memsz: int
    flags: int


@dataclass(frozen=True, slots=True)
class Section:
    """A section header; `name` is raw text for comparison, never for display.

    `flags` as in the gABI: 0x800 is SHF_COMPRESSED.
    """

    name: bytes
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int


class ElfImage:
    """One parsed file. Reads through the descriptor it was given, which its owner keeps open."""

    def __init__(self, fd: int, size: int) -> None:
        """For `open`. BadElf where the headers do not hold."""
        self._fd = fd
        self._size = size
        self._starts: array[int] | None = None
        self._named: dict[frozenset[str], tuple[Symbol, ...]] = {}
        ident = self._pread(0, 16)
        if len(ident) < 16 or ident[:4] != b"\x7fELF":
            raise BadElf("The file is not an ELF file.")
        if ident[4] not in (1, 2) or ident[5] not in (1, 2):
            raise BadElf("The file is an ELF file of an unknown class or byte order.")
        self.bits: int = 32 * ident[4]
        self.little = ident[5] == 1
        self._order = "<" if self.little else ">"
        header = self._unpack(_EHDR[self.bits], 16)
        kind, machine, _, entry, phoff, shoff, _, _, phentsize, phnum = header[:10]
        self.entry = ImageAddress(entry)
        shentsize, shnum, names = header[10:]
        self.machine: str = _MACHINES.get(machine, f"machine {machine}")
        self.type: str = _TYPES.get(kind, f"type {kind}")
        first = self._headers(_SHDR[self.bits], shoff, shentsize, 1)
        if first and shnum == 0:
            shnum = first[0][5]
        if first and phnum == _PN_XNUM:
            phnum = first[0][7]
        programs = self._headers(_PHDR[self.bits], phoff, phentsize, min(phnum, _MOST_SEGMENTS))
        self._programs = [_program(fields, self.bits) for fields in programs]
        self.segments = tuple(part for kind, part in self._programs if kind == _PT_LOAD)
        rows = self._headers(_SHDR[self.bits], shoff, shentsize, min(shnum, _MOST_SECTIONS))
        self.sections = tuple(self._name_sections(rows, names))
        self.build_id = self._build_id()

    @classmethod
    def open(cls, fd: int) -> "ElfImage":
        """Parse the headers of the file behind `fd`; symbols are read when asked for. BadElf."""
        try:
            return cls(fd, os.fstat(fd).st_size)
        except OSError as error:
            raise BadElf(f"The file cannot be read: {error.strerror}.") from error

    @property
    def interpreted(self) -> bool:
        """Whether it names a dynamic loader: an executable that does not is static."""
        return any(kind == _PT_INTERP for kind, _ in self._programs)

    @property
    def eh_frame_header(self) -> ImageAddress | None:
        """Where .eh_frame_hdr starts: PT_GNU_EH_FRAME, which the C++ unwinder goes by too."""
        found = (part.vaddr for kind, part in self._programs if kind == _PT_GNU_EH_FRAME)
        return next((ImageAddress(address) for address in found), None)

    def has_section(self, *names: bytes) -> bool:
        return any(section.name in names for section in self.sections)

    def section(self, name: bytes) -> Section | None:
        """The first section of that name."""
        return next((section for section in self.sections if section.name == name), None)

    def read(self, offset: FileOffset, length: int) -> bytes:
        """At most `length` bytes (and at most 1 MiB) at `offset`; fewer at the end of the file."""
        try:
            return self._pread(offset, min(length, _MOST_READ))
        except OSError:
            return b""

    def file_offset(self, address: ImageAddress) -> FileOffset | None:
        """Where in the file the byte at `address` is, None where no segment brings it."""
        for segment in self.segments:
            if 0 <= address - segment.vaddr < segment.filesz:
                return FileOffset(address - segment.vaddr + segment.offset)
        return None

    def room(self, address: ImageAddress) -> int:
        """Bytes from `address` to the end of what the file brings of its segment; 0 outside."""
        for segment in self.segments:
            if 0 <= address - segment.vaddr < segment.filesz:
                return min(segment.filesz, self._size - segment.offset) + segment.vaddr - address
        return 0

    def image_address(self, offset: FileOffset) -> ImageAddress | None:
        """The address of the byte at `offset`; of two segments the executable one decides.

        None where no segment has it. The kernel maps whole pages, so bytes next to a segment may
        be mapped too: they belong to no address of the file.
        """
        found = None
        for segment in self.segments:
            if 0 <= offset - segment.offset < segment.filesz:
                found = ImageAddress(offset - segment.offset + segment.vaddr)
                if segment.flags & 1:
                    break
        return found

    def raw_symbols(self) -> Iterator[RawSymbols]:
        """The symbol tables, .dynsym before .symtab; those that do not lie in the file left out."""
        for kind, name in _SYMBOL_TABLES:
            for section in self.sections:
                if section.kind == kind and section.link < len(self.sections):
                    strings = self.sections[section.link]
                    yield RawSymbols(
                        self._fd,
                        name,
                        self.bits,
                        self._order,
                        self._inside(section.offset, section.size),
                        self._inside(strings.offset, strings.size),
                    )
                    break

    def symbols(self, names: Collection[str] | None = None) -> tuple[Symbol, ...]:
        """The first 100,000 defined functions (IFUNCs too) of both tables, in file order.

        With `names` only those so named, which is a hundred times quicker than all of them, and at once
        where they were asked for before.
        """
        if names is None:
            found = (s for table in self.raw_symbols() for s in table.functions(None))
            return tuple(islice(found, _MOST_SYMBOLS))
        asked = frozenset(names)
        if asked in self._named:
            return self._named[asked]
        wanted = frozenset(name.encode() for name in asked)
        named = (s for table in self.raw_symbols() for s in table.functions(wanted))
        symbols = tuple(islice(named, _MOST_SYMBOLS))
        if len(symbols) <= _MOST_KEPT and len(self._named) < _MOST_ASKED:
            self._named[asked] = symbols
        return symbols

    def variable(self, name: str) -> ImageAddress | None:
        """Where the first defined variable of that name is, by either table."""
        found = (table.variable(name.encode()) for table in self.raw_symbols())
        return next((place for place in found if place is not None), None)

    def mentions(self, *parts: bytes) -> bool:
        """Whether a name of either symbol table, defined or imported, has one of `parts` in it."""
        tables = (table.strings() for table in self.raw_symbols())
        return any(part in strings for strings in tables for part in parts)

    def name_beginnings(self, end: bytes, most: int) -> tuple[bytes, ...]:
        """What stands before `end` in names that end so, in order; at most `most`, none of them empty."""
        found: dict[bytes, None] = {}
        for table in self.raw_symbols():
            strings = table.strings()
            at = strings.find(end + b"\0")
            while at >= 0 and len(found) < most:
                start = strings.rfind(b"\0", max(at - _MOST_BEGINNING, 0), at) + 1
                if start < at:
                    found[strings[start:at]] = None
                at = strings.find(end + b"\0", at + 1)
        return tuple(found)

    def names_with(self, part: bytes, most: int) -> tuple[str, ...]:
        """Names in either string table in which `part` stands, functions or not; at most `most`."""
        found: dict[bytes, None] = {}
        for table in self.raw_symbols():
            strings = table.strings()
            at = strings.find(part) if part else -1
            while at >= 0 and len(found) < most:
                start = strings.rfind(b"\0", max(at - MOST_NAME, 0), at) + 1
                end = strings.find(b"\0", at, at + MOST_NAME)
                if end < 0:
                    break
                found[strings[start:end]] = None
                at = strings.find(part, end)
        return tuple(clean(os.fsdecode(name)) for name in found)

    def functions(self) -> Iterator[Entry]:
        """The defined functions of both tables without their names, in file order."""
        for table in self.raw_symbols():
            yield from table.entries()

    def starts_between(self, low: ImageAddress, high: ImageAddress) -> tuple[ImageAddress, ...]:
        """The addresses above `low` and below `high` at which functions start, ascending."""
        if self._starts is None:
            self._starts = array("Q", sorted({entry.value for entry in self.functions()}))
        first = bisect_right(self._starts, low)
        last = bisect_left(self._starts, high)
        return tuple(ImageAddress(value) for value in self._starts[first:last])

    def needed(self) -> tuple[bytes, ...]:
        """The libraries that DT_NEEDED names, raw."""
        return self._dynamic_strings(_DT_NEEDED)

    def soname(self) -> bytes | None:
        """DT_SONAME, raw."""
        return next(iter(self._dynamic_strings(_DT_SONAME)), None)

    def _pread(self, offset: int, length: int) -> bytes:
        start, length = self._inside(offset, length)
        return os.pread(self._fd, length, start) if length else b""

    def _inside(self, offset: int, length: int) -> tuple[int, int]:
        """The part of [offset, offset + length) that the file has, as (offset, length)."""
        if offset < 0 or offset >= self._size or length <= 0:
            return 0, 0
        return offset, min(length, self._size - offset)

    def _unpack(self, fields: str, offset: int) -> tuple[int, ...]:
        layout = struct.Struct(self._order + fields)
        data = self._pread(offset, layout.size)
        if len(data) < layout.size:
            raise BadElf("The file is cut short inside its headers.")
        return layout.unpack(data)

    def _headers(self, fields: str, offset: int, stride: int, count: int) -> list[tuple[int, ...]]:
        """Up to `count` headers, as many as are whole; none where the size is not the gABI's."""
        layout = struct.Struct(self._order + fields)
        if offset == 0 or stride != layout.size:
            return []
        data = self._pread(offset, count * stride)
        return list(layout.iter_unpack(data[: len(data) // stride * stride]))

    def _name_sections(self, rows: list[tuple[int, ...]], names: int) -> Iterator[Section]:
        table = b""
        if names < len(rows):
            table = self._pread(rows[names][4], min(rows[names][5], _MOST_NAMES))
        for name, kind, flags, address, offset, size, link, *_ in rows:
            end = table.find(b"\0", name, name + 64)
            held = 0 if kind == _SHT_NOBITS else size
            named = table[name:end] if end >= 0 else b""
            yield Section(named, kind, flags, address, offset, held, link)

    def _build_id(self) -> str | None:
        notes = [(part.offset, part.filesz) for kind, part in self._programs if kind == _PT_NOTE]
        notes += [(s.offset, s.size) for s in self.sections if s.kind == _SHT_NOTE]
        for offset, size in notes[:64]:
            data = self._pread(offset, min(size, _MOST_NOTES))
            for owner, kind, content in _notes(data, self._order):
                if owner == b"GNU\0" and kind == _NT_GNU_BUILD_ID and content:
                    return content[:_MOST_BUILD_ID].hex()
        return None

    def _dynamic_strings(self, tag: int) -> tuple[bytes, ...]:
        try:
            return tuple(self._read_dynamic_strings(tag))
        except OSError:
            return ()

    def _read_dynamic_strings(self, tag: int) -> Iterator[bytes]:
        part = next((part for kind, part in self._programs if kind == _PT_DYNAMIC), None)
        if part is None:
            return
        layout = struct.Struct(self._order + _DYN[self.bits])
        data = self._pread(part.offset, min(part.filesz, _MOST_DYNAMIC))
        entries = list(layout.iter_unpack(data[: len(data) // layout.size * layout.size]))
        values = dict(reversed(entries))
        strings = self.file_offset(ImageAddress(values.get(_DT_STRTAB, -1)))
        if strings is None:
            return
        found = [value for key, value in entries if key == tag]
        for value in found[:_MOST_NEEDED]:
            if value < values.get(_DT_STRSZ, 0):
                yield self._pread(strings + value, 256).partition(b"\0")[0]


def _program(fields: tuple[int, ...], bits: int) -> tuple[int, Segment]:
    """A program header as (type, segment); the two classes order the fields differently."""
    if bits == 64:
        kind, flags, offset, vaddr, _, filesz, memsz, _ = fields
    else:
        kind, offset, vaddr, _, filesz, memsz, flags, _ = fields
    return kind, Segment(vaddr, offset, filesz, memsz, flags)


def _notes(data: bytes, order: str) -> Iterator[tuple[bytes, int, bytes]]:
    """The notes in `data` as (owner, type, content), ending at the first that is not whole."""
    head = struct.Struct(order + "III")
    at = 0
    while at + head.size <= len(data):
        owner_size, size, kind = head.unpack_from(data, at)
        at += head.size
        content = at + (owner_size + 3 & ~3)
        if content + size > len(data):
            return
        yield data[at : at + owner_size], kind, data[content : content + size]
        at = content + (size + 3 & ~3)
