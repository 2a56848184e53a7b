"""Counts are exact: under threads, across threads, beside another tracer, at equal addresses."""

from collections.abc import Iterator

import pytest

from tests.kernel.harness import Ended, Tracer, Workload

THREADS, PAIRS = 30, 100_000
BYTES_OF_EIGHT = 16 + 24 + 100 + 513 + 1000 + 4096 + 51 + 4000


def pairs_of(threads: int, pairs: int) -> tuple[int, int]:
    """What `threads` allocates, and frees: blocks and bytes."""
    return threads * pairs, threads * pairs // 8 * BYTES_OF_EIGHT


@pytest.mark.elsewhere
@pytest.mark.oldkernel
def test_a_few_threads_leave_nothing_and_every_pair_is_counted():
    with Workload("threads", 4, 2000) as target, Tracer(target) as tracer:
        target.phases()
        ended = tracer.finish()
    assert ended.final.held == (0, 0)
    assert ended.final.allocated == ended.final.freed == pairs_of(4, 2000)
    assert ended.final.faults == {}


@pytest.fixture(scope="module")
def thirty_threads() -> Iterator[Ended]:
    with Workload("threads", THREADS, PAIRS) as target, Tracer(target) as tracer:
        target.phases()
        yield tracer.finish()


def test_thirty_threads_leave_no_block_and_no_byte(thirty_threads: Ended):
    assert thirty_threads.final.held == (0, 0)


def test_every_one_of_three_million_allocations_is_counted(thirty_threads: Ended):
    assert thirty_threads.final.allocated == pairs_of(THREADS, PAIRS)


def test_every_one_of_three_million_deaths_is_counted(thirty_threads: Ended):
    assert thirty_threads.final.freed == pairs_of(THREADS, PAIRS)


def test_nothing_is_lost_under_thirty_threads(thirty_threads: Ended):
    assert thirty_threads.final.faults == {}
    assert thirty_threads.final.loss("unmatched_free") == 0


def test_sites_add_up_to_the_totals(thirty_threads: Ended):
    sites = thirty_threads.final.sites
    assert sum(site.allocated[0] for site in sites) == thirty_threads.final.allocated[0]
    assert sum(site.freed[1] for site in sites) == thirty_threads.final.freed[1]


def test_blocks_freed_by_other_threads_leave_the_known_remainder():
    with Workload("cross_free", 10_000) as target, Tracer(target) as tracer:
        target.phases(2)
        ended = tracer.finish()
    assert ended.final.allocated == (40_000, 4_000_000)
    assert ended.final.freed == (36_000, 3_600_000)
    assert ended.final.held == ended.final.held_in("produce") == (4000, 400_000)
    assert ended.final.faults == {}


@pytest.mark.oldkernel
def test_two_tracers_on_one_process_are_both_exact():
    with Workload("threads", 4, 8000) as target, Tracer(target) as one, Tracer(target) as two:
        target.phases()
        # They leave one after the other: the second must not miss what comes in between.
        first = one.finish()
        target.phases()
        second = two.finish()
    blocks, size = pairs_of(4, 8000)
    assert first.final.allocated == first.final.freed == (blocks, size)
    assert second.final.allocated == second.final.freed == (2 * blocks, 2 * size)
    assert first.final.held == second.final.held == (0, 0)
    assert first.final.faults == second.final.faults == {}


@pytest.mark.everykernel
def test_equal_addresses_of_two_processes_are_two_blocks():
    with (
        Workload("family", "stay", fixed_addresses=True) as one,
        Workload("family", "stay", fixed_addresses=True) as two,
        Tracer(one, two) as tracer,
    ):
        one.phases()
        two.phases()
        one.leave()
        tracer.until(lambda picture: not all(target["alive"] for target in picture.targets))
        ended = tracer.finish()
    assert ended.final.held == (22, 660_000)
    by_pid = {site.raw["pid"] for site in ended.final.sites_in("leak_malloc")}
    assert by_pid == {one.pid, two.pid}


def test_ten_thousand_stacks_are_ten_thousand_sites():
    with (
        Workload("many_sites", 10_000, 2) as target,
        Tracer(target, options=("--top", 0), interval=2) as tracer,
    ):
        target.phases(1)
        tracer.settled()  # the rules are there; what was born before that may be under a stump
        target.phases(1)
        ended = tracer.finish()
    assert ended.final.held == (40_000, 40_000 * 64)
    whole = [site.held[0] for site in ended.final.sites if site.complete]
    assert (len(whole), set(whole) <= {2, 3, 4}) == (10_000, True)
    cut = sum(site.held[0] for site in ended.final.sites if not site.complete)
    assert sum(whole) + cut == 40_000
    assert (ended.final.loss("stack_cut"), ended.final.faults) == (cut, {})
