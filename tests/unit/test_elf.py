import contextlib
import os
import struct
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import NoteSection, SymbolTableSection
from hypothesis import given, settings
from hypothesis import strategies as st

from ebpftrace.model.ids import FileOffset, ImageAddress
from ebpftrace.symbols.table import SymbolTable
from ebpftrace.target.elf import BadElf, ElfImage
from tests.unit.elf_builder import (
    IFUNC,
    LOCAL,
    OBJECT,
    TEXT_ADDRESS,
    TEXT_OFFSET,
    WEAK,
    Elf,
    Part,
    Sym,
)

REAL = ["/lib/x86_64-linux-gnu/libc.so.6", "/usr/bin/python3"]


@contextlib.contextmanager
def opened(content: bytes) -> Iterator[ElfImage]:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        yield ElfImage.open(file.fileno())


@contextlib.contextmanager
def opened_file(path: str) -> Iterator[ElfImage]:
    fd = os.open(path, os.O_RDONLY)
    try:
        yield ElfImage.open(fd)
    finally:
        os.close(fd)


def ask_everything(content: bytes) -> None:
    """Use every part of the interface; only BadElf may come out."""
    with contextlib.suppress(BadElf), opened(content) as image:
        image.symbols()
        image.symbols({"malloc", "free"})
        image.needed()
        image.soname()
        image.has_section(b".go.buildinfo")
        for segment in image.segments[:4]:
            address = ImageAddress(segment.vaddr)
            image.file_offset(address)
            image.room(address)
            image.starts_between(address, ImageAddress(address + 64))
            image.read(FileOffset(segment.offset), 64)
            SymbolTable(image).find(address)


def test_a_file_states_its_class_machine_and_build_id():
    with opened(Elf(build_id=b"\x12\x34\x56").build()) as image:
        assert (image.bits, image.little, image.machine, image.type) == (
            64,
            True,
            "x86_64",
            "shared",
        )
        assert image.build_id == "123456"
        assert image.interpreted


def test_addresses_and_offsets_convert_both_ways_and_end_with_their_segment():
    with opened(Elf(code=b"\x90" * 32).build()) as image:
        assert image.file_offset(ImageAddress(TEXT_ADDRESS + 31)) == TEXT_OFFSET + 31
        assert image.image_address(FileOffset(TEXT_OFFSET + 31)) == TEXT_ADDRESS + 31
        assert image.file_offset(ImageAddress(TEXT_ADDRESS + 32)) is None
        assert image.image_address(FileOffset(TEXT_OFFSET - 1)) is None
        assert image.room(ImageAddress(TEXT_ADDRESS + 30)) == 2


def test_defined_functions_of_both_tables_are_symbols_and_nothing_else_is():
    symbols = [
        Sym("exported"),
        Sym("data", kind=OBJECT),
        Sym("imported", section=0),
        Sym("weak", bind=WEAK, other=2),
        Sym("resolver", kind=IFUNC),
        Sym("static", bind=LOCAL, table="symtab"),
    ]
    with opened(Elf(symbols).build()) as image:
        found = {s.name: (s.bind, s.ifunc, s.hidden, s.table) for s in image.symbols()}
    assert found == {
        "exported": ("global", False, False, "dynsym"),
        "weak": ("weak", False, True, "dynsym"),
        "resolver": ("global", True, False, "dynsym"),
        "static": ("local", False, False, "symtab"),
    }


def test_a_name_that_is_the_end_of_another_is_found_by_name():
    elf = Elf([Sym("cfree"), Sym("free", value=32), Sym("freely")])
    with opened(elf.build()) as image:
        assert [(s.name, s.value) for s in image.symbols({"free"})] == [("free", TEXT_ADDRESS + 32)]


def test_sections_and_the_header_of_the_unwind_tables_are_found():
    parts = [Part(b".eh_frame", 64, 8, flags=0x802), Part(b"", 32, 8, program=0x6474E550)]
    with opened(Elf(parts=parts).build()) as image:
        section = image.section(b".eh_frame")
        assert section is not None
        assert (section.address, section.size, section.flags) == (TEXT_ADDRESS + 64, 8, 0x802)
        assert image.eh_frame_header == TEXT_ADDRESS + 32
        assert image.section(b".debug_frame") is None
    with opened(Elf().build()) as image:
        assert image.eh_frame_header is None


def test_names_are_cleaned_and_lose_their_version():
    with opened(
        Elf([Sym("a\x1b[31mb"), Sym("malloc@@GLIBC_2.2.5"), Sym(b"\xff")]).build()
    ) as image:
        assert [s.name for s in image.symbols()] == ["a·[31mb", "malloc", "·"]


def test_a_section_table_far_too_long_for_the_file_is_read_as_far_as_it_goes():
    with opened(Elf([Sym("f")], fields={"e_shnum": 0xFFFF}).build()) as image:
        assert [s.name for s in image.symbols()] == ["f"]


