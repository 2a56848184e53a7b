"""The JSON of `attach --json` keeps section 2 of the design to the letter, and its filters only filter."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kernel.harness import Ended, Tracer, Workload
from tests.kernel.pictures import Picture

COUNTS = {"blocks", "bytes"} | {
    f"{what}_{unit}" for what in ("allocated", "freed", "adopted") for unit in ("blocks", "bytes")
}
KEYS: dict[str, set[str]] = {
    "": {"schema", "final", "time", "since_attach_s", "mode", "targets", "totals", "sites"}
    | {"others", "suppressed", "stacks", "losses", "cost", "growth_bytes_per_s"},
    "targets": {"pid", "comm", "exe", "alive", "slot", "allocators", "rss_bytes"}
    | {"rss_growth_bytes"},
    "totals": COUNTS,
    "sites": COUNTS
    | {"id", "pid", "family", "allocator", "oldest_s", "growth_bytes_per_s", "complete"}
    | {"cohorts", "guessed", "end", "frames", "trend"},
    "trend": {"word", "bytes_per_s", "low", "high"},
    "frames": {"function", "file", "line", "column", "inlined", "module", "build_id", "offset"}
    | {"address"},
    "others": {"sites", "blocks", "bytes"},
    "suppressed": {"sites", "blocks", "bytes", "by"},
    "stacks": {"depth", "allocations", "whole", "guessed", "truncated", "cut"},
    "losses": {"blocks_full", "cohorts_full", "stacks_full", "rules_full", "in_flight_full"}
    | {"ringbuf_full", "map_busy", "probe_missed", "return_missed", "call_lost", "missed_free"}
    | {"unmatched_free", "nested", "nested_free", "out_param_unreadable", "stack_unreadable"}
    | {"stack_truncated", "stack_guessed", "stack_cut", "shared_vm_child", "filtered"}
    | {"trace_full"},
    "cost": {"hits_per_s", "target_cpu_percent", "tool_cpu_percent", "tool_rss_bytes"}
    | {"kernel_bytes", "map_fill_percent"},
}


@pytest.fixture(scope="module")
def watch() -> Iterator[list[Picture]]:
    """Every picture of a watch of a working server; the last one is final."""
    with Workload("leaking_server", "--wait") as target, Tracer(target, interval=0.3) as tracer:
        pictures = [tracer.first]
        for _ in range(2):
            target.phases()
            pictures += [tracer.picture(), tracer.picture(), tracer.picture()]
        yield [*pictures, tracer.finish().final]


@pytest.mark.parametrize("part", KEYS)
def test_every_key_is_always_present(watch: list[Picture], part: str):
    for picture in watch:
        found: Any = picture.raw.get(part, picture.raw)
        if part == "frames":
            found = [frame for site in picture.sites for frame in site.raw["frames"]]
        if part == "trend":
            found = [site.raw["trend"] for site in picture.sites]
        for each in found if isinstance(found, list) else [found]:
            assert KEYS[part] - set(each) == set()


def test_header_values_are_as_promised(watch: list[Picture]):
    for picture in watch:
        assert picture.raw["schema"] == "ebpftrace.picture/1"
        assert picture.raw["mode"] == "full"
        assert picture.raw["time"].endswith("Z")
        assert picture.targets[0]["allocators"] == ["glibc"]
    assert [picture.final for picture in watch] == [False] * (len(watch) - 1) + [True]


def test_time_goes_on_and_counters_never_go_back(watch: list[Picture]):
    for earlier, later in itertools.pairwise(watch):
        assert later.time > earlier.time
        assert later.raw["since_attach_s"] > earlier.raw["since_attach_s"]
        assert later.allocated >= earlier.allocated
        assert later.freed >= earlier.freed
        before = {site.raw["id"]: site for site in earlier.sites}
        for site in later.sites:
            if site.raw["id"] in before:
                assert site.allocated >= before[site.raw["id"]].allocated
                assert site.freed >= before[site.raw["id"]].freed


def test_a_site_that_holds_nothing_now_is_a_site(watch: list[Picture]):
    sites = watch[-1].sites_in("copy_header")
    assert {site.held for site in sites} == {(0, 0)}
    assert sum(site.allocated[0] for site in sites) == 2 * 4 * 4000


def test_sites_and_others_add_up_to_the_totals(watch: list[Picture]):
    for picture in watch:
        others = picture.raw["others"]
        assert others["blocks"] + sum(site.held[0] for site in picture.sites) == picture.held[0]
        assert others["bytes"] + sum(site.held[1] for site in picture.sites) == picture.held[1]


def test_blocks_are_allocated_and_adopted_less_freed(watch: list[Picture]):
    for picture in watch:
        for counts in [picture.raw["totals"], *picture.raw["sites"]]:
            for unit in ("blocks", "bytes"):
                came = counts[f"allocated_{unit}"] + counts[f"adopted_{unit}"]
                assert counts[unit] == came - counts[f"freed_{unit}"]


def test_the_cohorts_of_a_site_add_up_to_what_it_holds(watch: list[Picture]):
    for picture in watch:
        for site in picture.sites:
            starts = [start for start, _, _, _, _ in site.cohorts]
            assert starts == sorted(set(starts))
            assert all(blocks or size for _, _, blocks, size, _ in site.cohorts)
            blocks, size = (sum(one[at] for one in site.cohorts) for at in (2, 3))
            assert (blocks, size) == site.held
    holding = [site for site in watch[-1].sites if site.held[0]]
    assert holding
    for site in holding:
        age = watch[-1].raw["since_attach_s"] - site.cohorts[0][0]
        assert abs(age - site.raw["oldest_s"]) < 0.01


def test_every_allocation_has_a_whole_stack_or_is_counted_by_why_it_has_none(
    watch: list[Picture],
):
    for picture in watch:
        stacks = picture.raw["stacks"]
        kinds = [stacks[name] for name in ("whole", "guessed", "truncated", "cut")]
        assert min(kinds) >= 0
        assert sum(kinds) == stacks["allocations"] == picture.allocated[0] + picture.adopted[0]
        assert stacks["guessed"] == picture.loss("stack_guessed")
        assert stacks["truncated"] == picture.loss("stack_truncated")
        assert stacks["cut"] == sum(
            picture.loss(name) for name in ("stack_cut", "stack_unreadable", "stacks_full")
        )
        assert stacks["depth"] in (32, 48, 64, 96, 127)
    assert watch[-1].raw["stacks"]["whole"] > 0


def test_a_stack_is_complete_where_it_ends_outermost_and_says_what_else_ends_it(
    watch: list[Picture],
):
    ends = {"outermost", "no_rule", "unsupported", "unreadable", "truncated"}
    for picture in watch:
        for site in picture.sites:
            assert site.raw["end"] in ends | {None}
            assert site.complete is (site.raw["end"] == "outermost")


def test_sites_have_distinct_ids_and_sort_by_bytes(watch: list[Picture]):
    sites = watch[-1].sites
    assert len({site.raw["id"] for site in sites}) == len(sites)
    assert [site.held[1] for site in sites] == sorted(
        (site.held[1] for site in sites), reverse=True
    )


def test_a_frame_says_where_it_is(watch: list[Picture]):
    site = watch[-1].sites_in("session_create")[0]
    frame = site.raw["frames"][0]
    assert frame["function"] == "session_create", "the allocator's own frame is not repeated"
    assert frame["module"].endswith("/build/leaking_server")
    assert frame["address"] > frame["offset"] > 0
    assert (site.allocator, site.raw["family"]) == ("malloc", "glibc")


def test_the_cost_is_measured(watch: list[Picture]):
    cost = watch[-1].raw["cost"]
    assert cost["tool_rss_bytes"] > 1 << 20
    assert cost["kernel_bytes"] > 1 << 16
    assert cost["map_fill_percent"]["blocks"] >= 0


def with_options(*options: object) -> Ended:
    with (
        Workload("leaking_server", "--wait") as target,
        Tracer(target, options=options) as tracer,
    ):
        target.phases()
        return tracer.finish()


def test_what_top_leaves_out_is_in_others_and_in_the_totals():
    final = with_options("--top", 1, "--sort", "blocks").final
    (site,) = final.sites
    assert site.functions[0] == "cache_insert"
    assert final.raw["others"]["blocks"] == final.held[0] - site.held[0]
    assert final.raw["others"]["bytes"] == final.held[1] - site.held[1]
    assert final.held == (1024 + 1000 + 160, 1024 * 1024 + 512_000 + 32_000)


def test_a_size_filter_shows_only_such_blocks_and_counts_what_it_leaves_out():
    final = with_options("--min-size", "300", "--max-size", "600").final
    holding = {site.functions[0] for site in final.sites if site.held[0]}
    assert holding == {"session_create"}
    assert final.held_in("session_create") == (1000, 512_000)
    # Four threads, 1,000 requests, eight allocations each.
    assert final.allocated[0] + final.loss("filtered") == 4 * 1000 * 8
