"""Files that lie: every question ends in a named answer, soon and in little memory."""

import random
import struct
import tempfile
import time
import tracemalloc
import zlib
from dataclasses import replace

import pytest

from ebpftrace.model.ids import ImageAddress
from ebpftrace.target.elf import BadElf, ElfImage
from ebpftrace.unwind import index
from ebpftrace.unwind.rules import GUESSED, STEP, UNKNOWN, Found, Rule, unknown
from ebpftrace.unwind.table import UnwindTable
from tests.unit.cfi_builder import (
    CODE,
    COMPRESSED,
    REMEMBER,
    RESTORE_ROW,
    Cie,
    Fde,
    Frames,
    advance,
    cfa_offset,
    found_at,
    image_at,
    image_of,
    with_cie,
)
from tests.unit.elf_builder import TEXT_ADDRESS, TEXT_OFFSET
from tests.unit.readelf_rows import find_library

KNOWN = Fde(cfa_offset(24))
RULE = Found(Rule(STEP, 24), "")


def refused(frames: Frames, offset: int = 0) -> str:
    """Why there is no rule."""
    found = found_at(frames, offset)
    assert found.rule == unknown()
    return found.why


# --- programs ---


def test_remembered_rows_are_counted():
    assert refused(Frames([Fde(REMEMBER * 65)])) == "more than 64 remembered rows"
    assert found_at(Frames([Fde(REMEMBER * 64)])).why == ""


@pytest.mark.parametrize(
    "program, why",
    [
        (RESTORE_ROW, "restored row that was not remembered"),
        (b"\x0e" + b"\x80" * 40, "LEB128 number of more than ten bytes"),
        (b"\x13" + b"\xff" * 40, "LEB128 number of more than ten bytes"),
        (b"\x0f\x7f\x77\x00", "expression longer than its entry"),
        (bytes(2) + b"\x0e", "truncated entry"),
        (bytes(2) + b"\x04", "truncated entry"),
        (b"\x01" + struct.pack("<i", -4096), "location that goes back"),
    ],
)
def test_a_program_that_is_broken_is_named(program, why):
    assert refused(Frames([Fde(program)])) == why


