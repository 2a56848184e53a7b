"""Which functions for mappings are probed where, and what tells the program's own mappings apart."""

import pytest

from ebpftrace.model.losses import LOSSES
from ebpftrace.probes.families import FAMILIES
from ebpftrace.probes.mappings import MAPPING_FUNCTIONS, MMAP, THREAD_STACK
from ebpftrace.probes.numbers import ALL_FAMILIES, ALL_FUNCTIONS
from tests.unit.elf_builder import LOCAL, Elf, Sym
from tests.unit.workbench import CODE, STANDARD

START = Sym("__libc_start_main", value=48)
LIBRARY = [*STANDARD, START, Sym("mmap", value=64), Sym("munmap", value=80)]


def planned(bench, *symbols: Sym, **elf):
    bench.module(Elf(tuple(symbols), CODE, **elf))
    return bench.plan()


def of_mappings(plan):
    return [(one.function.name, one.kind) for one in plan.probes if one.family is MMAP]


def test_the_functions_of_a_c_library_are_probed_at_both_ends_and_unmapping_first(bench):
    plan = planned(bench, *LIBRARY, Sym("sbrk", value=96))
    assert of_mappings(plan) == [
        ("munmap", "return"),
        ("munmap", "entry"),
        ("mmap", "return"),
        ("mmap", "entry"),
        ("sbrk", "return"),
        ("sbrk", "entry"),
    ]


def test_aliases_at_one_place_are_one_function(bench):
    plan = planned(bench, *LIBRARY, Sym("mmap64", value=64), Sym("__munmap", value=80))
    assert len(of_mappings(plan)) == 4
    names = {one.function.name: one.names for one in plan.probes}
    assert names["mmap"] == ("mmap", "mmap64")


def test_the_family_is_no_allocator_of_the_process(bench):
    plan = planned(bench, *LIBRARY)
    assert "mmap" not in plan.families


def test_a_mmap_of_somebody_else_is_not_probed(bench):
    own = [symbol for symbol in LIBRARY if symbol is not START]
    assert of_mappings(planned(bench, *own)) == []


def test_who_defines_no_munmap_is_not_probed_for_mappings(bench):
    assert of_mappings(planned(bench, *LIBRARY[:-1])) == []


def test_the_function_that_makes_threads_is_known_where_it_is(bench):
    plan = planned(bench, *LIBRARY, Sym("pthread_create", value=96, size=16))
    assert plan.whose.threads is not None
    start, end = plan.whose.threads
    assert end - start == 16


def test_what_maps_for_the_malloc_of_a_static_program_is_its_allocator(bench):
    inner = Sym("systrim", value=112, size=16, bind=LOCAL, table="symtab")
    plan = planned(bench, *LIBRARY, inner, interpreter=False)
    assert [end - start for start, end in plan.whose.inner] == [16]


@pytest.mark.parametrize("function", [*MAPPING_FUNCTIONS, THREAD_STACK])
def test_no_number_is_another_function_s(function):
    assert ALL_FUNCTIONS[function.id] is function


def test_every_family_has_its_own_number():
    assert len(ALL_FAMILIES) == len(FAMILIES) + 3
    assert ALL_FAMILIES[MMAP.id] == "mmap"
    assert max(ALL_FAMILIES) < 64, "six bits"


def test_a_call_that_is_not_told_does_not_hide_blocks_of_the_heap():
    (lost,) = (loss for loss in LOSSES if loss.name == "mapping_lost")
    assert lost.fault
    assert not lost.hides
