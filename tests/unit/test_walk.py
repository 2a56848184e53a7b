"""What the walk makes of one stack each, which is written down word by word."""

from dataclasses import replace

import pytest

from ebpftrace.unwind.finish import Registers
from ebpftrace.unwind.rules import (
    FP_BY_FP,
    FROM_FP,
    GUESSED,
    IN_LR,
    OUTERMOST,
    READ,
    SIGNALLED,
    STEP,
    End,
    Rule,
)
from tests.unit.walks import PAGE, Case, Walked, Walker, twin

SP = 0x7FFC_0000_2100
INNER, OUTER, MAIN, START = 0x40_1008, 0x40_2008, 0x40_3008, 0x40_4008
DATA = 0x1234_5678  # what a program that needs no frame pointer keeps in that register
PAC = 0x00B7 << 48
BY_SP = Rule(STEP, cfa=16)


def both(walker: Walker, case: Case) -> Walked:
    """What the C finds, after the twin has found the same."""
    (answer,) = walker.walk(case)
    assert answer.walked == twin(case)
    return answer.walked


def x86_64(words: dict[int, int], rules: dict[int, Rule], fp=DATA) -> Case:
    """`words` by their distance to the stack pointer; the innermost frame is at INNER."""
    memory = {SP + at: word for at, word in words.items()}
    return Case(Registers(INNER, SP, fp), memory, {**rules, START: OUTERMOST})


def test_a_frame_leads_to_its_caller_by_the_size_of_the_frame(walker: Walker):
    case = x86_64(
        {
            0: 7,  # a local variable
            8: OUTER,  # INNER's return address, below its CFA at 16
            16: MAIN,  # OUTER has no variables
            24: START,
        },
        {INNER: BY_SP, OUTER: Rule(STEP, cfa=8), MAIN: Rule(STEP, cfa=8)},
    )
    assert both(walker, case)[:3] == ((INNER, OUTER, MAIN, START), End.OUTERMOST, False)


def test_a_realigned_frame_is_left_by_the_saved_address_of_its_caller_s(walker: Walker):
    # gcc's dynamic realignment: the CFA is saved below the frame pointer, which is not below the CFA.
    case = x86_64(
        {
            0x08: SP + 0x60,  # at fp - 8: the CFA
            0x10: SP + 0x80,  # at fp: OUTER's frame pointer
            0x58: OUTER,  # return address, at the CFA - 8
            0x80: DATA,  # MAIN's frame pointer
            0x88: START,  # OUTER's return address
        },
        {
            INNER: Rule(STEP | FROM_FP | READ | FP_BY_FP, cfa=-8, fp=0),
            OUTER: Rule(STEP | FROM_FP, cfa=16, fp=-16),
        },
        fp=SP + 0x10,
    )
    assert both(walker, case)[:3] == ((INNER, OUTER, START), End.OUTERMOST, False)


def test_a_signal_frame_on_another_stack_leads_back_to_the_first(walker: Walker):
    main_stack = 0x7FFC_0090_0000
    case = x86_64(
        {
            0: OUTER,  # the handler returns to the restorer, OUTER, whose frame is the kernel's
            8 + 120: main_stack + 0x20,  # ucontext: rbp
            8 + 160: main_stack,  # rsp
            8 + 168: MAIN,  # rip: where MAIN was interrupted
            main_stack + 0x20 - SP: DATA,  # rbp of START
            main_stack + 0x28 - SP: START,  # return address of MAIN
        },
        {
            INNER: Rule(STEP, cfa=8),
            OUTER: SIGNALLED,
            MAIN + 1: Rule(STEP | FROM_FP, cfa=16, fp=-16),  # one on: rules are for addresses - 1
        },
    )
    assert both(walker, case)[:3] == ((INNER, OUTER, MAIN + 1, START), End.OUTERMOST, False)


