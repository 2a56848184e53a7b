"""Allocators of a program's own: what they give is counted once, whatever they are made of."""

import pytest

from tests.kernel.harness import Tracer, Workload, backends

STORED = ("--alloc", "pool_store:size=arg1,out=arg0", "--free", "pool_unstore:ptr=arg0")
WRAPPED = (
    *("--alloc", "wrap_get:size=arg1", "--realloc", "wrap_resize:ptr=arg1,size=arg2"),
    *("--free", "wrap_put:ptr=arg1"),
)
CARVED = ("--alloc", "carve_get:count=arg1,size=arg2", "--free", "carve_put:ptr=arg1")
ALL = (*STORED, *WRAPPED, *CARVED)
CXX = ("--alloc", "Pool::get(unsigned long):size=arg1", "--free", "_ZN4Pool3putEPv:ptr=arg1")


def answered(final, threads: int = 1) -> None:
    """Is it what the header of pools.c says?"""
    expected = {
        ("leave_stored", "pool_store"): (2, 64),
        ("leave_wrapped", "wrap_get"): (3, 300),
        ("leave_wrapped", "wrap_resize"): (1, 300),
        ("leave_carved", "carve_get"): (5, 240),
        ("leave_plain", "malloc"): (4, 200),
    }
    for (function, allocator), (blocks, size) in expected.items():
        sites = final.sites_in(function, allocator)
        held = sum(s.held[0] for s in sites), sum(s.held[1] for s in sites)
        assert held == (threads * blocks, threads * size), (function, allocator)
        family = "glibc" if allocator == "malloc" else "pool"
        assert {site.family for site in sites} == {family}
    assert final.faults == {}


@pytest.mark.parametrize("backend", backends())
@pytest.mark.parametrize("program", ["pools", "pools_jump"])
def test_blocks_of_pools_are_counted_once_and_beside_those_of_malloc(program: str, backend: str):
    with (
        Workload(program) as target,
        Tracer(target, options=(*ALL, "--backend", backend, "--top", 0)) as tracer,
    ):
        target.phases()
        ended = tracer.finish()
    answered(ended.final)
    assert ended.final.loss("unmatched_free") == 0
    assert ended.final.loss("nested") > 0


def test_threads_do_not_mix_their_pools():
    with (
        Workload("pools", 8) as target,
        Tracer(target, options=(*ALL, "--top", 0)) as tracer,
    ):
        target.phases()
        ended = tracer.finish()
    answered(
        ended.final, threads=8
    )  # a thread that ends gives its cache back: unmatched, if attached to


def test_a_pool_beside_its_chunk_keeps_both_at_one_address():
    with (
        Workload("pools") as target,
        Tracer(target, options=(*CARVED, "--top", 0)) as tracer,
    ):
        target.phases()
        ended = tracer.finish()
    assert ended.final.faults == {}
    assert ended.final.loss("unmatched_free") == 0
    carving = ended.final.sites_in("use_carved", "carve_get")
    (carved,) = (site for site in carving if site.functions[0] == "use_carved")
    assert carved.allocated[0] == carved.freed[0] == 200
    # The chunk that was given is freed as what it was: malloc's.
    held = [s.held for s in ended.final.sites_in("use_carved", "malloc")]
    assert held
    assert all(blocks == 0 for blocks, _ in held)


@pytest.mark.parametrize("backend", backends())
def test_exceptions_of_the_program_pass_a_pool_of_c_that_calls_it_back(backend: str):
    named = ("--alloc", "pool_get:size=arg0", "--free", "pool_put:ptr=arg0")
    with (
        Workload("pool_calls_back") as target,
        Tracer(target, options=(*named, "--backend", backend, "--top", 0)) as tracer,
    ):
        target.phases()
        ended = tracer.finish()
        assert target.leave() == 0
    site = ended.final.site("leak_of_pool()", "pool_get")
    assert (site.allocated, site.held) == ((900, 900 * 64), (100, 6400))
    assert ended.final.faults == {}
    assert ended.final.loss("unmatched_free") == 0


@pytest.mark.parametrize("backend", backends())
def test_exceptions_pass_a_pool_of_cxx_and_its_blocks_are_counted(backend: str):
    with (
        Workload("pool_throws") as target,
        Tracer(target, options=(*CXX, "--backend", backend, "--top", 0)) as tracer,
    ):
        target.phases()
        ended = tracer.finish()
        assert target.leave() == 0
    site = ended.final.site("leak_of_pool", "Pool::get(unsigned long)")
    assert site.family == "pool"
    assert site.allocated == (900, 900 * 64)
    assert site.held == (100, 6400)
    assert ended.final.faults == {}
    assert ended.final.loss("unmatched_free") == 0