@pytest.mark.parametrize("filling", [b"\x00", advance(0), REMEMBER + RESTORE_ROW, b"\x0e\x10"])
def test_the_longest_program_ends_soon(filling):
    start = time.monotonic()
    assert found_at(Frames([Fde(filling * (65_000 // len(filling)))])).why == ""
    assert time.monotonic() - start < 1


def test_a_program_without_end_is_not_run():
    assert refused(Frames([Fde(b"\x0a\x0b" * 100_000)])) == "entry of more than 64 KiB"
    assert refused(with_cie(program=bytes(100_000))) == "entry of more than 64 KiB"


def test_a_program_that_never_moves_on_gives_one_row():
    frames = Frames([Fde(advance(5) * 1000, size=64)], Cie(code=0))
    with image_of(frames.build()) as image:
        assert len(list(UnwindTable(image).every_row())) == 1


# --- entries ---


@pytest.mark.parametrize(
    "length, why",
    [
        (0xFFFFFFF0, "entry longer than its section"),
        (1 << 20, "entry longer than its section"),
        (3, "entry too short"),
        (0, "no FDE where the index says"),
    ],
)
def test_an_absurd_length_is_named(length, why):
    assert refused(Frames([replace(KNOWN, length=length)])) == why


@pytest.mark.parametrize("length", [4, 8, 12, 14])
def test_an_entry_that_ends_early_is_truncated(length):
    assert refused(Frames([Fde(b"\x0e\x80\x80\x80", length=length)])) == "truncated entry"


@pytest.mark.parametrize(
    "back, why",
    [
        (-(1 << 20), "entry outside of its section"),
        (1 << 20, "entry outside of its section"),
        # To itself, and to the FDE behind it, which points back to the first.
        (4, "FDE without a CIE"),
        (-16, "FDE without a CIE"),
    ],
)
def test_a_pointer_to_no_cie_is_named(back, why):
    frames = Frames([replace(KNOWN, back=back), replace(KNOWN, start=64, back=24)])
    assert refused(frames) == why


@pytest.mark.parametrize("place", [-(1 << 31), -8, 0, 4, (1 << 31) - 1])
def test_a_table_that_points_to_no_fde_is_named(place):
    assert refused(Frames([replace(KNOWN, place=place)])) in (
        "entry outside of its section",
        "entry longer than its section",
    )


def test_a_table_that_points_to_a_cie_is_named():
    size = 12 + 8
    assert refused(Frames([replace(KNOWN, place=size + -(CODE + size) % 8)])) == (
        "no FDE where the index says"
    )


# --- tables ---


def test_an_unsorted_table_is_not_searched():
    fdes = [Fde(cfa_offset(8 * n), start=64 * n, listed_at=64 * (4 - n)) for n in range(1, 4)]
    content = bytearray(Frames(fdes).build())
    first = content.index(bytes([1, 0x1B, 0x03, 0x3B])) + 12
    rows = [content[first + 8 * n : first + 8 * n + 8] for n in range(3)]
    content[first : first + 24] = b"".join(reversed(rows))
    assert [found_at(bytes(content), 64 * n).rule.cfa for n in (1, 2, 3)] == [8, 16, 24]


@pytest.mark.parametrize("count", [0, 2, 1 << 20, 0xFFFFFFFF])
def test_a_table_that_claims_more_than_there_is_is_not_used(count):
    assert found_at(Frames([KNOWN], count=count, sections=count < 3)) == RULE


def test_a_table_that_lists_an_fde_elsewhere_finds_nothing():
    assert found_at(Frames([replace(KNOWN, listed_at=-256)]), -200) == (GUESSED, "no FDE")


def test_a_header_outside_of_the_file_leaves_the_section():
    content = Frames([KNOWN]).build()
    header = struct.pack("<IIQ", 0x6474E550, 4, 0x1000 + CODE)  # p_type, p_flags, p_offset
    at = content.index(header) + 16
    for address in (0, TEXT_ADDRESS + (1 << 20), (1 << 64) - 4):
        changed = content[:at] + struct.pack("<Q", address) + content[at + 8 :]
        assert found_at(changed) == RULE


def test_a_section_outside_of_the_file_is_named():
    content = bytearray(Frames([KNOWN], header=False).build())
    headers = struct.unpack_from("<Q", content, 40)[0]
    struct.pack_into("<Q", content, headers + 2 * 64 + 16, 1 << 62)  # sh_addr of .eh_frame
    assert found_at(bytes(content)) == (unknown(), ".eh_frame outside of the file")


def test_a_scan_ends_at_its_limits_and_says_so(monkeypatch):
    frames = Frames([Fde(cfa_offset(8), start=16 * n, size=16) for n in range(40)], header=False)
    monkeypatch.setattr(index, "_MOST_SCANNED", 20)
    assert found_at(frames, 0).why == ""
    assert refused(frames, 16 * 30) == "section of more than 20 entries without a table"
    monkeypatch.setattr(index, "_MOST_SECONDS", -1.0)
    assert refused(frames).startswith("section without a table that takes over")


def test_a_scan_goes_on_behind_an_entry_that_is_broken():
    bad = Fde(pointer=b"", start=0)
    frames = Frames([bad, replace(KNOWN, start=64)], header=False)
    assert found_at(frames, 64) == RULE
    assert refused(frames, 0) == "truncated entry"


# --- size ---


def test_a_debug_frame_that_inflates_beyond_what_it_says_is_cut():
    content = struct.pack("<IIQQ", 1, 0, 64, 1) + zlib.compress(bytes(64 << 20))
    frames = Frames(debug=True, wrap=(COMPRESSED, content))
    tracemalloc.start()
    try:
        assert found_at(frames).rule == GUESSED
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_sparse_giant_is_not_kept_in_memory(monkeypatch):
    """.eh_frame claims 1 TiB, of which the first 64 MiB are entries and the rest is a hole."""
    content = bytearray(Frames([KNOWN], header=False).build())
    headers = struct.unpack_from("<Q", content, 40)[0]
    section, start = headers + 2 * 64, 1 << 20
    struct.pack_into("<QQ", content, section + 24, start, 1 << 40)  # sh_offset, sh_size
    struct.pack_into("<QQ", content, 64 + 8, 0, TEXT_ADDRESS)  # p_offset, p_vaddr of the PT_LOAD
    struct.pack_into("<QQ", content, 64 + 32, 1 << 41, 1 << 41)  # p_filesz, p_memsz
    struct.pack_into("<Q", content, section + 16, TEXT_ADDRESS + start)  # sh_addr
    monkeypatch.setattr(index, "_MOST_SECONDS", 0.5)
    entry = struct.pack("<III", 60, 0x7FFFFFFF, 0) + bytes(52)
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(start)
        for _ in range(64):
            file.write(entry * (1 << 14))
        file.truncate(1 << 41)
        tracemalloc.start()
        try:
            start_s = time.monotonic()
            table = UnwindTable(ElfImage.open(file.fileno()))
            found = [table.rule_at(ImageAddress(TEXT_ADDRESS + n)) for n in range(50)]
            assert {one.rule.how for one in found} == {UNKNOWN}
            assert time.monotonic() - start_s < 5
            assert tracemalloc.get_traced_memory()[1] < 32 << 20
        finally:
            tracemalloc.stop()


# --- damage ---


def ask(content: bytes, addresses: list[int]) -> int:
    """Look these up in a damaged file; how many answers were rules."""
    try:
        with image_of(content) as image:
            table = UnwindTable(image)
            found = [table.rule_at(ImageAddress(address)) for address in addresses]
    except BadElf:
        return 0
    for one in found:
        assert isinstance(one, Found)
        one.rule.pack()
    return sum(one.why == "" for one in found)


def library() -> tuple[bytes, list[int], list[tuple[int, int]]]:
    """A small one, addresses in it, and where its tables are in the file."""
    path = find_library("libz.so.1", "libdl.so.2", "libutil.so.1", "ld-linux-x86-64.so.2")
    with image_at(path) as image:
        addresses = [stretch.start for stretch in UnwindTable(image).every_row()]
        sections = [image.section(name) for name in (b".eh_frame_hdr", b".eh_frame")]
    return path.read_bytes(), addresses, [(s.offset, s.size) for s in sections if s is not None]


def test_no_damage_to_the_tables_brings_an_exception_or_takes_long():
    content, addresses, tables = library()
    choice = random.Random(20)
    start = time.monotonic()
    answers = 0
    for _ in range(300):
        damaged = bytearray(content)
        offset, size = choice.choice(tables)
        for _ in range(choice.choice([1, 4, 40, 1000])):
            at = offset + choice.randrange(size)
            damaged[at] = choice.choice([0, 1, 0x7F, 0x80, 0xFF, choice.randrange(256)])
        answers += ask(bytes(damaged), choice.sample(addresses, 20))
    assert answers > 1000  # the damage must not be so great that nothing is looked at
    assert time.monotonic() - start < 60


def test_no_cut_brings_an_exception():
    content, addresses, tables = library()
    choice = random.Random(21)
    for _ in range(100):
        offset, size = choice.choice(tables)
        ask(content[: offset + choice.randrange(size)], choice.sample(addresses, 10))


def test_a_file_that_is_cut_short_while_it_is_read_brings_no_exception():
    frames = Frames([Fde(cfa_offset(24), start=64 * n) for n in range(8)])
    with tempfile.TemporaryFile() as file:
        file.write(frames.build())
        file.flush()
        table = UnwindTable(ElfImage.open(file.fileno()))
        # Behind the table (80 bytes), the CIE (24) and two FDEs (20 each), inside the third.
        file.truncate(TEXT_OFFSET + CODE + 80 + 24 + 2 * 20 + 10)
        found = [table.rule_at(ImageAddress(TEXT_ADDRESS + 64 * n)) for n in range(8)]
    assert found[:2] == [RULE] * 2
    assert found[2] == (unknown(), "truncated entry")
    assert found[3:] == [(unknown(), "no FDE where the index says")] * 5
