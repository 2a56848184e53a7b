"""Which module a return address belongs to: libraries that take each other's place, or are there twice.

The known answers are in the header comments of the workloads.
"""

from pathlib import PurePath

import pytest

from tests.kernel.harness import Tracer, Workload, workload
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
def turns() -> list[Picture]:
    """The picture after two and after four phases; two libraries have one address in turn."""
    with Workload("plugins", "turns") as target, Tracer(target, options=("--top", 0)) as tracer:
        pictures = []
        for _ in range(4):
            target.phases()
            pictures.append(tracer.settled())
        tracer.finish()
    assert len(set(places(target))) == 1, "the libraries did not take each other's place"
    return pictures[1::2]


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_library_at_the_address_of_another_one_is_unwound_by_its_own_rules(
    turns: list[Picture], name: str
):
    site = turns[0].site(f"use_{name}")
    assert site.held == (10, 1000)
    assert site.functions[:3] == [f"leak_of_{name}", "run", f"use_{name}"]
    assert modules(turns[0], f"use_{name}") == {f"plugin_{name}.so"}
    assert_whole(site)


def test_libraries_with_the_same_return_addresses_and_callers_are_two_sites(turns: list[Picture]):
    found = {site.functions[0]: site for site in turns[1].sites_in("use_either")}
    assert {name: site.held for name, site in found.items()} == {
        "leak_of_a": (10, 1000),
        "leak_of_b": (10, 1000),
    }
    for name, site in found.items():
        assert_whole(site, name, "run", "use_either")


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
