"""ELF files built in code, with everything defaulted but the point of a test."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

TEXT_OFFSET = 0x1000
TEXT_ADDRESS = 0x403000
"""Address and offset differ, so that one taken for the other shows."""

DYNAMIC_ADDRESS = 0x800000
"""What the dynamic section's address is ahead of its offset."""

GLOBAL, WEAK, LOCAL = 1, 2, 0
FUNC, OBJECT, IFUNC = 2, 1, 10


@dataclass
class Sym:
    """One symbol; `value` counts from the start of the text."""

    name: str | bytes
    value: int = 0
    size: int = 16
    bind: int = GLOBAL
    kind: int = FUNC
    section: int = 1
    other: int = 0
    table: str = "dynsym"


@dataclass
class Part:
    """Some of the code, named by a section (unless `name` is empty) or a program header."""

    name: bytes
    start: int
    size: int
    flags: int = 2  # SHF_ALLOC
    program: int | None = None


@dataclass
class Elf:
    """A shared library with its text at TEXT_ADDRESS."""

    symbols: Sequence[Sym] = ()
    code: bytes = b"\x55" * 256
    machine: int = 62
    kind: int = 3
    interpreter: bool = True
    build_id: bytes = bytes.fromhex("abcd")
    extra_sections: Sequence[bytes] = ()
    parts: Sequence[Part] = ()
    needed: Sequence[str] = ()
    soname: str = ""
    shnum: int | None = None
    fields: dict[str, int] = field(default_factory=dict)

    def build(self) -> bytes:
        body = bytearray(TEXT_OFFSET)
        body += self.code
        note = self._place(body, _note(self.build_id))
        interp = self._place(body, b"/lib/ld.so\0")
        dynamic, libraries = _dynamic(self.needed, self.soname, len(body) + -len(body) % 8)
        dynamic_at = self._place(body, dynamic + libraries)
        headers = [bytes(64)]  # section 0 is empty by definition
        names = bytearray(b"\0")

        def section(name: bytes, kind: int, at: int, size: int, link: int = 0) -> None:
            headers.append(
                struct.pack(
                    "<IIQQQQIIQQ",
                    len(names),  # sh_name
                    kind,  # sh_type
                    0,  # sh_flags
                    0,  # sh_addr
                    at,  # sh_offset
                    size,  # sh_size
                    link,  # sh_link: of a symbol table, its string table
                    0,  # sh_info
                    1,  # sh_addralign
                    24 if kind in (2, 11) else 0,  # sh_entsize
                )
            )
            names.extend(name + b"\0")

        section(b".text", 1, TEXT_OFFSET, len(self.code))
        for table, kind in (("dynsym", 11), ("symtab", 2)):
            symbols = [symbol for symbol in self.symbols if symbol.table == table]
            if not symbols:
                continue
            entries, strings = _symbol_table(symbols)
            section(b"." + table.encode(), kind, self._place(body, entries), len(entries), 0)
            link = len(headers)
            headers[-1] = headers[-1][:40] + struct.pack("<I", link) + headers[-1][44:]
            section(b".strings", 3, self._place(body, strings), len(strings))
        for name in self.extra_sections:
            section(name, 1, TEXT_OFFSET, 0)
        for part in self.parts:
            if part.name:
                section(part.name, 1, TEXT_OFFSET + part.start, part.size)
                placed = struct.pack("<QQ", part.flags, TEXT_ADDRESS + part.start)
                headers[-1] = headers[-1][:8] + placed + headers[-1][24:]  # sh_flags, sh_addr
        section(b".shstrtab", 3, 0, 0)
        at = self._place(body, bytes(names))
        headers[-1] = headers[-1][:24] + struct.pack("<QQ", at, len(names)) + headers[-1][40:]
        shoff = self._place(body, b"".join(headers))
        programs = [
            _program(1, TEXT_OFFSET, TEXT_ADDRESS, len(self.code), flags=5),
            _program(4, note, 0, len(_note(self.build_id)), flags=4),
        ]
        if self.needed or self.soname:
            length = len(dynamic + libraries)
            programs += [
                _program(1, dynamic_at, DYNAMIC_ADDRESS + dynamic_at, length, flags=6),
                _program(2, dynamic_at, DYNAMIC_ADDRESS + dynamic_at, len(dynamic), flags=6),
            ]
        for part in self.parts:
            if part.program is not None:
                offset, address = TEXT_OFFSET + part.start, TEXT_ADDRESS + part.start
                programs.append(_program(part.program, offset, address, part.size, flags=4))
        if self.interpreter:
            programs.append(_program(3, interp, 0, 11, flags=4))
        values = {
            "e_type": self.kind,  # ET_DYN
            "e_machine": self.machine,  # EM_X86_64
            "e_version": 1,
            "e_entry": 0,
            "e_phoff": 64,
            "e_shoff": shoff,
            "e_flags": 0,
            "e_ehsize": 64,
            "e_phentsize": 56,
            "e_phnum": len(programs),
            "e_shentsize": 64,
            "e_shnum": len(headers),
            "e_shstrndx": len(headers) - 1,
        } | self.fields
        # EI_CLASS 2: 64 bits, EI_DATA 1: little endian, EI_VERSION 1, padding.
        ident = b"\x7fELF\x02\x01\x01" + bytes(9)
        header = ident + struct.pack("<HHIQQQIHHHHHH", *values.values())
        table_bytes = header + b"".join(programs)
        body[: len(table_bytes)] = table_bytes
        return bytes(body)

    @staticmethod
    def _place(body: bytearray, part: bytes) -> int:
        body += bytes(-len(body) % 8)
        at = len(body)
        body += part
        return at


