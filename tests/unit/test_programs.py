"""Rewriting compiled instructions: cookies as constants, map descriptors as ours."""

from ebpftrace.kernel.compiler import relocated
from ebpftrace.kernel.features import instruction
from ebpftrace.kernel.programs import with_constant_cookie
from ebpftrace.kernel.sizes import choose

COOKIE_CALL = instruction(0x85, 0, 0, 174)
OTHER_CALL = instruction(0x85, 0, 0, 5)


def test_a_cookie_call_becomes_a_constant_and_other_calls_stay() -> None:
    code = with_constant_cookie(OTHER_CALL + COOKIE_CALL, 0x42)
    assert code == OTHER_CALL + instruction(0xB4, 0, 0, 0x42)


def test_a_cookie_with_its_highest_bit_set_fits() -> None:
    code = with_constant_cookie(COOKIE_CALL, 0x80000001)
    assert code == instruction(0xB4, 0, 0, 0x80000001 - (1 << 32))


def test_map_descriptors_are_replaced_and_plain_constants_are_not() -> None:
    load_map = instruction(0x18, 1 | 1 << 4, 0, 7) + instruction(0)
    load_constant = instruction(0x18, 1, 0, 7) + instruction(0)
    assert relocated(load_map + load_constant, {7: 33}) == (
        instruction(0x18, 1 | 1 << 4, 0, 33) + instruction(0) + load_constant
    )


def test_maps_take_at_most_two_percent_of_what_is_available() -> None:
    for gigabytes in (1, 2, 8, 64, 1024):
        sizes = choose(gigabytes << 30)
        kernel = sizes.blocks * 104 + sizes.cohorts * 128 + sizes.stacks * 80 + sizes.threads * 160
        assert kernel + sizes.ring_pages * 4096 <= 0.02 * (gigabytes << 30)


def test_a_small_host_still_gets_maps_that_work() -> None:
    sizes = choose(64 << 20)
    assert sizes.blocks >= 8192
    assert sizes.ring_pages >= 16


def test_what_the_user_asked_for_stands() -> None:
    assert choose(8 << 30, blocks=12_345).blocks == 12_345
