"""Small ELF files to begin with, and their parts. Those of tests/unit have a page of nothing in front.

A file is one segment that is mapped where `base` says, so that address and offset differ by that.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scripts.fuzzing.target import Part

BASE: Final = 0x400000

PROGBITS, SYMTAB, STRTAB, RELA, NOTE, DYNSYM, DYNAMIC = 1, 2, 3, 4, 7, 11, 6
_PT: Final = {DYNAMIC: 2, NOTE: 4}
_PT_LOAD, _PT_INTERP, _PT_GNU_EH_FRAME = 1, 3, 0x6474E550
_BY_NAME: Final = {b".interp": _PT_INTERP, b".eh_frame_hdr": _PT_GNU_EH_FRAME}

_EHDR: Final = {32: "HHIIIIIHHHHHH", 64: "HHIQQQIHHHHHH"}
_PHDR: Final = {32: "IIIIIIII", 64: "IIQQQQQQ"}
_SHDR: Final = {32: "IIIIIIIIII", 64: "IIQQQQIIQQ"}
_SYM: Final = {32: "IIIBBH", 64: "IBBHQQ"}


@dataclass(frozen=True, slots=True)
class Section:
    """`link` is the name of another one; `flags` as in the gABI."""

    name: bytes
    content: bytes
    kind: int = PROGBITS
    link: bytes = b""
    flags: int = 2


@dataclass(frozen=True, slots=True)
class Form:
    """`machine` 62 is x86-64, 183 arm64; `kind` 3 a shared library or a program that can be moved."""

    machine: int = 62
    bits: int = 64
    order: str = "<"
    kind: int = 3
    base: int = BASE

    def struct(self, fields: dict[int, str]) -> struct.Struct:
        return struct.Struct(self.order + fields[self.bits])


def elf(sections: Sequence[Section], form: Form = Form()) -> bytes:
    """A file with these sections, each at a multiple of 8, and .shstrtab."""
    ehdr, phdr, shdr = form.struct(_EHDR), form.struct(_PHDR), form.struct(_SHDR)
    listed = [*sections, Section(b".shstrtab", b"", STRTAB, flags=0)]
    names, places = bytearray(b"\0"), []
    for one in listed:
        places.append(len(names))
        names += one.name + b"\0"
    listed[-1] = Section(b".shstrtab", bytes(names), STRTAB, flags=0)
    programs = [one for one in listed if one.kind in _PT or one.name in _BY_NAME]
    first = 16 + ehdr.size + (1 + len(programs)) * phdr.size
    offsets, body = [], bytearray()
    for one in listed:
        body += bytes(-(first + len(body)) % 8)
        offsets.append(first + len(body))
        body += one.content
    body += bytes(-(first + len(body)) % 8)
    at_headers = first + len(body)
    place = {one.name: number for number, one in enumerate(listed, 1)}
    rows = [shdr.pack(*[0] * 10)]
    for one, name, offset in zip(listed, places, offsets, strict=True):
        address = form.base + offset if one.flags & 2 else 0
        link = place.get(one.link, 0)
        size = len(one.content)
        rows.append(shdr.pack(name, one.kind, one.flags, address, offset, size, link, 0, 1, 0))
    loads = [_program(form, _PT_LOAD, 0, at_headers, flags=5)]
    for one in programs:
        kind = _BY_NAME.get(one.name) or _PT[one.kind]
        loads.append(_program(form, kind, offsets[place[one.name] - 1], len(one.content), flags=4))
    text = offsets[place[b".text"] - 1] if b".text" in place else 0
    header = ehdr.pack(
        *(form.kind, form.machine, 1, form.base + text),
        *(16 + ehdr.size, at_headers, 0, 16 + ehdr.size),
        *(phdr.size, len(loads), shdr.size, len(rows), len(rows) - 1),
    )
    ident = b"\x7fELF" + bytes([form.bits // 32, 1 if form.order == "<" else 2, 1]) + bytes(9)
    return ident + header + b"".join(loads) + bytes(body) + b"".join(rows)


def _program(form: Form, kind: int, offset: int, size: int, flags: int) -> bytes:
    packer, address = form.struct(_PHDR), form.base + offset
    if form.bits == 64:
        return packer.pack(kind, flags, offset, address, address, size, size, 1)
    return packer.pack(kind, offset, address, address, size, size, flags, 1)


def address_of(content: bytes, name: bytes) -> int:
    """Where the section of that name is, of a file that `elf` made; 0 without it."""
    found = _rows(content)
    table = found[-1] if found else (0, 0, 0)
    for at, offset, _ in found:
        start = table[1] + at
        if content[start : content.find(b"\0", start)] == name:
            return BASE + offset
    return 0


def symbols(
    named: Sequence[tuple[bytes, int, int]],
    form: Form = Form(),
    *,
    kind: int = 2,
) -> tuple[bytes, bytes]:
    """The contents of a symbol table and of its strings: names, addresses and sizes, of `kind` FUNC."""
    strings, packer = bytearray(b"\0"), form.struct(_SYM)
    entries = bytearray(packer.size)
    for name, value, size in named:
        if form.bits == 64:
            entries += packer.pack(len(strings), 0x10 | kind, 0, 1, value, size)
        else:
            entries += packer.pack(len(strings), value, size, 0x10 | kind, 0, 1)
        strings += name + b"\0"
    return bytes(entries), bytes(strings)


def note(build_id: bytes, order: str = "<") -> bytes:
    """Of NT_GNU_BUILD_ID."""
    return struct.pack(order + "III", 4, len(build_id), 3) + b"GNU\0" + build_id


def parts(content: bytes) -> list[Part]:
    """The headers one by one, and what each section holds; each stays as long as it is."""
    if content[:4] != b"\x7fELF" or len(content) < 64:
        return []
    spans = [(0, 64)]
    bits = 64 if content[4] == 2 else 32
    width = struct.calcsize("<" + _SHDR[bits])
    rows = _rows(content)
    headers = len(content) - width * (len(rows) + 1)
    spans += [(headers + width * n, width) for n in range(1, len(rows) + 1)]
    first = min((offset for _, offset, size in rows if size), default=64)
    spans += [(64, first - 64)]
    spans += [(offset, size) for _, offset, size in rows]
    return [
        _part(content, at, size) for at, size in spans if size > 0 and at + size <= len(content)
    ]


def _rows(content: bytes) -> list[tuple[int, int, int]]:
    """Name, offset and size of each section but the empty one; nothing of a file that is cut."""
    bits = 64 if content[4] == 2 else 32
    order = "<" if content[5] == 1 else ">"
    try:
        header = struct.unpack_from(order + _EHDR[bits], content, 16)
        rows = struct.Struct(order + _SHDR[bits])
        found = [rows.unpack_from(content, header[5] + n * rows.size) for n in range(header[11])]
    except struct.error:
        return []
    return [(row[0], row[4], row[5]) for row in found[1:]]


def _part(content: bytes, at: int, size: int) -> Part:
    def put(changed: bytes) -> bytes:
        return content[:at] + changed[:size].ljust(size, b"\0") + content[at + size :]

    return Part(content[at : at + size], put)
