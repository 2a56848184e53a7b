"""Stacks that plain calls do not make: coroutines, longjmp, realigned frames, signal handlers.

The known answers are in the header comments of the workloads.
"""

from collections.abc import Iterator

import pytest

from tests.kernel.harness import Tracer, Workload
from tests.kernel.pictures import Picture, Site
from tests.kernel.stacks import assert_whole


@pytest.fixture(scope="module")
def switches() -> Iterator[Picture]:
    with Workload("switches") as target, Tracer(target, options=("--top", 0)) as tracer:
        target.phases(3)
        yield tracer.finish().final


def test_no_switch_of_the_stack_costs_a_block_or_a_site(switches: Picture):
    assert switches.allocated == (60, 10 * (200 + 200 + 300 + 400 + 500))
    assert (switches.held, len(switches.sites)) == (switches.allocated, 5)
    assert switches.faults == {}


def test_a_coroutines_stack_ends_where_the_coroutine_began(switches: Picture):
    site = switches.site("leak_on_coroutine")
    assert site.held == (20, 2000)
    assert_whole(site, "leak", "leak_on_coroutine", "coroutine_main", start=None)
    # __start_context of glibc, which has no name where libc is stripped. makecontext pushes its first
    # byte as return address: no FDE covers the byte before, and its own FDE does not say that it is
    # the outermost frame (gdb goes on into garbage). Only code that was not called starts there.
    assert len(site.frames) == 4
    assert site.frames[3]["module"].endswith("/libc.so.6")


def test_between_two_turns_of_a_coroutine_the_first_stack_is_whole(switches: Picture):
    site = switches.site("leak_between")
    assert site.held == (10, 2000)
    assert_whole(site, "leak", "leak_between", "main")


def test_frames_that_a_longjmp_left_are_on_no_later_stack(switches: Picture):
    before, after = switches.site("leak_before_jump"), switches.site("leak_after_jump")
    assert (before.held, after.held) == ((10, 3000), (10, 4000))
    levels = ["descend_and_jump"] * 6
    assert_whole(before, "leak", "leak_before_jump", *levels, "jump_back", "main")
    assert_whole(after, "leak", "leak_after_jump", "jump_back", "main")


def test_a_realigned_frame_is_found_by_the_saved_frame_pointer(switches: Picture):
    site = switches.site("leak_under_realigned")
    assert site.held == (10, 5000)
    callers = ("leak", "leak_under_realigned", "lose_frame_pointer", "realigned", "main")
    assert_whole(site, *callers)


@pytest.fixture(scope="module")
def signals() -> Iterator[Picture]:
    with Workload("signals") as target, Tracer(target, options=("--top", 0)) as tracer:
        target.phases(2)
        yield tracer.finish().final


def assert_interrupted(site: Site, handler: str, *interrupted: str) -> None:
    """The handler, the signal frame, and what was interrupted up to the program's start."""
    inner, outer = site.frames[:3], site.frames[3:]
    names = [frame["function"] for frame in inner]
    assert names[:2] == ["leak_in_handler", handler]
    # libc may be stripped of this name; that of the function before it would be wrong.
    assert names[2] in (None, "__restore_rt", "__kernel_rt_sigreturn")
    assert inner[2]["module"].rpartition("/")[2] in ("libc.so.6", "[vdso]")
    assert [frame["function"] for frame in outer][: len(interrupted)] == list(interrupted)
    assert_whole(site)


@pytest.mark.parametrize("function", ["trap_at_entry", "trap_in_prologue"])
def test_a_signal_at_a_given_instruction_is_unwound_by_the_rule_of_that_instruction(
    signals: Picture, function: str
):
    site = signals.site(function)
    assert site.held == (10, 1000)
    assert_interrupted(site, "on_trap", function, "run_traps", "main")


def test_a_signal_that_interrupts_a_loop_shows_the_loop_and_its_callers(signals: Picture):
    sites = signals.sites_in("spin")
    assert signals.held_in("spin") == (20, 4000)
    assert len(sites) <= 4, "the loop has no more instructions"
    for site in sites:
        assert_interrupted(site, "on_alarm", "spin", "run_loop", "main")


def test_a_handler_on_its_own_stack_costs_no_block(signals: Picture):
    assert signals.held == (40, 20 * 100 + 20 * 200)
    assert signals.faults == {}
