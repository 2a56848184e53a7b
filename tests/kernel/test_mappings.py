"""Raw mappings of a program's own, to the byte; those of allocators are not among them."""

from collections.abc import Iterator

import pytest

from tests.kernel.harness import Tracer, Workload
from tests.kernel.pictures import Picture, Site

PAGE, MIB = 4096, 1 << 20
PHASES = 8
CUTS = {
    "cut_front": (1, 13),
    "cut_middle": (1, 13),
    "cut_back": (1, 13),
    "cut_all": (0, 0),
    "covered": (1, 12),
    "over_it": (1, 4),
    "given_back": (1, 10),
    "two_of": (2, 8),
}
MOVES = {
    "to_grow": (0, 0),
    "grown": (1, 32),
    "to_shrink": (0, 0),
    "shrunk": (1, 4),
    "to_move": (0, 0),
    "replaced": (0, 0),
    "moved": (1, 8),
    "left_behind": (1, 4),
    "emptied": (1, 4),
    "fails": (1, 2),
}


@pytest.fixture(scope="module")
def phases() -> Iterator[list[Picture]]:
    """A picture after each phase; index 0: before the first."""
    with Workload("mappings") as target, Tracer(target, options=("--top", 0)) as tracer:
        found = [tracer.first]
        for _ in range(PHASES - 1):
            target.phases()
            found.append(tracer.settled())
        target.phases()
        found.append(tracer.until(lambda picture: picture.loss("missed_unmap")))
        yield found


def innermost(picture: Picture, function: str) -> list[Site]:
    """The sites of the family that `function` itself has called."""
    return [site for site in picture.mappings if site.functions[:1] == [function]]


def held(picture: Picture, function: str) -> tuple[int, float]:
    """Mappings and pages."""
    sites = innermost(picture, function)
    return sum(site.held[0] for site in sites), sum(site.held[1] for site in sites) / PAGE


@pytest.mark.parametrize("function", CUTS)
def test_what_is_unmapped_in_part_is_held_for_the_rest(phases: list[Picture], function: str):
    assert held(phases[1], function) == CUTS[function]


@pytest.mark.parametrize("function", MOVES)
def test_what_is_moved_is_held_where_it_was_moved(phases: list[Picture], function: str):
    assert held(phases[2], function) == MOVES[function]


def test_sites_are_of_the_family_mmap_and_of_the_function_that_was_called(phases: list[Picture]):
    (cut,), (grown,) = innermost(phases[2], "cut_front"), innermost(phases[2], "grown")
    assert (cut.allocator, grown.allocator) == ("mmap", "mremap")
    assert cut.allocated == (1, 16 * PAGE)
    assert cut.freed == (0, 3 * PAGE)
    assert cut.complete


def test_what_was_mapped_before_the_attach_is_no_site_and_its_unmapping_no_free(
    phases: list[Picture],
):
    assert phases[0].mapped == (0, 0)
    assert phases[1].loss("unmatched_unmap") == 1
    assert phases[-1].loss("unmatched_free") == 0


def test_a_moved_mapping_from_before_the_attach_is_adopted(phases: list[Picture]):
    (site,) = innermost(phases[2], "adopted")
    assert site.adopted == site.held == (1, 8 * PAGE)
    assert site.allocated == (0, 0)


def test_own_memory_counts_and_files_and_reservations_do_not(phases: list[Picture]):
    assert held(phases[3], "own_copy") == (1, 1)
    assert held(phases[3], "shared") == (1, 2)
    assert innermost(phases[3], "not_counted") == []


def test_the_break_moves_by_the_byte(phases: list[Picture]):
    (by_brk,), (by_sbrk,) = innermost(phases[3], "by_brk"), innermost(phases[3], "by_sbrk")
    assert (by_brk.allocator, by_sbrk.allocator) == ("brk", "sbrk")
    assert by_brk.held == (1, PAGE)
    assert by_brk.allocated == (1, 3 * PAGE + 100)
    assert by_sbrk.held == (1, 6000)


def test_totals_are_the_heap_and_the_mappings(phases: list[Picture]):
    for picture in phases[:4]:
        assert picture.held == (0, 0)
        assert picture.raw["totals"] == {**picture.raw["mapped"], "error_bytes": None}
        sites = [site.held for site in picture.mappings]
        assert picture.mapped == (sum(b for b, _ in sites), sum(s for _, s in sites))


def test_what_malloc_maps_is_malloc_s_alone(phases: list[Picture]):
    assert phases[4].mapped == phases[3].mapped
    assert {site.raw["family"] for site in phases[4].sites_in("big_blocks")} == {"glibc"}
    assert phases[4].held_in("big_blocks") == (4, 11 * MIB)
    assert phases[4].loss("unmatched_unmap") == 1


def test_pairs_of_many_threads_leave_nothing(phases: list[Picture]):
    for picture, rounds in ((phases[5], 1), (phases[6], 2)):
        sites = innermost(picture, "pairs")
        assert sum(site.allocated[0] for site in sites) == rounds * 8 * 500
        assert sum(site.freed[0] for site in sites) == rounds * 8 * 500
        assert held(picture, "pairs") == (0, 0)
        assert picture.loss("mapping_lost") == 0


def test_stacks_of_threads_are_labelled_and_counted_once_when_used_again(phases: list[Picture]):
    for picture in phases[5:7]:
        stacks = [site for site in picture.mappings if site.allocator == "thread stack"]
        assert {"run_threads"} <= set(stacks[0].functions)
        assert sum(site.held[0] for site in stacks) == 8
        assert sum(site.allocated[0] for site in stacks) == 8
        assert 8 * 256 * 1024 <= sum(site.held[1] for site in stacks) < 8 * 300 * 1024


def test_a_forked_child_has_mappings_of_its_own(phases: list[Picture]):
    assert phases[7].mapped == phases[6].mapped
    assert phases[7].loss("unmatched_unmap") == 1


def test_what_is_unmapped_by_a_system_call_of_its_own_is_found_by_the_maps(phases: list[Picture]):
    assert held(phases[8], "raw") == (0, 0)
    assert phases[8].loss("missed_unmap") == 1


def test_nothing_is_lost(phases: list[Picture]):
    assert phases[-1].faults == {}