@pytest.mark.parametrize(
    "fields",
    [
        {"e_shoff": (1 << 64) - 1},
        {"e_phoff": (1 << 64) - 8, "e_shoff": 1 << 63},
        {"e_shentsize": 0},
        {"e_phentsize": 1},
        {"e_phnum": 0xFFFF},
        {"e_shstrndx": 0xFFFF},
        {"e_shnum": 0, "e_shoff": 8},
    ],
    ids=",".join,
)
def test_a_lying_header_costs_symbols_and_raises_nothing_else(fields):
    ask_everything(Elf([Sym("f")], fields=fields).build())


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"#!/bin/sh\n" * 20, bytes(4096)])
def test_what_is_not_elf_is_bad(content):
    with pytest.raises(BadElf), opened(content):
        pass


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 255)), min_size=1, max_size=12),
    st.integers(0, 6000),
)
def test_no_damage_to_a_file_brings_another_exception(changes, length):
    content = bytearray(Elf([Sym("malloc"), Sym("free", table="symtab")]).build())
    for at, value in changes:
        content[at % len(content)] = value
    ask_everything(bytes(content))
    ask_everything(bytes(content[: length % len(content)]))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1 << 20),
            st.sampled_from([0, 1, 0xFFFF, 0xFFFFFFFF, (1 << 63) - 1, (1 << 64) - 1]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_absurd_numbers_in_the_headers_bring_no_other_exception(changes):
    content = bytearray(Elf([Sym("malloc"), Sym("free", table="symtab")]).build())
    headers = struct.unpack_from("<Q", content, 40)[0]
    places = [*range(24, 64 + 3 * 56, 4), *range(headers, len(content) - 8, 4)]
    for at, value in changes:
        struct.pack_into("<Q", content, places[at % len(places)], value)
    ask_everything(bytes(content))


@pytest.mark.parametrize("path", REAL)
def test_no_cut_of_a_real_file_brings_another_exception(path):
    content = Path(path).read_bytes()
    for part in range(1, 40):
        ask_everything(content[: len(content) * part // 40 + part])


def test_a_sparse_giant_that_claims_millions_of_symbols_stays_within_64_mb():
    content = bytearray(Elf([Sym("f")]).build())
    headers = struct.unpack_from("<Q", content, 40)[0]
    with tempfile.TemporaryFile() as file:
        # Section 2 is .dynsym, 3 its strings: both claim 1 TiB behind the file's real end, where
        # every entry of the symbol table is zeros; then entries that claim to be functions.
        for number in (2, 3):
            struct.pack_into("<QQ", content, headers + number * 64 + 24, 1 << 20, 1 << 40)
        file.write(content)
        file.seek(1 << 20)
        file.write(struct.pack("<IBBHQQ", 1, 0x12, 0, 1, 5, 5) * 1_000_000)
        file.truncate(1 << 41)
        tracemalloc.start()
        try:
            image = ElfImage.open(file.fileno())
            image.symbols({"malloc"})
            SymbolTable(image)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 64 << 20


@pytest.mark.parametrize("path", REAL)
def test_a_real_file_reads_as_pyelftools_reads_it(path):
    with opened_file(path) as image, Path(path).open("rb") as file:
        oracle = ELFFile(file)
        expected = {
            (symbol.name, symbol["st_value"], symbol["st_size"])
            for section in oracle.iter_sections()
            if isinstance(section, SymbolTableSection)
            for symbol in section.iter_symbols()
            if symbol["st_info"]["type"] in ("STT_FUNC", "STT_LOOS")
            and symbol["st_shndx"] not in ("SHN_UNDEF", "SHN_ABS")
        }
        assert {(s.name, s.value, s.size) for s in image.symbols()} == expected
        loads = [s for s in oracle.iter_segments() if s["p_type"] == "PT_LOAD"]
        assert [s.vaddr for s in image.segments] == [s["p_vaddr"] for s in loads]
        note = next(
            note
            for section in oracle.iter_sections()
            if isinstance(section, NoteSection)
            for note in section.iter_notes()
            if note["n_type"] == "NT_GNU_BUILD_ID"
        )
        assert image.build_id == note["n_desc"]
        dynamic = oracle.get_section_by_name(".dynamic")
        assert isinstance(dynamic, DynamicSection)
        # pyelftools gives a tag this attribute when it makes it.
        needed = [tag.needed for tag in dynamic.iter_tags("DT_NEEDED")]  # type: ignore[attr-defined]
        assert [name.decode() for name in image.needed()] == needed


def test_the_symbols_of_libc_are_read_in_milliseconds():
    with opened_file(REAL[0]) as image:
        times = []
        for _ in range(7):
            start = time.thread_time()
            image.symbols()
            times.append(time.thread_time() - start)
    # 5 ms on a quiet machine; pyelftools takes 300.
    assert min(times) < 0.03


def test_symbols_that_were_asked_for_before_are_the_same():
    with opened(Elf([Sym("malloc"), Sym("free", 32), Sym("other", 64)]).build()) as image:
        first = image.symbols({"malloc", "free"})
        assert [symbol.name for symbol in first] == ["malloc", "free"]
        assert image.symbols(["free", "malloc"]) is first
        assert [symbol.name for symbol in image.symbols({"free"})] == ["free"]


def test_what_a_file_repeats_without_end_is_not_kept():
    with opened(Elf([Sym("malloc", 16)] * 1500).build()) as image:
        first = image.symbols({"malloc"})
        assert len(first) == 1500
        assert image.symbols({"malloc"}) is not first
