import struct

import pytest

from ebpftrace.model.ids import ImageAddress
from ebpftrace.unwind.rules import (
    FP_BY_FP,
    FROM_FP,
    GUESSED,
    IN_LR,
    OUTERMOST,
    READ,
    STEP,
    Found,
    Rule,
    unknown,
)
from ebpftrace.unwind.table import UnwindTable
from tests.unit.cfi_builder import (
    AARCH64_CIE,
    RBP,
    RBX,
    REMEMBER,
    RESTORE_ROW,
    RIP,
    RSP,
    SP,
    X29,
    X30,
    Cie,
    Fde,
    Frames,
    aarch64,
    advance,
    at_expression,
    breg,
    cfa,
    cfa_expression,
    cfa_offset,
    found_at,
    image_of,
    saved,
    sleb,
    uleb,
    undefined,
)
from tests.unit.elf_builder import TEXT_ADDRESS

AT_ENTRY = Rule(STEP, 8)


def after(*program: bytes) -> Found:
    """The rule at the start of one function with this program."""
    return found_at(Frames([Fde(b"".join(program))]))


def test_a_row_holds_from_its_address_to_the_next():
    program = advance(1) + cfa_offset(16) + saved(RBP, 2) + advance(3) + cfa(RBP, 16)
    with image_of(Frames([Fde(program, size=32)]).build()) as image:
        table = UnwindTable(image)
        pushed, framed = Rule(STEP, 16, -16), Rule(STEP | FROM_FP, 16, -16)
        for offset, rule in [(0, AT_ENTRY), (1, pushed), (3, pushed), (4, framed), (31, framed)]:
            assert table.rule_at(ImageAddress(TEXT_ADDRESS + offset)) == (rule, "")
        starts = [(s.start - TEXT_ADDRESS, s.end - TEXT_ADDRESS) for s in table.every_row()]
        assert starts == [(0, 1), (1, 4), (4, 32)]


def test_an_address_that_no_function_covers_is_guessed():
    frames = Frames([Fde(size=16), Fde(start=64, size=16)])
    assert found_at(frames, 15) == (AT_ENTRY, "")
    for offset in (16, 62, 80, -2):
        assert found_at(frames, offset) == (GUESSED, "no FDE")


def test_a_return_address_at_which_a_function_starts_is_the_outermost_if_nothing_covers_the_byte_before():
    frames = Frames([Fde(size=16), Fde(start=16, size=16), Fde(start=64, size=16)])
    assert found_at(frames, 63) == (OUTERMOST, "")
    assert found_at(frames, 15) == (AT_ENTRY, "")  # a call that does not return ends its function


def test_a_file_without_tables_is_guessed_throughout():
    assert found_at(Frames(header=False, sections=False)) == (GUESSED, "no unwind tables")


def test_remembered_rows_come_back():
    program = (
        advance(1) + cfa_offset(16) + saved(RBP, 2) + REMEMBER + advance(1) + cfa_offset(8)
    ) + (b"\xc0" + advance(1) + RESTORE_ROW)
    # 0xC0: DW_CFA_restore of register 0, whose rule no walk needs
    frames = Frames([Fde(program)])
    rules = [found_at(frames, offset).rule for offset in range(4)]
    assert rules == [AT_ENTRY, Rule(STEP, 16, -16), Rule(STEP, 8, -16), Rule(STEP, 16, -16)]


def test_restore_brings_back_what_the_cie_says():
    program = saved(RBP, 2) + advance(1) + bytes([0xC0 | RBP]) + advance(1)
    extended = program + saved(RBP, 3) + advance(1) + b"\x06" + uleb(RBP)  # DW_CFA_restore_extended
    frames = Frames([Fde(extended)], Cie(cfa(RSP, 8) + saved(RIP, 1) + saved(RBP, 4)))
    assert [found_at(frames, offset).rule.fp for offset in range(4)] == [-16, -32, -24, -32]


