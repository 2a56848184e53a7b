"""What allocators map for themselves is not counted again, whichever it is and however it is linked."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.harness import Tracer, Workload
from tests.kernel.pictures import Picture

PAGE, MIB = 4096, 1 << 20


def library(name: str) -> str:
    return str(next(Path("/usr/lib").glob(f"*-linux-gnu/{name}")))


CASES = {
    "glibc": ("allocator_maps", ""),
    "glibc static": ("allocator_maps_static", ""),
    "musl": ("allocator_maps_musl", ""),
    "musl static": ("allocator_maps_musl_static", ""),
    "jemalloc": ("allocator_maps", "libjemalloc.so.2"),
    "tcmalloc": ("allocator_maps", "libtcmalloc_minimal.so.4"),
    "mimalloc": ("allocator_maps", "libmimalloc.so.2.0"),
}


@pytest.fixture(scope="module", params=CASES)
def after(request: pytest.FixtureRequest) -> Iterator[Picture]:
    program, preloaded = CASES[request.param]
    preload = library(preloaded) if preloaded else ""
    with (
        Workload(program, preload=preload) as target,
        Tracer(target, options=("--top", 0)) as tracer,
    ):
        target.phases()
        yield tracer.settled()


def test_the_heap_is_what_was_asked_for(after: Picture):
    assert after.held_in("keeps") == (10, 10 * MIB)
    others = after.held[0] - 10, after.held[1] - 10 * MIB
    assert others < (8, 0), "what the C library allocates for its threads"
    assert others[1] < 4096


def test_the_program_s_own_mapping_is_the_only_one_but_for_stacks(after: Picture):
    own = [site for site in after.mappings if site.allocator != "thread stack"]
    assert [(site.functions[0], site.held) for site in own] == [("own_mapping", (1, 3 * PAGE))]


def test_stacks_are_labelled_and_each_counted_once(after: Picture):
    stacks = [site for site in after.mappings if site.allocator == "thread stack"]
    assert sum(site.allocated[0] for site in stacks) in (4, 5)  # the last may use one again
    assert sum(site.held[0] for site in stacks) <= 5


def test_nothing_of_it_is_lost(after: Picture):
    assert (after.loss("mapping_lost"), after.loss("unmatched_unmap")) == (0, 0)
