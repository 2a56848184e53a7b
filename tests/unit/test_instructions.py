"""Rewriting compiled instructions: cookies as constants, maps as ours, two programs as one."""

import pytest

from ebpftrace.kernel.instructions import (
    RETURN_0,
    helper_call,
    instruction,
    map_load,
    session,
    with_answer,
    with_constant_cookie,
    with_maps,
)

COOKIE_CALL = helper_call(174)
OTHER_CALL = helper_call(5)
MOVE_0 = 0xB4


def test_a_cookie_call_becomes_a_constant_and_other_calls_stay():
    code = with_constant_cookie(OTHER_CALL + COOKIE_CALL, 0x42)
    assert code == OTHER_CALL + instruction(MOVE_0, 0, 0, 0x42)


def test_a_cookie_with_its_highest_bit_set_fits():
    code = with_constant_cookie(COOKIE_CALL, 0x80000001)
    assert code == instruction(MOVE_0, 0, 0, 0x80000001 - (1 << 32))


def test_the_answer_of_an_entry_is_put_in_and_its_cookie_left():
    code = with_answer(COOKIE_CALL + helper_call(0x7FFE01), 1)
    assert code == COOKIE_CALL + instruction(MOVE_0, 0, 0, 1)


def test_map_descriptors_are_replaced_and_plain_constants_are_not():
    load_constant = instruction(0x18, 1, 0, 7) + instruction(0)
    assert with_maps(map_load(1, 7) + load_constant, {7: 33}) == map_load(1, 33) + load_constant


def test_a_map_that_nobody_handed_over_is_not_passed_on():
    with pytest.raises(LookupError):
        with_maps(map_load(1, 8), {7: 33})


def test_a_session_chooses_by_the_kernel_function_and_jumps_over_the_return_half():
    leave, enter = OTHER_CALL + RETURN_0, COOKIE_CALL + RETURN_0
    code = session(enter, leave, 4711)
    keep, call, _, restore, jump = (code[at : at + 8] for at in range(0, 40, 8))
    assert call == instruction(0x85, 2 << 4, 0, 4711)
    assert (keep, restore) == (instruction(0xBF, 1 << 4 | 6), instruction(0xBF, 6 << 4 | 1))
    assert jump == instruction(0x15, 0, len(leave) // 8, 0)
    assert code[40:] == leave + enter


def test_a_return_half_that_no_jump_spans_is_refused():
    with pytest.raises(ValueError, match="too far"):
        session(RETURN_0, OTHER_CALL * 0x8000, 1)