@pytest.mark.parametrize(
    "program, rule",
    [
        (b"\x05" + uleb(RBP) + uleb(2), Rule(STEP, 8, -16)),  # DW_CFA_offset_extended
        (b"\x11" + uleb(RBP) + sleb(-2), Rule(STEP, 8, 16)),  # DW_CFA_offset_extended_sf
        (b"\x2f" + uleb(RBP) + uleb(2), Rule(STEP, 8, 16)),  # GNU_negative_offset_extended
        (b"\x12" + uleb(RBP) + sleb(-3), Rule(STEP | FROM_FP, 24)),  # DW_CFA_def_cfa_sf
        (b"\x13" + sleb(-4), Rule(STEP, 32)),  # DW_CFA_def_cfa_offset_sf
        (b"\x0d" + uleb(RBP), Rule(STEP | FROM_FP, 8)),  # DW_CFA_def_cfa_register
        (b"\x2e" + uleb(64), AT_ENTRY),  # DW_CFA_GNU_args_size
        (b"\x08" + uleb(RBP), AT_ENTRY),  # DW_CFA_same_value
        (undefined(RBP), AT_ENTRY),
        (b"\x09" + uleb(RBX) + uleb(1), AT_ENTRY),  # DW_CFA_register of one no walk needs
        (cfa_offset(1 << 20), Rule(STEP, 1 << 20)),
        (undefined(RIP), OUTERMOST),
    ],
)
def test_each_instruction_does_what_dwarf_says(program, rule):
    assert after(program) == (rule, "")


@pytest.mark.parametrize(
    "step",
    [
        b"\x02" + struct.pack("<B", 5),  # DW_CFA_advance_loc1
        b"\x03" + struct.pack("<H", 5),  # DW_CFA_advance_loc2
        b"\x04" + struct.pack("<I", 5),  # DW_CFA_advance_loc4
    ],
)
def test_wide_steps_count_in_units_of_the_cie(step):
    frames = Frames([Fde(step + cfa_offset(16))], Cie(code=4))
    assert found_at(frames, 19).rule == AT_ENTRY
    assert found_at(frames, 20).rule == Rule(STEP, 16)


@pytest.mark.parametrize(
    "program, why",
    [
        (cfa(3, 16), "CFA from register 3"),
        (cfa_expression(b"\x31"), "CFA that is a constant"),
        (saved(RIP, 2), "return address not at CFA-8"),
        (b"\x08" + uleb(RIP), "return address not at CFA-8"),
        (b"\x09" + uleb(RIP) + uleb(5), "return address not at CFA-8"),
        (b"\x09" + uleb(RBP) + uleb(12), "frame pointer in register 12"),
        (b"\x14" + uleb(RBP) + uleb(2), "frame pointer that is computed"),  # DW_CFA_val_offset
        (b"\x16" + uleb(RBP) + uleb(2) + breg(RSP, 0), "frame pointer that is computed"),
        (saved(RBP, 0), "frame pointer at the CFA"),
        (saved(RSP, 2), "stack pointer that is not the CFA"),
        (cfa_offset(1 << 31), "offset out of range"),
        (saved(RBP, 1 << 12 | 1), "offset out of range"),
        (at_expression(RBP, breg(RBX, 0)), "frame pointer at an expression"),
        (cfa_expression(breg(RSP, 8), b"\x06\x23", uleb(128)), "offset out of range"),
        (cfa_expression(breg(RSP, 8), b"\x06\x06"), "expression that reads twice or at a constant"),
        (cfa_expression(breg(RSP, 8), breg(RBX, 0), b"\x22"), "expression that combines registers"),
        (cfa_expression(breg(RSP, 8), breg(RSP, 8)), "expression that leaves 2 values"),
        (cfa_expression(b"\x22"), "expression without enough values"),
        (cfa_expression(b"\x06"), "expression without enough values"),
        (cfa_expression(b"\x9c"), "expression with operation 0x9c"),  # DW_OP_call_frame_cfa
        (cfa_expression(b"\x30" * 65), "expression of more than 64 bytes"),
        (cfa_expression(b"\x30" * 9), "expression of more than 8 values"),
        (cfa_expression(b"\x0c\x01"), "truncated expression"),
        (cfa_expression(b"\x31\x4f\x24\x4f\x24\x4f\x24"), "expression out of range"),  # 1 << 31 ...
        (b"\x1d", "call frame instruction 0x1d"),
        (b"\x2d", "call frame instruction of another machine"),
    ],
)
def test_what_no_rule_can_say_is_unknown_and_named(program, why):
    assert after(program) == (unknown(), why)


