"""Code without unwind information: the totals are exact, and a stack says what it rests on.

The known answers are in the header comments of the workloads.
"""

import pytest

from tests.kernel.harness import Tracer, Workload
from tests.kernel.pictures import Picture
from tests.kernel.stacks import (
    CHAIN,
    IN_CHAIN,
    assert_chain_counts,
    assert_frames_are_code,
    assert_leads_to_its_start,
)


def picture_of(program: str, phases: int = 1) -> Picture:
    """The last picture of a watch of `program`."""
    with Workload(program) as target, Tracer(target, options=("--top", 0)) as tracer:
        target.phases(phases)
        return tracer.finish().final


def shortfall(picture: Picture) -> int:
    """Allocations whose stack is guessed or ends early."""
    return picture.loss("stack_guessed") + picture.loss("stack_cut")


@pytest.fixture(scope="module")
def untabled() -> Picture:
    return picture_of("chain_untabled")


def test_without_tables_and_frame_pointers_totals_and_innermost_callers_are_exact(
    untabled: Picture,
):
    assert_chain_counts(untabled)


def test_without_tables_and_frame_pointers_no_stack_claims_to_be_whole(untabled: Picture):
    assert [site.functions for site in untabled.sites if site.complete and not site.guessed] == []
    assert shortfall(untabled) >= untabled.allocated[0]


def test_without_tables_and_frame_pointers_a_call_site_is_not_many(untabled: Picture):
    assert len(untabled.sites) <= 4 * len(CHAIN)
    assert_frames_are_code(untabled.sites)


@pytest.fixture(scope="module")
def framed() -> Picture:
    return picture_of("chain_framed")


def test_frame_pointers_serve_where_there_are_no_tables(framed: Picture):
    assert_chain_counts(framed)
    assert framed.site("leak_in_chain").functions[: len(IN_CHAIN)] == list(IN_CHAIN)
    assert framed.site("leak_in_thread").functions[:2] == ["leak_in_thread", "thread_main"]
    for function in CHAIN.keys() - {"leak_in_chain", "leak_in_thread"}:
        for site in framed.sites_in(function):
            assert site.callers(function)[:2] == [function, "main"]
    for site in framed.sites:
        in_thread = "leak_in_thread" in site.functions
        assert_leads_to_its_start(site, None if in_thread else "_start")


def test_a_stack_that_rests_on_frame_pointers_is_marked_as_guessed_and_counted(framed: Picture):
    assert [site.functions for site in framed.sites if not site.guessed] == []
    assert framed.loss("stack_guessed") == framed.allocated[0]
    assert framed.loss("stack_cut") == 0


@pytest.fixture(scope="module")
def jit() -> Picture:
    return picture_of("jit", phases=2)


def test_generated_code_with_a_frame_pointer_shows_its_callers_as_a_guess(jit: Picture):
    site = jit.site("call_framed")
    assert site.held == (100, 3200)
    assert (site.frames[0]["function"], site.frames[0]["module"]) == (None, "[anon]")
    assert site.functions[:2] == ["call_framed", "main"]
    assert site.guessed
    assert_leads_to_its_start(site)


def test_generated_code_that_misuses_the_frame_pointer_is_counted_and_no_flood(jit: Picture):
    assert jit.held == (1100, 100 * 32 + 1000 * 48)
    assert jit.faults == {}
    assert shortfall(jit) >= 1100
    frameless = [site for site in jit.sites if "call_framed" not in site.functions]
    assert sum(site.held[0] for site in frameless) == 1000
    assert len(frameless) <= 4
    assert [site.functions for site in frameless if site.complete and not site.guessed] == []


def test_no_return_address_is_shown_that_lies_outside_every_mapping(jit: Picture):
    assert_frames_are_code(jit.sites)
