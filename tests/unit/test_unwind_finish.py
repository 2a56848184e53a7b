"""Hand-made stacks: the words by address, the rules by return address."""

import pytest

from ebpftrace.unwind.finish import Finished, Registers, finish
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
    unknown,
)

STACK = 0x7FFC_0000_1000
A, B, C = 0x40_1000, 0x40_2000, 0x40_3000
BARE = Rule(STEP, 8)


def walked(
    words: dict[int, int],
    rules: dict[int, Rule],
    fp: int = 0,
    most: int = 10,
    machine: str = "x86_64",
    lr: int | None = None,
) -> Finished:
    """From return address A with the stack pointer at STACK; `words` count from STACK."""
    memory = {STACK + at: word for at, word in words.items()}
    return finish(Registers(A, STACK, fp, lr), memory.get, rules.get, most, machine)


def test_frames_are_followed_to_the_one_that_says_it_is_the_last():
    words = {0: B, 24: C}
    rules = {A: BARE, B: Rule(STEP, 24), C: OUTERMOST}
    assert walked(words, rules) == ((B, C), End.OUTERMOST, False)


def test_a_frame_pointer_is_taken_from_where_the_rule_says_it_is_saved():
    words = {0: STACK + 64, 8: B, 56: 0, 64: 1, 72: C}
    rules = {A: Rule(STEP, 16, -16), B: Rule(STEP | FROM_FP, 16, -16), C: OUTERMOST}
    assert walked(words, rules, fp=7) == ((B, C), End.OUTERMOST, False)


def test_a_cfa_may_be_read_and_the_frame_pointer_saved_beside_itself():
    fp = STACK + 64
    # A realigned frame: the CFA is in the word below the frame pointer, the caller's is at it.
    words = {56: STACK + 128, 64: STACK + 192, 120: B, 200: C}
    how = STEP | FROM_FP | READ | FP_BY_FP
    rules = {A: Rule(how, -8), B: Rule(STEP | FROM_FP, 16), C: OUTERMOST}
    assert walked(words, rules, fp) == ((B, C), End.OUTERMOST, False)
    rules[A] = Rule(STEP | READ, 56, 0, -8)
    assert walked({56: STACK + 136, 120: B}, rules).pcs == (B,)


def test_a_guess_is_said_and_ends_where_there_is_no_frame_pointer():
    words = {64: 0, 72: B}
    assert walked(words, {A: GUESSED, B: GUESSED}, fp=STACK + 64) == ((B,), End.OUTERMOST, True)
    assert walked({}, {A: GUESSED}) == ((), End.OUTERMOST, True)


def test_a_signal_frame_gives_the_registers_of_the_frame_it_interrupted():
    words = {120: STACK + 500, 160: STACK + 1000, 168: B - 1, 1000: C}
    rules = {A: SIGNALLED, B: BARE, C: OUTERMOST}
    assert walked(words, rules) == ((B, C), End.OUTERMOST, False)
    assert walked(words, rules | {B: Rule(STEP | FROM_FP, 508)}).pcs == (B, C)
    del words[160]
    assert walked(words, rules) == ((), End.UNREADABLE, False)


@pytest.mark.parametrize(
    "rule, end",
    [
        (None, End.NO_RULE),
        (Rule(0), End.NO_RULE),
        (unknown(), End.UNSUPPORTED),
        (OUTERMOST, End.OUTERMOST),
        (Rule(STEP, 800), End.UNREADABLE),
        (Rule(STEP, 0), End.UNREADABLE),
        (Rule(STEP, -8), End.UNREADABLE),
        (Rule(STEP, 12), End.UNREADABLE),
        (Rule(STEP | FROM_FP, 16), End.UNREADABLE),
        (Rule(STEP | READ, 400), End.UNREADABLE),
    ],
)
def test_a_walk_that_cannot_go_on_says_why(rule, end):
    rules = {} if rule is None else {A: rule}
    assert walked({0: B, 4: B}, rules) == ((), end, False)


@pytest.mark.parametrize(
    "pc, end, pcs",
    [
        (0, End.OUTERMOST, ()),
        (0xFFF, End.OUTERMOST, ()),
        (0x1000, End.NO_RULE, (0x1000,)),
        ((1 << 47) - 1, End.NO_RULE, ((1 << 47) - 1,)),
        (1 << 47, End.UNREADABLE, ()),
        ((1 << 64) - 1, End.UNREADABLE, ()),
    ],
)
def test_what_is_no_code_address_ends_the_walk(pc, end, pcs):
    assert walked({0: pc}, {A: BARE}) == (pcs, end, False)


def test_a_walk_is_cut_at_the_limit_and_not_at_a_last_frame_that_fits():
    words = {8 * at: A for at in range(100)}
    assert walked(words, {A: BARE}, most=5) == ((A,) * 5, End.TRUNCATED, False)
    assert walked({0: B}, {A: BARE, B: OUTERMOST}, most=1) == ((B,), End.OUTERMOST, False)
    assert walked({0: B}, {A: BARE}, most=0) == ((), End.TRUNCATED, False)


def test_a_signal_frame_that_points_to_itself_ends_at_the_limit():
    words = {120: 0, 160: STACK, 168: A - 1}
    assert walked(words, {A: SIGNALLED}, most=9) == ((A,) * 9, End.TRUNCATED, False)


# --- AArch64 ---


def on_aarch64(words: dict[int, int], rules: dict[int, Rule], **more: int) -> Finished:
    return walked(words, rules, machine="aarch64", **more)


def test_the_return_address_of_aarch64_is_behind_the_frame_pointer_or_where_add_says():
    words = {0: STACK + 32, 8: B, 40: C}
    rules = {A: Rule(STEP, 32, -32), B: Rule(STEP, 16, 0, -1), C: OUTERMOST}
    assert on_aarch64(words, rules) == ((B, C), End.OUTERMOST, False)


def test_the_authentication_code_of_a_return_address_is_stripped():
    signed = 0x003D << 48 | B
    words = {0: STACK + 32, 8: signed}
    assert on_aarch64(words, {A: Rule(STEP, 32, -32), B: OUTERMOST}).pcs == (B,)


def test_the_link_register_counts_only_in_the_frame_that_a_signal_interrupted():
    # struct rt_sigframe of arm64: x29, x30, sp and pc
    words = {544: 0, 552: C, 560: STACK + 1024, 568: B - 1}
    leaf = Rule(STEP | IN_LR)  # it has no frame at all
    rules = {A: SIGNALLED, B: leaf, C: OUTERMOST}
    assert on_aarch64(words, rules) == ((B, C), End.OUTERMOST, False)
    assert on_aarch64(words, rules | {C: leaf}) == ((B, C), End.UNREADABLE, False)
    assert on_aarch64({}, {A: leaf}) == ((), End.UNREADABLE, False)
    assert on_aarch64({}, {A: leaf, B: OUTERMOST}, lr=B) == ((B,), End.OUTERMOST, False)
