"""Which module a return address belongs to: libraries that take each other's place, or are there twice.

The known answers are in the header comments of the workloads.
"""

from pathlib import PurePath

import pytest

from tests.kernel.harness import TIME_SCALE, Tracer, Workload, workload
from tests.kernel.pictures import Picture
from tests.kernel.stacks import CHAIN, IN_CHAIN, assert_whole


def modules(picture: Picture, function: str) -> set[str]:
    """File names of the innermost two frames, which are the library's, of the sites in `function`."""
    frames = [frame for site in picture.sites_in(function) for frame in site.frames[:2]]
    return {PurePath(frame["module"]).name for frame in frames}


def places(target: Workload) -> list[str]:
    """Where the libraries were, as the workload says: `run` and the return address in it."""
    return [line for line in target.said if line.startswith("at ")]


@pytest.fixture(scope="module")
def turns() -> Picture:
    """The picture after two phases; two libraries have one address in turn."""
    with (
        Workload("plugins", "turns", round(1000 * TIME_SCALE)) as target,
        Tracer(target, options=("--top", 0)) as tracer,
    ):
        target.phases()
        tracer.settled()  # the library is there until the next phase, so that its file is found
        target.phases()
        final = tracer.finish().final
    assert len(set(places(target))) == 1, "the libraries did not take each other's place"
    return final


def test_the_first_library_at_an_address_is_unwound_by_its_rules(turns: Picture):
    site = turns.site("use_a")
    assert site.held == (10, 1000)
    assert site.functions[:3] == ["leak_of_a", "run", "use_a"]
    assert modules(turns, "use_a") == {"plugin_a.so"}
    assert_whole(site)


def test_the_next_library_there_is_unwound_by_its_own_rules_once_the_old_ones_led_astray(
    turns: Picture,
):
    # It returns to the same address, with another frame: nothing tells the kernel that they are gone.
    site = turns.site("use_b")
    assert site.held[0] >= 9
    astray = turns.loss("stack_unreadable") + turns.loss("stack_cut")
    assert site.held[0] + astray >= 10
    assert site.functions[:3] == ["leak_of_b", "run", "use_b"]
    assert modules(turns, "use_b") == {"plugin_b.so"}
    assert_whole(site)


def test_a_library_that_is_there_three_times_is_three_sites():
    with Workload("plugins", "twice") as target, Tracer(target, options=("--top", 0)) as tracer:
        target.phases()
        final = tracer.finish().final
    assert len(set(places(target))) == 3
    for caller, file in (("a", "plugin_a.so"), ("b", "plugin_copy.so"), ("either", "plugin_a.so")):
        site = final.site(f"use_{caller}")
        assert site.held == (10, 1000)
        assert_whole(site, "leak_of_a", "run", f"use_{caller}")
        assert modules(final, f"use_{caller}") == {file}
    starts = {site.frames[0]["address"] for site in final.sites_in("leak_of_a")}
    assert len(starts) == 3
    assert final.held == (30, 3000)


def test_rules_are_those_of_one_process():
    with (
        Workload("plugins", "alone", "a", fixed_addresses=True) as first,
        Workload("plugins", "alone", "b", fixed_addresses=True) as second,
        Tracer(first, second, options=("--top", 0)) as tracer,
    ):
        first.phases()
        second.phases()
        first_place, second_place = places(first), places(second)
        final = tracer.finish().final
    assert first_place == second_place, "the libraries are at different addresses"
    for target, name in ((first, "a"), (second, "b")):
        (site,) = [site for site in final.sites if site.raw["pid"] == target.pid]
        assert site.held == (10, 1000)
        assert_whole(site, f"leak_of_{name}", "run", "use_either")
    assert final.faults == {}


def test_an_executed_program_is_not_unwound_by_the_rules_of_the_one_before():
    with (
        Workload("becomes", workload("chain"), fixed_addresses=True) as target,
        Tracer(target, options=("--top", 0)) as tracer,
    ):
        before = tracer.first.targets[0]["slot"]
        target.phases()
        first = tracer.settled().site("leak_before_exec")
        target.go()
        target.expect("ready")
        tracer.until(
            lambda picture: any(
                each["alive"] and each["slot"] not in (None, before) for each in picture.targets
            )
        )
        target.phases()
        final = tracer.finish().final
    assert_whole(first, "leak_before_exec", "prepare", "main")
    assert final.site("leak_before_exec").functions == first.functions
    after = [site for site in final.sites if site.held[0]]
    on_main = [site for site in after if "thread_main" not in site.functions]
    assert [site.functions for site in on_main if site.functions[-1:] != ["_start"]] == []
    assert_whole(final.site("leak_in_chain"), *IN_CHAIN)
    assert_whole(final.site("leak_in_thread"), "leak_in_thread", "thread_main", start=None)
    assert {function: final.held_in(function)[0] for function in CHAIN} == CHAIN
