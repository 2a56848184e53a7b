"""Calls that are left by longjmp or swapcontext: what follows stays exact, the call is counted lost.

Cases and known answers: the header comment of tests/workloads/jumps.c. Session programs are careful
where a call may still come back, at the price of what follows: test_jumps_session.
"""

from collections.abc import Iterator

import pytest

from tests.kernel.harness import Tracer, Workload
from tests.kernel.pictures import Picture


@pytest.fixture(scope="module")
def jumps() -> Iterator[list[Picture]]:
    """The picture after each phase; index 0 is the one at attach."""
    options = ("--backend", "perf")
    with Workload("jumps") as target, Tracer(target, options=options) as tracer:
        pictures = [tracer.first]
        for _ in range(6):
            target.phases()
            pictures.append(tracer.settled())
        assert target.process.poll() is None, "the target did not survive being traced"
        yield pictures


def lost(jumps: list[Picture], phase: int) -> int:
    return jumps[phase].loss("call_lost") - jumps[phase - 1].loss("call_lost")


def test_mallocs_after_a_longjmp_to_an_outer_frame_are_exact(jumps: list[Picture]):
    assert jumps[1].site("malloc_after_jump_up").held == (100, 6400)
    assert jumps[1].held == (100, 6400)
    assert lost(jumps, 1) == 1


def test_a_malloc_at_the_stack_pointer_of_a_jumped_call_is_no_tail_call(jumps: list[Picture]):
    site = jumps[2].site("same_frame")
    assert (site.held, site.allocator) == ((1, 200), "malloc")
    assert lost(jumps, 2) == 1


def test_the_same_call_again_after_a_jump_counts_for_itself(jumps: list[Picture]):
    site = jumps[3].site("valloc_twice")
    assert (site.held, site.allocator) == ((1, 300), "valloc")
    assert lost(jumps, 3) == 1


def test_an_old_jumped_call_does_not_swallow_what_runs_further_down(jumps: list[Picture]):
    assert jumps[4].held_in("malloc_after_jump_down") == (100, 6400)
    assert lost(jumps, 4) == 1


def test_mallocs_on_a_coroutine_are_exact_while_a_call_waits_on_the_main_stack(
    jumps: list[Picture],
):
    assert jumps[5].site("malloc_on_coroutine").held == (100, 6400)
    waited = sum(site.allocator == "pvalloc" for site in jumps[5].sites)
    assert lost(jumps, 5) + waited == 1, "the call that waited is either recorded or lost"


def test_nothing_vanishes_without_a_count_below_a_call_just_jumped_from(jumps: list[Picture]):
    nested = jumps[6].loss("nested") - jumps[5].loss("nested")
    assert jumps[6].held_in("malloc_at_once")[0] + nested == 100


def test_jumps_are_no_loss_but_of_the_calls_themselves(jumps: list[Picture]):
    assert set(jumps[6].faults) <= {"call_lost"}
    assert jumps[5].loss("nested") == 0
