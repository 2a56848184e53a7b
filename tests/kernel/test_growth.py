"""Growth by page faults: what is counted, what is not, and under which stack."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.harness import TOOL, Tracer, Workload, run_tool
from tests.kernel.pictures import Picture

PAGE, MIB = 4096, 1 << 20
PHASES = 8
GROWTH = ("--mode", "growth", "--top", "0")
LEAKS = {"heap": "leak_here", "read": "read_here", "fork": "copy_here"}


@pytest.fixture(scope="module")
def phases() -> Iterator[list[Picture]]:
    """A picture after each phase of `grows`; index 0: before the first."""
    with Workload("grows") as target, Tracer(target, options=GROWTH) as tracer:
        found = [tracer.first]
        for _ in range(PHASES):
            target.phases()
            found.append(tracer.settled())
        yield found


def grown(picture: Picture, function: str) -> float:
    """Pages of growth of all sites with `function` on their stack."""
    return picture.held_in(function)[1] / PAGE


def near(picture: Picture, function: str, pages: int, share: float = 0.0) -> bool:
    """Within what the sites say of their own error, and within a `share` besides."""
    errors = sum(site.raw["error_bytes"] for site in picture.sites_in(function)) / PAGE
    return abs(grown(picture, function) - pages) <= errors + share * pages


def test_the_first_picture_knows_of_no_growth(phases: list[Picture]):
    assert phases[0].raw["mode"] == "growth"
    assert phases[0].raw["totals"]["bytes"] == 0


def test_first_touches_are_counted_page_by_page(phases: list[Picture]):
    site = phases[1].site("touch")
    assert site.held == (2048, 2048 * PAGE)
    assert (site.family, site.allocator) == ("memory", "page fault")
    assert site.complete
    assert site.callers("touch")[:2] == ["touch", "main"]
    assert site.frames[0]["file"].endswith("grows.c")


def test_what_the_kernel_fills_is_found_by_the_registers_that_the_system_call_saved(
    phases: list[Picture],
):
    site = phases[1].site("read_into")
    assert near(phases[1], "read_into", 1024)
    assert site.complete


def test_reads_and_pages_of_files_and_shared_memory_are_no_growth(phases: list[Picture]):
    assert [grown(phases[2], name) for name in ("look_at", "of_file", "shared")] == [0, 0, 0]


def test_a_write_to_what_was_only_read_is_growth_and_so_is_a_copy_of_a_files_page(
    phases: list[Picture],
):
    assert near(phases[3], "looks_first", 512, share=0.02)
    assert phases[3].site("looks_first").allocator == "copy on write"
    assert near(phases[3], "own_copy", 64)


def test_huge_pages_count_with_what_rss_has_grown_by(phases: list[Picture]):
    size = phases[4].held_in("huge")[1] + phases[4].raw["totals"]["error_bytes"]
    assert size >= 60 * MIB
    assert phases[4].held_in("huge")[1] <= 66 * MIB


def test_copies_after_a_fork_are_growth_of_who_writes(phases: list[Picture]):
    assert near(phases[5], "in_child", 1024)
    assert near(phases[5], "alone", 512)


def test_a_page_that_nobody_shares_any_more_is_not_taken_again(phases: list[Picture]):
    assert grown(phases[6], "again_alone") == 0


def test_two_hundred_threads_are_counted(phases: list[Picture]):
    assert near(phases[7], "of_thread", 3200)


def test_what_is_given_back_and_taken_again_counts_once(phases: list[Picture]):
    assert near(phases[8], "again", 256)


def test_totals_are_the_sum_of_the_sites_and_never_less_than_the_growth_of_rss(
    phases: list[Picture],
):
    last = phases[8]
    totals = last.raw["totals"]
    assert totals["bytes"] == sum(site.held[1] for site in last.sites)
    assert totals["blocks"] == sum(site.held[0] for site in last.sites)
    assert totals["bytes"] + totals["error_bytes"] + MIB >= last.targets[0]["rss_growth_bytes"]


def test_what_was_freed_or_adopted_is_not_known(phases: list[Picture]):
    unknown = ("freed_blocks", "freed_bytes", "adopted_blocks", "adopted_bytes")
    for counts in (phases[8].raw["totals"], phases[8].site("touch").raw):
        assert [counts[key] for key in unknown] == [None] * 4


@pytest.mark.elsewhere
@pytest.mark.oldkernel
def test_growth_of_a_program_is_seen_on_this_kernel():
    with Workload("grows") as target, Tracer(target, options=GROWTH) as tracer:
        target.phases()
        picture = tracer.settled()
        assert near(picture, "touch", 2048)
        # On emulated processors all of them come before the first rule can be made; some stacks stay short.
        assert near(picture, "read", 1024)
        whole = any(site.complete for site in picture.sites_in("read_into"))
        assert whole or picture.loss("stack_cut") > 0
        target.phases()
        assert grown(tracer.settled(), "look_at") == 0


@pytest.mark.everykernel
def test_threads_that_are_made_while_the_events_are_opened_are_counted_once():
    with (
        Workload("grows_late", "threads") as target,
        Tracer(target, options=GROWTH) as tracer,
    ):
        target.phases()
        pages = 16 * int(target.said[-1])
        assert pages > 0
        assert grown(tracer.settled(), "of_late") == pages


@pytest.mark.everykernel
def test_a_child_that_is_not_followed_counts_for_its_parent():
    with Workload("grows_late", "child") as target, Tracer(target, options=GROWTH) as tracer:
        target.phases(3)
        picture = tracer.settled()
        sites = picture.sites_in("of_child")
        assert {site.raw["pid"] for site in sites} == {target.pid}
        found = {name: grown(picture, name) for name in ("of_parent", "of_grandchild")}
        assert found == {"of_parent": 256, "of_grandchild": 128}
        assert 512 <= grown(picture, "of_child") <= 512 + 8  # its own stack and data besides


def test_a_child_that_is_followed_counts_for_itself_and_once():
    options = (*GROWTH, "--follow")
    with Workload("grows_late", "child") as target, Tracer(target, options=options) as tracer:
        target.phases()
        child = int(target.said[-1].split()[1])
        tracer.until(lambda picture: len(picture.targets) == 2)
        target.phases()
        picture = tracer.settled()
        first = [site for site in picture.sites_in("of_child") if site.allocator == "page fault"]
        assert [(site.raw["pid"], site.held[0]) for site in first] == [(child, 512)]
        (parents,) = picture.sites_in("of_parent")
        assert (parents.raw["pid"], parents.held[0]) == (target.pid, 256)
        known = sum(site.held[1] for site in picture.sites if site.frames)
        assert known == picture.raw["totals"]["bytes"], "growth that no fault explains"


def test_a_program_that_takes_the_place_of_another_is_another_one():
    with Workload("grows_late", "exec") as target, Tracer(target, options=GROWTH) as tracer:
        target.phases()
        tracer.until(lambda picture: len(picture.targets) == 2)
        target.phases()
        picture = tracer.settled()
        assert (grown(picture, "before"), grown(picture, "after_exec")) == (64, 128)
        slots = {target["slot"] for target in picture.targets}
        assert len(slots) == 2


@pytest.mark.everykernel
def test_a_thread_is_counted_when_the_first_one_has_ended():
    with Workload("grows_late", "ends") as target, Tracer(target, options=GROWTH) as tracer:
        target.phases(2)
        picture = tracer.settled()
        assert (grown(picture, "of_short"), grown(picture, "of_last")) == (32, 64)


@pytest.mark.oldkernel
def test_a_program_without_any_allocator_is_watched():
    with Workload("grows_raw") as target, Tracer(target, options=GROWTH) as tracer:
        target.phases()
        # An emulated kernel may take the first pages before it has the rules of their stacks.
        assert tracer.settled().held_in("take") == (1024, 1024 * PAGE)
        assert tracer.finish().status == 0


def test_mappings_are_sites_beside_the_growth_and_in_no_total():
    with Workload("mappings") as target, Tracer(target, options=GROWTH) as tracer:
        target.phases()
        picture = tracer.settled()
        (site,) = [each for each in picture.mappings if "cut_front" in each.functions]
        assert site.held == (1, 13 * PAGE)
        assert site.freed == (0, 3 * PAGE)
        assert picture.mapped[1] > 0
        assert picture.raw["totals"]["bytes"] == sum(each.held[1] for each in picture.sites)


def test_a_launched_program_is_watched_from_its_first_page_on():
    ended = run_tool("run", "--mode", "growth", "--json", "--", "/bin/true")
    assert ended.returncode == 0
    final = json.loads(ended.stdout.splitlines()[-1])
    assert final["mode"] == "growth"
    assert final["counts"]["bytes"] > 0
    assert final["counts"]["freed_bytes"] is None


def test_no_event_and_no_map_is_left():
    with Workload("grows") as target:
        tool = Tracer(target, options=GROWTH)
        try:
            held = descriptors(tool.pid)
            assert sum("perf_event" in name for name in held) >= 201, "one for each thread"
            assert tool.finish().status == 0
        finally:
            tool.close()
        target.phases(2)


def descriptors(pid: int) -> list[str]:
    folder = Path(f"/proc/{pid}/fd")
    return [os.readlink(each) for each in folder.iterdir()]


def test_too_few_files_for_the_threads_is_said_before_anything_is_opened():
    with Workload("grows") as target:
        ended = subprocess.run(
            ["prlimit", "--nofile=200:200", *TOOL, "attach", "-p", str(target.pid), *GROWTH[:2]],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 3
    assert "a file for each of 201 threads" in ended.stderr
    assert "ulimit -n" in ended.stderr


@pytest.mark.parametrize("how, where", LEAKS.items())
def test_ten_megabytes_a_minute_are_found_by_their_line(how: str, where: str):
    with Workload("grows_by", how, 171) as target, Tracer(target, options=GROWTH) as tracer:
        began = time.monotonic()
        target.go()
        tracer.until(lambda picture: leads(picture, where))
        assert time.monotonic() - began < 30


def leads(picture: Picture, where: str) -> bool:
    """Is that the site that has grown most, by a tenth of a megabyte or more?"""
    largest = max(picture.sites, key=lambda site: site.held[1], default=None)
    return largest is not None and where in largest.functions and largest.held[1] >= MIB // 10
