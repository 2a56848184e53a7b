"""Every function of the malloc family, leaking once while its process exits right after."""

from collections.abc import Iterator

import pytest

from tests.kernel.harness import Ended, Tracer, Workload

# glibc gives memalign and aligned_alloc one address; a tail call keeps the name of its first function.
NAMES = {
    "leak_malloc": {"malloc"},
    "leak_calloc": {"calloc"},
    "leak_realloc_null": {"realloc"},
    "leak_realloc_grow": {"realloc"},
    "leak_reallocarray": {"reallocarray"},
    "leak_posix_memalign": {"posix_memalign"},
    "leak_aligned_alloc": {"aligned_alloc", "memalign"},
    "leak_memalign": {"aligned_alloc", "memalign"},
    "leak_valloc": {"valloc"},
    "leak_pvalloc": {"pvalloc"},
}


@pytest.fixture(scope="module")
def after_the_exit() -> Iterator[Ended]:
    with Workload("family") as target, Tracer(target) as tracer:
        target.go()
        yield tracer.ended()


def test_the_watch_ends_with_status_4_when_its_target_has_ended(after_the_exit: Ended):
    assert after_the_exit.status == 4


@pytest.mark.parametrize("function", NAMES)
def test_a_leak_is_shown_with_its_name_after_the_exit(after_the_exit: Ended, function: str):
    site = after_the_exit.final.site(function)
    assert site.held == site.allocated == (1, 30_000)
    assert site.allocator in NAMES[function]


def test_strdup_counts_once(after_the_exit: Ended):
    # Its caller needs the walk without frame pointers of step 3: here it is what is left.
    assert after_the_exit.final.held == (11, 330_000)
    named = sum(len(after_the_exit.final.sites_in(function)) for function in NAMES)
    holding = [site for site in after_the_exit.final.sites if site.held[0]]
    assert (named, len(holding)) == (10, 11)


def test_the_totals_survive_the_exit(after_the_exit: Ended):
    assert after_the_exit.final.allocated == (12, 331_000)
    assert after_the_exit.final.freed == (1, 1000)
    assert after_the_exit.final.faults == {}


def test_a_grown_block_leaves_the_site_that_made_it(after_the_exit: Ended):
    site = after_the_exit.final.site("small_block")
    assert (site.allocated, site.freed, site.held) == ((1, 1000), (1, 1000), (0, 0))


def test_an_ended_target_stays_in_the_picture(after_the_exit: Ended):
    (target,) = after_the_exit.final.targets
    assert target["alive"] is False
    assert target["comm"] == "family"
    assert target["exe"].endswith("/build/family")
