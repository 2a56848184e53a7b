"""Sizes of the maps."""

from mmap import PAGESIZE

from ebpftrace.kernel.sizes import choose, total_bytes


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


def test_a_log_of_calls_has_64_megabytes_where_there_is_memory_and_no_buffer_unless_asked_for() -> (
    None
):
    assert choose(64 << 30).trace_pages == 0
    assert choose(64 << 30, trace_log=True).trace_pages * PAGESIZE == 64 << 20
    small = choose(256 << 20, trace_log=True)
    assert small.trace_pages * PAGESIZE == 8 << 20
    assert total_bytes(small) - total_bytes(choose(256 << 20)) == 8 << 20