def test_a_signal_frame_that_cannot_be_read_ends_the_walk(walker: Walker):
    case = x86_64({0: OUTER}, {INNER: Rule(STEP, cfa=0xF00), OUTER: SIGNALLED})
    case = replace(case, memory={**case.memory, SP + 0xEF8: OUTER})  # its frame is beyond the page
    assert both(walker, case)[:3] == ((INNER, OUTER), End.UNREADABLE, False)


def far_saved(between: int) -> Case:
    """INNER saves the frame pointer, OUTER has `between` bytes of variables, MAIN needs it."""
    outer = SP + 0x20
    main = outer + between
    return x86_64(
        {
            0x10: main + 0x10,  # saved by INNER: the frame pointer of MAIN
            0x18: OUTER,
            main - 8 - SP: MAIN,
            main + 0x10 - SP: DATA,  # saved by MAIN
            main + 0x18 - SP: START,
        },
        {
            INNER: Rule(STEP, cfa=0x20, fp=-16),
            OUTER: Rule(STEP, cfa=between),
            MAIN: Rule(STEP | FROM_FP, cfa=16, fp=-16),
        },
    )


@pytest.mark.parametrize("between", [0x40, PAGE, 5 * PAGE])
def test_a_frame_pointer_is_restored_from_a_page_that_was_left(between: int, walker: Walker):
    walked = both(walker, far_saved(between))
    assert walked[:3] == ((INNER, OUTER, MAIN, START), End.OUTERMOST, False)


def lost_frame_pointer(*, needed: bool) -> Case:
    """INNER saves the frame pointer by itself on a page that is gone; MAIN needs it, or not."""
    case = x86_64(
        {0x18: OUTER, 0x38: MAIN, 0x58: START, -2 * PAGE: 1},
        {
            INNER: Rule(STEP, cfa=0x20, fp=-2 * PAGE),
            OUTER: Rule(STEP, cfa=0x20),
            MAIN: Rule(STEP | FROM_FP if needed else STEP, cfa=0x20),
        },
    )
    return replace(case, gone=frozenset({SP - 2 * PAGE & -PAGE}))


def test_a_frame_pointer_that_cannot_be_read_matters_where_it_is_needed(walker: Walker):
    assert both(walker, lost_frame_pointer(needed=True))[:2] == (
        (INNER, OUTER, MAIN),
        End.UNREADABLE,
    )


def test_a_frame_pointer_that_nobody_needs_may_be_unreadable(walker: Walker):
    walked = both(walker, lost_frame_pointer(needed=False))
    assert walked[:2] == ((INNER, OUTER, MAIN, START), End.OUTERMOST)


def test_a_frame_pointer_found_by_one_that_cannot_be_read_is_as_lost(walker: Walker):
    case = lost_frame_pointer(needed=True)
    rules = {**case.rules, OUTER: Rule(STEP | FP_BY_FP, cfa=0x20, fp=8)}
    assert both(walker, replace(case, rules=rules))[:2] == ((INNER, OUTER, MAIN), End.UNREADABLE)


def test_a_guess_by_a_frame_pointer_that_cannot_be_read_is_no_end(walker: Walker):
    case = lost_frame_pointer(needed=True)
    rules = {**case.rules, MAIN: GUESSED}
    assert both(walker, replace(case, rules=rules))[:2] == ((INNER, OUTER, MAIN), End.UNREADABLE)


@pytest.mark.parametrize(
    "rule",
    [
        Rule(STEP, cfa=0),  # a CFA at the stack pointer: there is no room for a return address
        Rule(STEP, cfa=-16),  # below it
        Rule(STEP, cfa=12),  # not at a multiple of 8
        Rule(STEP | FROM_FP, cfa=16),  # from a register that holds something else
        Rule(STEP | READ, cfa=0),  # from a word that holds something else
        Rule(STEP | READ, cfa=-2 * PAGE),  # from one that cannot be read
    ],
)
def test_a_cfa_that_does_not_ascend_is_no_frame(rule: Rule, walker: Walker):
    case = x86_64({0: OUTER, 8: 7, 16: OUTER}, {INNER: Rule(STEP, cfa=8), OUTER: rule})
    assert both(walker, case)[:2] == ((INNER, OUTER), End.UNREADABLE)


