"""What counts as a match of gdb's stack and the tool's, and what is left out."""

from collections import Counter
from typing import Any

from tests.kernel.gdbstacks.comparison import (
    Call,
    Comparison,
    as_call,
    comparable,
    compare,
    describe,
)
from tests.kernel.gdbstacks.stops import AllocatorCode, Stop
from tests.kernel.pictures import Picture

MALLOC, REALLOC, MAIN, START = 0x7000, 0x8000, 0x401050, 0x401090
CODE = (
    AllocatorCode("glibc", "malloc", MALLOC, MALLOC + 0x100),
    AllocatorCode("glibc", "realloc", REALLOC, REALLOC + 0x100),
)
CALL = Call("glibc", "malloc", (MAIN, START))


def frame(address: int, inlined: bool = False) -> dict[str, Any]:
    return {"address": address, "inlined": inlined, "function": None}


def site(*pcs: int, **given: Any) -> dict[str, Any]:
    values = {
        "family": "glibc",
        "allocator": "malloc",
        "allocated_blocks": 10,
        "allocated_bytes": 100,
        "complete": True,
        "guessed": None,
        "frames": [frame(pc) for pc in pcs or (MAIN, START)],
    }
    return {**values, **given}


def picture(*sites: dict[str, Any], truncated: int = 0) -> Picture:
    allocated = sum(each["allocated_blocks"] for each in sites)
    totals = {"allocated_blocks": allocated, "allocated_bytes": 0}
    losses = {"stack_truncated": truncated}
    return Picture({"sites": sites, "totals": totals, "mapped": None, "losses": losses})


def compared(*sites: dict[str, Any], calls: tuple[Call, ...] = (CALL,)) -> Comparison:
    return compare("app", "C", calls, Counter(), picture(*sites))


def test_the_same_addresses_of_the_same_function_match():
    assert compared(site()).exact


def test_a_stack_that_is_a_frame_short_or_long_or_off_by_a_byte_does_not_match():
    for pcs in ((MAIN,), (MAIN, START, START), (MAIN, START + 1)):
        assert compared(site(*pcs)).missing == (CALL,)


def test_the_same_addresses_do_not_match_another_function_or_family():
    assert not compared(site(allocator="calloc")).exact
    assert not compared(site(family="jemalloc")).exact


def test_a_stack_that_the_tool_does_not_call_complete_does_not_match():
    assert not compared(site(complete=False)).exact


def test_a_malloc_that_a_realloc_of_nothing_jumped_to_matches_that_realloc():
    assert compared(site(allocator="realloc")).exact


def test_inlined_functions_of_the_tool_are_no_frames():
    frames = [frame(MAIN, inlined=True), frame(MAIN), frame(START)]
    assert compared(site(frames=frames)).exact


def test_nothing_compared_is_not_exact():
    assert not compared(site(), calls=()).exact


def test_a_malloc_made_by_realloc_is_the_call_of_realloc():
    stop = Stop(MALLOC, (REALLOC + 0x20, MAIN, START))
    assert as_call(stop, CODE) == Call("glibc", "realloc", (MAIN, START))


def test_a_call_that_ends_an_allocator_function_belongs_to_it():
    stop = Stop(MALLOC, (REALLOC + 0x100, MAIN, START))
    assert as_call(stop, CODE).function == "realloc"
    assert as_call(Stop(MALLOC, (REALLOC, MAIN, START)), CODE).function == "malloc"


def test_an_outermost_frame_where_no_code_can_be_is_dropped():
    for bogus in (0, 1):
        assert as_call(Stop(MALLOC, (MAIN, START, bogus)), CODE) == CALL
    assert as_call(Stop(MALLOC, (MAIN, 1, START)), CODE).pcs == (MAIN, 1, START)


def test_what_gdb_could_not_walk_is_left_out_with_its_reason():
    cut = Stop(MALLOC, (MAIN,), "previous frame inner to this frame (corrupt stack?)")
    calls, left_out = comparable([cut, Stop(MALLOC, CALL.pcs)], CODE, 127)
    assert calls == [CALL]
    assert left_out == {"gdb: previous frame inner to this frame (corrupt stack?)": 1}


def test_what_is_deeper_than_the_tool_goes_is_left_out_and_counted():
    deep = [Stop(MALLOC, (MAIN,) * depth) for depth in (3, 4, 5)]
    calls, left_out = comparable(deep, CODE, 4)
    assert [len(call.pcs) for call in calls] == [3]
    assert left_out == {"4 frames or more": 2}


def test_shares_are_of_the_allocations_and_never_rounded_up_to_all():
    sites = [site(allocated_blocks=99_999), site(MAIN, complete=False, allocated_blocks=1)]
    walked = compared(*sites).walked
    assert walked.cut_early == 1
    assert walked.cells() == ["100,000", "99.99 %", "-", "0.00 %", "0.00 %"]


def test_truncated_stacks_are_not_also_cut_early():
    shown = picture(site(), site(MAIN, complete=False), truncated=10)
    walked = compare("app", "C", (), Counter(), shown).walked
    assert walked.cells() == ["20", "50.00 %", "-", "50.00 %", "0.00 %"]


def test_guesses_count_where_the_tool_tells_of_them():
    walked = compared(site(guessed=False), site(MAIN, guessed=True)).walked
    assert walked.guessed == 10


def test_the_report_says_at_which_frame_the_nearest_stack_parts():
    shown = picture(site(MAIN, 0x402000), site(0x403000))
    assert describe(CALL, shown) == (
        "glibc malloc: 1 frames alike of 2; then gdb 0x401090 ?, the tool 0x402000 ?"
    )
