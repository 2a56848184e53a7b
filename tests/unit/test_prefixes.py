"""Allocators under names of their own, beside those with the plain names."""

import pytest

from ebpftrace.probes.definitions import find
from tests.unit.elf_builder import Elf, Sym
from tests.unit.workbench import CODE

OWN = ("malloc", "free", "mallctl", "mallocx", "calloc")


def symbols(prefix: str, *names: str, at: int = 0) -> list[Sym]:
    return [Sym(prefix + name, value=at + 16 * n) for n, name in enumerate(names)]


def found(bench, *parts: list[Sym]) -> dict[str, list[str]]:
    """Names that are probed, by family."""
    made: dict[str, list[str]] = {}
    for each in find(bench.module(Elf([one for part in parts for one in part], CODE))):
        made.setdefault(each.family.name, []).extend(one.names[0] for one in each.definitions)
    return made


@pytest.mark.parametrize("prefix", ["je_", "_rjem_", "rocksdb_"])
def test_a_jemalloc_with_a_prefix_is_found_by_it(bench, prefix):
    made = found(bench, symbols(prefix, *OWN))
    assert made == {"jemalloc": [prefix + name for name in ("malloc", "calloc", "free", "mallocx")]}


def test_it_is_found_beside_the_allocator_that_has_the_plain_names(bench):
    glibc = symbols("", "malloc", "free", "malloc_info", "__libc_pvalloc")
    made = found(bench, glibc, symbols("je_", *OWN, at=48))
    assert made == {
        "glibc": ["malloc", "__libc_pvalloc", "free"],
        "jemalloc": ["je_malloc", "je_calloc", "je_free", "je_mallocx"],
    }


def test_functions_keep_their_plain_numbers_and_names(bench):
    (one,) = find(bench.module(Elf(symbols("je_", *OWN), CODE)))
    assert one.family.id == 1
    assert {each.function.id: each.names for each in one.definitions}[1] == ("je_malloc",)


def test_a_name_that_only_ends_like_it_is_no_allocator(bench):
    assert found(bench, symbols("my_", "mallctl", "free")) == {}
    assert found(bench, [Sym("not a name mallctl"), Sym("not a name mallocx")]) == {}


def test_many_prefixes_are_bounded(bench):
    many = [symbols(f"p{n}_", *OWN) for n in range(50)]
    assert len(found(bench, *many)["jemalloc"]) <= 4 * 4


def test_names_that_no_probe_sees_are_noted_where_others_use_them(bench):
    mimalloc = ("mi_malloc", "mi_free", "mi_strdup", "malloc", "free")
    places = (0, 16, 32, 0, 16)
    own = [Sym(name, value=at) for name, at in zip(mimalloc, places, strict=True)]
    bench.module(Elf(own, CODE))
    assert not any("mi_strdup" in note for note in bench.plan().notes)
    bench.module(Elf([Sym("mi_strdup", section=0)], CODE))
    assert any("mi_strdup" in note for note in bench.plan().notes)
