"""Every allocator that people preload or link: exact counts from its own functions, by every back end."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.kernel.harness import Ended, Tracer, Workload, backends, workload
from tests.kernel.pictures import Picture
from tests.kernel.running import run

LIBRARIES = {
    "jemalloc": "libjemalloc.so.2",
    "tcmalloc": "libtcmalloc.so.4",
    "tcmalloc minimal": "libtcmalloc_minimal.so.4",
    "mimalloc": "libmimalloc.so.2.0",
}
FORMS = {
    "plain": "operator new",
    "array": "operator new[]",
    "nothrow": "operator new(nothrow)",
    "array_nothrow": "operator new[](nothrow)",
    "aligned": "operator new(align_val_t)",
    "array_aligned": "operator new[](align_val_t)",
    "aligned_nothrow": "operator new(align_val_t, nothrow)",
    "array_aligned_nothrow": "operator new[](align_val_t, nothrow)",
}


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[IO[str]]:
    """What workloads wait for, under `run`."""
    path = tmp_path / "lines"
    path.write_text("\n" * 5)
    with path.open() as opened:
        yield opened


def library(name: str) -> Path:
    folders = Path("/usr/lib").glob(f"*-linux-gnu/{LIBRARIES[name]}")
    return next(folders)


def arguments(allocator: str) -> tuple[str, ...]:
    """mimalloc 2.0 of C aborts where operator new fails and a new handler is set."""
    return ("unhandled",) if allocator == "mimalloc" else ()


def used(allocator: str, backend: str) -> Ended:
    preload = str(library(allocator))
    target = Workload("news", *arguments(allocator), preload=preload)
    with target, Tracer(target, options=("--backend", backend)) as tracer:
        target.phases()
        return tracer.finish()


def assert_every_form_is_right(final: Picture, allocator: str) -> None:
    for function in FORMS:
        sites = final.sites_in(f"{function}()")
        assert sum(site.allocated[0] for site in sites) == 100, function
        assert sum(site.freed[0] for site in sites) == 93, function
        assert sum(site.held[1] for site in sites) == 7 * 48, function
        assert {site.family for site in sites} == {allocator.partition(" ")[0]}
    assert final.held_in("large()") == (0, 0)
    if not arguments(allocator):
        assert final.held_in("handled()") == (10, 240)


@pytest.mark.parametrize("backend", ["session", "multi", "perf"])
@pytest.mark.parametrize("allocator", LIBRARIES)
def test_every_form_of_new_and_delete_is_counted_exactly(allocator: str, backend: str):
    if backend not in backends():
        pytest.skip("this kernel has no such back end")
    ended = used(allocator, backend)
    final = ended.final
    assert_every_form_is_right(final, allocator)
    handled = 0 if arguments(allocator) else 10
    # jemalloc catches what the new handler throws, and throws an exception of its own.
    exceptions = {"jemalloc": 4, "mimalloc": 0}.get(allocator, 2)
    assert final.allocated[0] == 8 * 100 + 10 + handled + exceptions
    assert final.held == (56 + handled, 56 * 48 + 24 * handled)
    assert final.faults == {}
    assert final.loss("unmatched_free") == 0


@pytest.mark.parametrize("allocator", LIBRARIES)
def test_under_run_no_free_is_unmatched(allocator: str, lines: IO[str]):
    command = ("env", f"LD_PRELOAD={library(allocator)}", workload("news"), *arguments(allocator))
    ran = run(*command, stdin=lines)
    assert ran.status == 0
    assert ran.final.loss("unmatched_free") == 0
    assert_every_form_is_right(ran.final, allocator)


@pytest.mark.parametrize("allocator", LIBRARIES)
def test_the_malloc_family_of_every_allocator_is_counted_once(allocator: str):
    target = Workload("family", preload=str(library(allocator)))
    with target, Tracer(target) as tracer:
        target.go()
        final = tracer.ended().final
    assert final.held == (11, 330_000)
    assert final.loss("unmatched_free") == 0


# Bytes of each block; 6 of 10 are held.
APIS = {
    "mimalloc": {
        **dict.fromkeys(("by_malloc", "by_zalloc"), 100),
        **dict.fromkeys(("by_calloc", "by_mallocn"), 300),
        **dict.fromkeys(("by_realloc", "by_rezalloc", "by_reallocf"), 500),
        **dict.fromkeys(("by_reallocn", "by_recalloc"), 600),
        **dict.fromkeys(("by_heap", "by_heap_zalloc"), 200),
        **dict.fromkeys(("by_aligned", "by_heap_aligned"), 256),
        "by_small": 64,
        "by_heap_calloc": 400,
        "by_heap_realloc": 700,
        "by_realloc_aligned": 512,
        "by_new": 48,
        "by_new_n": 96,
    },
    "jemalloc": {
        "by_mallocx": 100,
        "by_mallocx_large": 100_000,
        "by_rallocx": 500,
        "by_mixed": 50,
        "by_mixed_too": 50,
    },
    "tcmalloc": {
        "by_malloc": 100,
        "by_calloc": 300,
        "by_realloc": 500,
        "by_memalign": 256,
        "by_new": 48,
        "by_newarray": 96,
        "by_skip": 70,
    },
}


@pytest.mark.parametrize("allocator", APIS)
def test_the_functions_of_an_allocator_s_own_are_counted_with_the_others(allocator: str):
    with Workload(f"api_{allocator}") as target, Tracer(target, options=("--top", 0)) as tracer:
        target.phases()
        final = tracer.finish().final
    held = {function: (6, 6 * size) for function, size in APIS[allocator].items()}
    assert {function: final.held_in(function) for function in held} == held
    assert final.held[0] == 6 * len(held)
    assert final.faults == {}
    assert final.loss("unmatched_free") == 0


def test_an_application_with_a_jemalloc_of_its_own_has_two_families_apart():
    with Workload("private_jemalloc") as target, Tracer(target) as tracer:
        assert set(tracer.first.targets[0]["allocators"]) == {"glibc", "jemalloc"}
        target.phases()
        final = tracer.finish().final
    private, common = final.site("from_private"), final.site("from_libc")
    assert (private.family, private.held) == ("jemalloc", (40, 40 * 100))
    assert (common.family, common.held) == ("glibc", (30, 30 * 50))
    assert final.faults == {}
    assert final.loss("unmatched_free") == 0


KINDS = {
    "everywhere": "glibc",
    "everywhere_static": "glibc",
    "everywhere_static_pie": "glibc",
    "everywhere_musl": "musl",
    "everywhere_musl_static": "musl",
}
EVERYWHERE = {
    "by_malloc": (40, 4000),
    "by_calloc": (50, 1000),
    "by_realloc": (30, 30_000),
    "by_posix_memalign": (5, 1280),
    "by_aligned_alloc": (5, 2560),
    "by_nothing": (0, 0),
    "in_thread": (4, 96),
}


def assert_everywhere(final: Picture, program: str) -> None:
    assert {name: final.held_in(name) for name in EVERYWHERE} == EVERYWHERE
    for name in EVERYWHERE:
        assert {site.family for site in final.sites_in(name)} == {KINDS[program]}
    assert final.loss("missed_free") == 0


@pytest.mark.parametrize("program", KINDS)
def test_every_libc_shared_and_static_is_counted_exactly(program: str):
    with Workload(program) as target, Tracer(target) as tracer:
        target.phases()
        final = tracer.finish().final
    assert_everywhere(final, program)
    assert final.faults == {}
    # A thread of glibc that ends frees its cache, which is older than any call of it.
    assert final.loss("unmatched_free") == (8 if KINDS[program] == "glibc" else 0)


@pytest.mark.parametrize("program", KINDS)
def test_every_libc_is_counted_from_its_first_allocation_under_run(program: str, lines: IO[str]):
    ran = run(workload(program), stdin=lines)
    assert ran.status == 0
    assert_everywhere(ran.final, program)
    assert ran.final.loss("unmatched_free") == 0


def test_redis_on_jemalloc_frees_nothing_that_it_did_not_take():
    if shutil.which("redis-server") is None:
        pytest.fail("the tests need redis-server")
    command = ("redis-server", "--port", "0", "--save", "", "--daemonize", "no")
    ran = run(*command, options=("--duration", "3"))
    assert ran.final.targets[0]["allocators"][-1] == "jemalloc"
    assert ran.final.allocated[0] > 1000
    assert ran.final.loss("unmatched_free") == 0
