import struct
import zlib

import pytest

from ebpftrace.unwind.rules import (
    GUESSED,
    OUTERMOST,
    SIGNALLED,
    STEP,
    Rule,
    unknown,
)
from tests.unit.cfi_builder import (
    COMPRESSED,
    RSP,
    Cie,
    Fde,
    Frames,
    breg,
    cfa_expression,
    cfa_offset,
    found_at,
    sleb,
    uleb,
    with_cie,
)
from tests.unit.elf_builder import TEXT_ADDRESS

AT_ENTRY = Rule(STEP, 8)


@pytest.mark.parametrize(
    "encoding, location",
    [
        (0x00, struct.pack("<QQ", TEXT_ADDRESS, 64)),  # absptr
        (0x01, uleb(TEXT_ADDRESS) + uleb(64)),  # uleb128
        (0x09, sleb(TEXT_ADDRESS) + sleb(64)),  # sleb128
        (0x03, struct.pack("<II", TEXT_ADDRESS, 64)),  # udata4
        (0x04, struct.pack("<QQ", TEXT_ADDRESS, 64)),  # udata8
        (0x0B, struct.pack("<iI", TEXT_ADDRESS, 64)),  # sdata4
        (0x0C, struct.pack("<qQ", TEXT_ADDRESS, 64)),  # sdata8
    ],
)
def test_pointers_may_be_encoded_in_each_way(encoding, location):
    fde = Fde(cfa_offset(24), pointer=location)
    assert found_at(Frames([fde], Cie(encoding=encoding))).rule == Rule(STEP, 24)


@pytest.mark.parametrize("encoding", [0x20 | 0xB, 0x30 | 0xB, 0x40 | 0xB, 0x50, 0x80 | 0x1B, 0x05])
def test_pointers_that_need_a_process_are_refused(encoding):
    why = f"pointer encoding {encoding:#x}"
    assert found_at(with_cie(encoding=encoding)) == (unknown(), why)


@pytest.mark.parametrize(
    "fields",
    [
        {"version": 3},
        {"version": 4},
        {"augmentation": b"zPLR", "augmentation_data": b"\x9b" + bytes(4) + b"\x1b\x1b"},
        {"augmentation": b"zPR", "augmentation_data": b"\xff\x1b"},
        {"augmentation": b"zRB"},
    ],
)
def test_each_version_and_augmentation_is_read(fields):
    assert found_at(with_cie(**fields)) == (AT_ENTRY, "")


def test_an_augmentation_without_z_brings_no_data():
    pointer = struct.pack("<QQ", TEXT_ADDRESS, 64)
    frames = Frames([Fde(cfa_offset(24), pointer=pointer)], Cie(augmentation=b""))
    assert found_at(frames).rule == Rule(STEP, 24)


@pytest.mark.parametrize(
    "fields, why",
    [
        ({"version": 2}, "CIE version 2"),
        ({"version": 4, "augmentation": b"zR\0\4"}, "CIE with addresses of another size"),
        ({"augmentation": b"armcc+"}, "CIE with an unknown augmentation"),
        ({"augmentation": b"zRx"}, "CIE with an unknown augmentation"),
        ({"augmentation": b"z" * 40}, "CIE augmentation without an end"),
        (
            {"augmentation": b"zPR", "augmentation_data": b"\x50" + bytes(8) + b"\x1b"},
            "pointer encoding 0x50",
        ),
        ({"returns": 15}, "return address in register 15"),
        ({"identity": 7}, "FDE without a CIE"),
    ],
)
def test_a_cie_that_is_not_understood_is_named(fields, why):
    assert found_at(with_cie(**fields)) == (unknown(), why)


@pytest.mark.parametrize("debug", [False, True])
def test_lengths_may_have_64_bits(debug):
    augmentation = b"" if debug else b"zR"
    cie = Cie(augmentation=augmentation)
    frames = Frames([Fde(cfa_offset(24))], cie, header=False, debug=debug, wide=True)
    assert found_at(frames) == (Rule(STEP, 24), "")