def test_a_page_in_the_middle_that_cannot_be_read_ends_the_walk(walker: Walker):
    case = far_saved(3 * PAGE)
    case = replace(case, gone=frozenset({SP + 3 * PAGE & -PAGE}))
    assert both(walker, case)[:2] == ((INNER, OUTER), End.UNREADABLE)


def test_the_last_word_of_the_last_page_is_read(walker: Walker):
    last = (SP & -PAGE) + PAGE - 8
    case = x86_64({last - SP: START}, {INNER: Rule(STEP, cfa=last + 8 - SP)})
    assert both(walker, case)[:2] == ((INNER, START), End.OUTERMOST)


@pytest.mark.parametrize(
    "address, end",
    [
        (0, End.OUTERMOST),
        (0xFFF, End.OUTERMOST),
        (1 << 47, End.UNREADABLE),  # above the highest code address of x86-64
        (0xFFFF_8000_0000_0008, End.UNREADABLE),
    ],
)
def test_what_cannot_be_a_return_address_ends_the_walk(address: int, end: End, walker: Walker):
    case = x86_64({8: OUTER, 24: address}, {INNER: BY_SP, OUTER: BY_SP})
    assert both(walker, case)[:2] == ((INNER, OUTER), end)


@pytest.mark.parametrize("address", [0x1000, (1 << 47) - 1])
def test_the_lowest_and_the_highest_code_address_are_frames(address: int, walker: Walker):
    case = x86_64({8: address}, {INNER: BY_SP, address: OUTERMOST})
    assert both(walker, case)[:2] == ((INNER, address), End.OUTERMOST)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_walk_takes_no_more_frames_than_it_may(depth: int, walker: Walker):
    case = x86_64({8: OUTER, 24: MAIN, 40: START}, dict.fromkeys((INNER, OUTER, MAIN), BY_SP))
    walked = both(walker, replace(case, depth=depth))
    assert walked[:2] == ((INNER, OUTER, MAIN)[:depth], End.TRUNCATED)


def test_the_last_frame_that_may_be_taken_can_be_the_outermost(walker: Walker):
    case = x86_64({8: OUTER, 24: START}, dict.fromkeys((INNER, OUTER), BY_SP))
    assert both(walker, replace(case, depth=3))[:2] == ((INNER, OUTER, START), End.OUTERMOST)


def test_no_rule_for_the_innermost_frame_ends_the_walk_in_it(walker: Walker):
    assert both(walker, x86_64({8: OUTER}, {}))[:2] == ((INNER,), End.NO_RULE)


def test_functions_and_ends_are_told_apart_by_the_hash(walker: Walker):
    case = x86_64({8: START}, {INNER: BY_SP})
    cases = (
        case,
        replace(case, called=case.called + 1),
        replace(case, rules={**case.rules, START: SIGNALLED}),
        replace(case, rules={INNER: BY_SP}),
    )
    assert len({answer.walked.hash for answer in walker.walk(*cases)}) == len(cases)


def test_a_guess_goes_by_the_frame_pointer(walker: Walker):
    case = x86_64(
        {
            0x20: SP + 0x40,  # OUTER's frame pointer
            0x28: OUTER,
            0x40: 0,  # its caller's
            0x48: MAIN,
        },
        {INNER: GUESSED, OUTER: GUESSED, MAIN: GUESSED},
        fp=SP + 0x20,
    )
    # MAIN has the frame pointer 0: by the psABI, nothing called it.
    assert both(walker, case)[:3] == ((INNER, OUTER, MAIN), End.OUTERMOST, True)