@pytest.mark.parametrize(
    "parts, rule",
    [
        ([breg(RSP, 24)], Rule(STEP, 24)),
        ([breg(RBP, -8), b"\x06"], Rule(STEP | FROM_FP | READ, -8)),
        ([breg(RSP, 40), b"\x06\x23", uleb(8)], Rule(STEP | READ, 40, 0, 8)),
        ([breg(RSP, 40), b"\x06", b"\x38\x22"], Rule(STEP | READ, 40, 0, 8)),  # lit8; plus
        ([breg(RSP, 40), b"\x06", b"\x38\x1c"], Rule(STEP | READ, 40, 0, -8)),  # lit8; minus
        ([breg(RSP, 0), b"\x06\x08\x40\x22"], Rule(STEP | READ, 0, 0, 64)),  # const1u; plus
        ([breg(RSP, 0), b"\x23", uleb(300), b"\x06"], Rule(STEP | READ, 300)),
        ([b"\x92", uleb(RSP), sleb(16)], Rule(STEP, 16)),  # DW_OP_bregx
        ([b"\x10", uleb(5), breg(RSP, 1), b"\x22"], Rule(STEP, 6)),  # constu; breg; plus
    ],
)
def test_an_expression_that_moves_and_reads_a_register_is_a_rule(parts, rule):
    assert after(cfa_expression(*parts)) == (rule, "")


def test_the_frame_pointer_may_be_saved_by_an_expression():
    drap = cfa_expression(breg(RBP, -8), b"\x06") + at_expression(RBP, breg(RBP, 0))
    assert after(drap).rule == Rule(STEP | FROM_FP | READ | FP_BY_FP, -8, 0)
    assert after(cfa_offset(32), at_expression(RBP, breg(RSP, 8))).rule == Rule(STEP, 32, -24)


# What GNU ld writes for .plt: one more word is on the stack behind the push at its byte 11.
PLT = cfa_expression(
    breg(RSP, 8), breg(RIP, 0), b"\x3f\x1a", b"\x3b\x2a", b"\x33\x24", b"\x22"
)  # lit15; and; lit11; ge; lit3; shl; plus


def test_the_expression_of_a_plt_is_folded_with_the_known_address():
    frames = Frames([Fde(PLT, size=48)])
    assert [found_at(frames, at).rule.cfa for at in range(48)] == ([8] * 11 + [16] * 5) * 3


PAIR = cfa_offset(32) + saved(X29, 4) + saved(X30, 3)  # stp x29, x30, [sp, -32]!


@pytest.mark.parametrize(
    "program, rule",
    [
        (b"", Rule(STEP | IN_LR)),
        (cfa_offset(16), Rule(STEP | IN_LR, 16)),
        (PAIR, Rule(STEP, 32, -32)),
        (PAIR + cfa(X29, 32), Rule(STEP | FROM_FP, 32, -32)),
        (b"\x2d" + PAIR, Rule(STEP, 32, -32)),  # DW_CFA_AARCH64_negate_ra_state: paciasp
        (cfa_offset(16) + saved(X30, 2), Rule(STEP, 16, 0, -2)),
        (cfa_offset(64) + saved(X29, 8) + saved(X30, 1), Rule(STEP, 64, -64, -1)),
        (undefined(X30), OUTERMOST),
    ],
)
def test_frames_of_aarch64_say_where_the_link_register_is(program, rule):
    assert found_at(aarch64(Fde(program))) == (rule, "")


@pytest.mark.parametrize(
    "program, why",
    [
        (saved(X30, 0), "return address at CFA+0"),
        (saved(X30, 200), "offset out of range"),
        (b"\x09" + uleb(X30) + uleb(9), "return address not at an offset from the CFA"),
        (cfa_expression(breg(SP, 0), b"\x06"), "CFA that is read from memory"),
        (cfa(19, 0), "CFA from register 19"),
        # Room for vectors of a length that is known at run time: sp + 16 + vg * 8
        (
            cfa_expression(breg(SP, 16), b"\x92", uleb(46), sleb(0), b"\x38\x1e\x22"),
            "expression that combines registers",
        ),
    ],
)
def test_frames_of_aarch64_that_no_rule_can_say_are_named(program, why):
    assert found_at(aarch64(Fde(program))) == (unknown(), why)


def test_return_addresses_of_aarch64_may_be_signed_by_either_key():
    cie = Cie(AARCH64_CIE.program, b"zRB", code=4, returns=X30)
    assert found_at(aarch64(Fde(PAIR), cie=cie)).rule == Rule(STEP, 32, -32)