def _symbol_table(symbols: Sequence[Sym]) -> tuple[bytes, bytes]:
    strings = bytearray(b"\0")
    entries = bytearray(24)  # entry 0 is empty by definition
    for symbol in symbols:
        entries += struct.pack(
            "<IBBHQQ",
            len(strings),  # st_name
            symbol.bind << 4 | symbol.kind,  # st_info
            symbol.other,  # st_other: the visibility
            symbol.section,  # st_shndx
            TEXT_ADDRESS + symbol.value,  # st_value
            symbol.size,  # st_size
        )
        name = symbol.name.encode() if isinstance(symbol.name, str) else symbol.name
        strings += name + b"\0"
    return bytes(entries), bytes(strings)


def _dynamic(needed: Sequence[str], soname: str, at: int) -> tuple[bytes, bytes]:
    """The dynamic section that will stand at offset `at`, and the strings right behind it."""
    strings = bytearray(b"\0")
    entries = []
    for tag, name in [*((1, name) for name in needed), (14, soname)]:  # DT_NEEDED, DT_SONAME
        if name:
            entries.append((tag, len(strings)))
            strings += name.encode() + b"\0"
    size = 16 * (len(entries) + 3)
    entries += [(5, DYNAMIC_ADDRESS + at + size), (10, len(strings)), (0, 0)]  # DT_STRTAB, DT_STRSZ
    return b"".join(struct.pack("<qQ", *entry) for entry in entries), bytes(strings)


def _program(kind: int, offset: int, vaddr: int, size: int, flags: int) -> bytes:
    return struct.pack(
        "<IIQQQQQQ",
        kind,  # p_type
        flags,  # p_flags: 4 read, 1 execute
        offset,  # p_offset
        vaddr,  # p_vaddr
        vaddr,  # p_paddr
        size,  # p_filesz
        size,  # p_memsz
        1,  # p_align
    )


def _note(build_id: bytes) -> bytes:
    # namesz, descsz, type NT_GNU_BUILD_ID, name, desc padded to four bytes
    padding = bytes(-len(build_id) % 4)
    return struct.pack("<III", 4, len(build_id), 3) + b"GNU\0" + build_id + padding