def test_a_signal_frame_needs_nothing_else():
    frames = with_cie(augmentation=b"zRS", program=cfa_expression(breg(RSP, 160), b"\x06"))
    assert found_at(frames) == (SIGNALLED, "")


def test_a_file_without_a_header_is_searched_by_its_section():
    fdes = [Fde(cfa_offset(8 * n), start=64 * n) for n in (3, 1, 2)]
    frames = Frames(fdes, header=False)
    assert [found_at(frames, 64 * n + 5).rule.cfa for n in (1, 2, 3)] == [8, 16, 24]
    assert found_at(frames, 0) == (GUESSED, "no FDE")


@pytest.mark.parametrize("table", [0x03, 0x1B, 0x3C, 0xFF])
def test_a_header_without_the_usual_table_is_replaced_by_a_scan(table):
    frames = Frames([Fde(cfa_offset(24))], table=table)
    assert found_at(frames).rule == Rule(STEP, 24)


def test_a_file_without_section_headers_is_searched_by_its_program_headers():
    assert found_at(Frames([Fde(cfa_offset(24))], sections=False)).rule == Rule(STEP, 24)


DEBUG = Frames([Fde(cfa_offset(24))], Cie(augmentation=b""), debug=True, tail=b"")


def compressed(kind: int, content: bytes, size: int) -> Frames:
    # Elf64_Chdr: ch_type, ch_reserved, ch_size, ch_addralign
    header = struct.pack("<IIQQ", kind, 0, size, 1)
    return Frames(DEBUG.fdes, DEBUG.cie, debug=True, wrap=(COMPRESSED, header + content))


def test_debug_frame_has_absolute_pointers_and_another_mark_of_a_cie():
    assert found_at(DEBUG) == (Rule(STEP, 24), "")
    assert found_at(DEBUG, 64) == (GUESSED, "no FDE")


def test_a_compressed_debug_frame_is_inflated():
    content = DEBUG.entries()
    assert found_at(compressed(1, zlib.compress(content), len(content))).rule == Rule(STEP, 24)


@pytest.mark.parametrize(
    "kind, content, size, why",
    [
        (2, b"", 100, "zstd compression"),
        (9, b"", 100, "compression 9"),
        (1, b"no zlib", 100, "compressed section that does not inflate"),
        (1, zlib.compress(bytes(9)), 1 << 40, "compressed section of more than 32 MiB"),
    ],
)
def test_a_debug_frame_that_cannot_be_inflated_is_named(kind, content, size, why):
    assert found_at(compressed(kind, content, size)) == (unknown(), why)


def test_what_is_not_a_64_bit_little_endian_machine_we_know_is_named():
    content = bytearray(Frames().build())
    content[18] = 243  # e_machine: EM_RISCV
    assert found_at(bytes(content)) == (unknown(), "riscv64, 64 bits")


@pytest.mark.parametrize(
    "entry, offset, rule",
    [
        (0x200, 0x200, OUTERMOST),
        (0x200, 0x27F, OUTERMOST),
        (0x200, 0x280, GUESSED),
        (0x200, 0x1FE, GUESSED),
        (None, 0x200, GUESSED),
    ],
)
def test_code_that_the_kernel_starts_has_no_caller_though_no_table_says_so(entry, offset, rule):
    content = bytearray(Frames([Fde(cfa_offset(24))]).build())
    # e_entry of the ELF header; 0 where a library has none.
    content[24:32] = struct.pack("<Q", 0 if entry is None else TEXT_ADDRESS + entry)
    assert found_at(bytes(content), offset).rule == rule


def test_a_table_that_covers_the_entry_is_believed():
    content = bytearray(Frames([Fde(cfa_offset(24))]).build())
    content[24:32] = struct.pack("<Q", TEXT_ADDRESS)
    assert found_at(bytes(content)).rule == Rule(STEP, 24)
