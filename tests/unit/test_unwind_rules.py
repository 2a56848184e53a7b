import struct

import pytest

from ebpftrace.unwind.rules import (
    FP_BY_FP,
    FROM_FP,
    GUESSED,
    OUTERMOST,
    READ,
    SIGNALLED,
    STEP,
    Rule,
    unknown,
)


def test_a_rule_has_the_layout_that_the_kernel_side_reads():
    rule = Rule(STEP | FROM_FP | READ, cfa=-8, fp=-16, add=-3)
    # s32 cfa, s16 fp, u8 how, s8 add
    assert struct.pack("<Q", rule.pack()) == struct.pack("<ihBb", -8, -16, 0x83, -3)
    assert Rule.unpack(rule.pack()) == rule


def test_no_rule_is_zero():
    for rule in (GUESSED, OUTERMOST, SIGNALLED, unknown(), Rule(STEP)):
        assert rule.pack()


@pytest.mark.parametrize(
    "rule",
    [
        Rule(STEP, cfa=1 << 31),
        Rule(STEP, cfa=-(1 << 31) - 1),
        Rule(STEP, fp=1 << 15),
        Rule(STEP | FP_BY_FP, fp=-(1 << 15) - 1),
        Rule(STEP, add=128),
        Rule(STEP, add=-129),
    ],
)
def test_what_does_not_fit_the_layout_is_said_before_it_is_packed(rule):
    assert not rule.fits
    with pytest.raises(struct.error):
        rule.pack()


def test_the_widest_rule_fits():
    for sign in (-1, 1):
        extra = int(sign > 0)
        rule = Rule(STEP, sign * (1 << 31) - extra, sign * (1 << 15) - extra, sign * 128 - extra)
        assert rule.fits
        assert Rule.unpack(rule.pack()) == rule
