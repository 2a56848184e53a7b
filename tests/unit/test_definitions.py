"""Which symbols of a file are taken for its allocator functions."""

import pytest

from ebpftrace.probes.definitions import find
from tests.unit.elf_builder import LOCAL, TEXT_ADDRESS, Elf, Sym
from tests.unit.workbench import CODE

EXECUTABLE, SHARED = 2, 3  # ET_EXEC, ET_DYN
STATIC = {
    "static": {"kind": EXECUTABLE, "interpreter": False},
    "static-pie": {"kind": SHARED, "interpreter": False},
}
DYNAMIC = {
    "executable": {"kind": EXECUTABLE, "needed": ["libc.so.6"]},
    "pie": {"kind": SHARED, "needed": ["libc.so.6"]},
    "library": {"kind": SHARED, "interpreter": False, "soname": "libpool.so"},
    "plugin": {"kind": SHARED, "interpreter": False, "needed": ["libc.so.6"]},
}
HIDDEN = Sym("malloc", bind=LOCAL, table="symtab")
FREE = Sym("free", value=32, table="symtab")


def places(bench, *symbols: Sym, **elf) -> dict[str, int]:
    """The functions found in a file with these symbols, and where in its code."""
    found = find(bench.module(Elf(symbols, CODE, **elf)))
    return {
        one.function.name: one.address - TEXT_ADDRESS for each in found for one in each.definitions
    }


@pytest.mark.parametrize("kind", STATIC)
def test_a_local_malloc_of_a_static_program_counts(bench, kind):
    assert places(bench, HIDDEN, FREE, **STATIC[kind]) == {"malloc": 0, "free": 32}


@pytest.mark.parametrize("kind", STATIC)
def test_a_local_malloc_with_a_global_namesake_is_part_of_something_else(bench, kind):
    symbols = (HIDDEN, Sym("malloc", value=16, table="symtab"), FREE)
    assert places(bench, *symbols, **STATIC[kind]) == {"malloc": 16, "free": 32}


@pytest.mark.parametrize("kind", DYNAMIC)
def test_a_local_malloc_of_a_dynamic_file_does_not_count(bench, kind):
    assert places(bench, HIDDEN, FREE, **DYNAMIC[kind]) == {"free": 32}


def test_local_functions_alone_are_no_allocator(bench):
    hidden = (HIDDEN, Sym("free", value=32, bind=LOCAL, table="symtab"))
    assert places(bench, *hidden, **STATIC["static"]) == {}


def test_a_local_name_of_a_place_that_has_a_global_one_is_only_another_name(bench):
    hidden = Sym("__libc_malloc", bind=LOCAL, table="symtab")
    (found,) = find(
        bench.module(Elf([Sym("malloc", table="symtab"), hidden, FREE], CODE, interpreter=False))
    )
    assert [one.names for one in found.definitions if one.function.name == "malloc"] == [
        ("malloc", "__libc_malloc")
    ]