def test_what_a_guess_leads_to_is_a_frame_only_where_it_has_a_rule(walker: Walker):
    case = x86_64({0x20: 0, 0x28: OUTER, 0x30: 9}, {INNER: GUESSED}, fp=SP + 0x20)
    assert both(walker, case)[:3] == ((INNER,), End.NO_RULE, True)
    (answer,) = walker.walk(case)
    assert answer.last[:3] == (OUTER, SP + 0x30, 0)  # that is the rule that is asked for


def test_a_rule_is_found_in_the_map_behind_the_array(walker: Walker):
    case = x86_64({8: OUTER, 24: START}, dict.fromkeys((INNER, OUTER), BY_SP))
    case = replace(case, only_more=frozenset({OUTER, START}))
    assert both(walker, case)[:2] == ((INNER, OUTER, START), End.OUTERMOST)


def test_a_rule_of_another_process_is_none(walker: Walker):
    case = x86_64({8: OUTER}, {INNER: BY_SP, OUTER: OUTERMOST})
    lines = [*replace(case, slot=6).lines()]
    assert "walk 6 103 7f" in lines
    (answer,) = walker.walk_lines("x86_64", [line.replace("walk 6", "walk 7") for line in lines])
    assert answer.walked[:2] == ((INNER,), End.NO_RULE)


def arm64(words: dict[int, int], rules: dict[int, Rule], fp=DATA, lr: int | None = None) -> Case:
    """As `x86_64`."""
    memory = {SP + at: word for at, word in words.items()}
    return Case(Registers(INNER, SP, fp, lr), memory, {**rules, START: OUTERMOST}, "aarch64")


def test_the_link_register_is_saved_behind_the_frame_pointer_or_elsewhere(walker: Walker):
    case = arm64(
        {
            0x00: SP + 0x40,  # INNER's pair: the frame pointer of OUTER,
            0x08: OUTER | PAC,  # and a signed return address
            0x28: MAIN,  # OUTER saves the link register alone
            0x40: DATA,  # MAIN's pair, at the frame pointer
            0x48: START,
        },
        {
            INNER: Rule(STEP, cfa=0x20, fp=-0x20),
            OUTER: Rule(STEP, cfa=0x10, add=-1),
            MAIN: Rule(STEP | FROM_FP, cfa=0x10, fp=-0x10),
        },
    )
    assert both(walker, case)[:2] == ((INNER, OUTER, MAIN, START), End.OUTERMOST)


def interrupted_leaf(lr: int) -> Case:
    return arm64(
        {
            544: DATA,  # ucontext: x29
            552: lr,  # x30
            560: SP + 0x400,  # sp
            568: OUTER,  # pc: in a leaf
            0x408: START,  # MAIN's saved link register
        },
        {
            INNER: SIGNALLED,
            OUTER + 1: Rule(STEP | IN_LR, cfa=0),  # a leaf without a frame: its CFA is sp
            MAIN: Rule(STEP, cfa=0x10, add=-1),
        },
    )


@pytest.mark.parametrize("signed", [0, PAC])
def test_an_interrupted_leaf_returns_by_the_link_register(signed: int, walker: Walker):
    walked = both(walker, interrupted_leaf(MAIN | signed))
    assert walked[:2] == ((INNER, OUTER + 1, MAIN, START), End.OUTERMOST)


def test_an_interrupted_leaf_that_nothing_called_is_the_outermost(walker: Walker):
    assert both(walker, interrupted_leaf(0))[:2] == ((INNER, OUTER + 1), End.OUTERMOST)


def test_the_link_register_leads_out_of_one_frame_only(walker: Walker):
    leaf = Rule(STEP | IN_LR, cfa=16)
    (answer,) = walker.walk(arm64({}, {INNER: leaf, OUTER: leaf}, lr=OUTER))
    assert answer.walked.pcs == (INNER, OUTER)


def test_a_leaf_that_has_called_somebody_is_no_end(walker: Walker):
    case = arm64({8: OUTER}, {INNER: Rule(STEP, cfa=0x10, add=-1), OUTER: Rule(STEP | IN_LR)})
    assert both(walker, case)[:2] == ((INNER, OUTER), End.UNREADABLE)
