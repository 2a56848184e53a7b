import pytest

from ebpftrace.model.ids import ImageAddress
from ebpftrace.probes.families import ALL_NAMES, FAMILIES, FAMILY_NAMES, FUNCTIONS, family_of
from ebpftrace.target.elf_symbols import Symbol


def test_a_number_belongs_to_one_function_and_starts_at_1():
    for family in FAMILIES:
        for function in family.functions:
            known = FUNCTIONS[function.id]
            assert (known.name, known.shape) == (function.name, function.shape)
    assert min(FUNCTIONS) == 1
    assert max(FUNCTIONS) < 128


def test_a_number_belongs_to_one_family():
    assert [family.id for family in FAMILIES] == [*range(len(FAMILIES))]
    assert (
        dict(enumerate(["glibc", "jemalloc", "tcmalloc", "mimalloc", "musl", "musl", "c"]))
        == FAMILY_NAMES
    )


def test_numbers_that_snapshots_keep_do_not_change():
    assert {number: FUNCTIONS[number].name for number in range(1, 25)} == {
        1: "malloc",
        2: "calloc",
        3: "realloc",
        4: "reallocarray",
        5: "aligned_alloc",
        6: "memalign",
        7: "posix_memalign",
        8: "valloc",
        9: "pvalloc",
        10: "free",
        11: "free_sized",
        12: "free_aligned_sized",
        13: "operator new",
        14: "operator new[]",
        15: "operator new(nothrow)",
        16: "operator new[](nothrow)",
        17: "operator new(align_val_t)",
        18: "operator new[](align_val_t)",
        19: "operator new(align_val_t, nothrow)",
        20: "operator new[](align_val_t, nothrow)",
        21: "operator delete",
        22: "mallocx",
        23: "rallocx",
        24: "dallocx",
    }


def test_no_name_stands_for_two_functions_of_a_family():
    for family in FAMILIES:
        names = [name for function in family.functions for name in function.names]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("shape", {function.shape for function in FUNCTIONS.values()})
def test_every_shape_reads_what_its_role_needs(shape):
    assert max(shape.arguments) < 6
    assert len(set(shape.arguments)) == len(shape.arguments)
    assert (shape.pointer is None) == (shape.role == "birth")
    assert (shape.size is None) == (shape.role == "death")


def names(*names: str, **places: int) -> list[Symbol]:
    """Global functions, all at one place but for those whose place is given."""
    at = dict.fromkeys(names, 16) | places
    return [
        Symbol(name, ImageAddress(value), 16, "global", False, False, "dynsym")
        for name, value in at.items()
    ]


@pytest.mark.parametrize(
    "markers, family, zero_frees",
    [
        (("malloc_info", "__libc_pvalloc", "__libc_malloc"), "glibc", True),
        (("mallctl", "mallocx"), "jemalloc", True),
        # gperftools defines the __libc_ names, too.
        (("tc_malloc", "tc_set_new_mode", "__libc_malloc", "__libc_pvalloc"), "tcmalloc", True),
        (("mi_malloc", "mi_free", "__libc_malloc", "__libc_pvalloc"), "mimalloc", False),
        (("__dls2b", "__dls3"), "musl", False),
        (("malloc_info",), "c", False),
        (("__libc_pvalloc",), "c", False),
    ],
)
def test_an_allocator_is_told_by_what_only_it_defines(markers, family, zero_frees):
    found = family_of(names("malloc", "free", *markers))
    assert found
    assert (found.name, found.zero_realloc_frees) == (family, zero_frees)
    assert found.exceptions == (family == "c")


@pytest.mark.parametrize(
    "markers, twin",
    [
        (("malloc_info", "__libc_pvalloc"), "__libc_malloc"),
        (("tc_malloc", "tc_set_new_mode"), "tc_malloc"),
        (("mi_malloc", "mi_free"), "mi_malloc"),
    ],
)
def test_a_malloc_of_the_programs_own_beside_a_known_allocator_is_not_that_one(markers, twin):
    found = family_of(names("free", *markers, malloc=32, **{twin: 48}))
    assert found
    assert (found.name, found.exceptions) == ("c", True)


def test_in_a_static_musl_program_a_weak_malloc_is_the_one_of_musl():
    markers = names("free", "__libc_malloc_impl", "__malloc_alloc_meta")
    malloc = names("malloc")[0]
    weak, strong = (
        family_of([*markers, malloc._replace(bind="weak")]),
        family_of([*markers, malloc]),
    )
    assert weak
    assert strong
    assert (weak.name, strong.name) == ("musl", "c")


def test_a_jemalloc_with_a_prefix_has_no_plain_name():
    assert family_of(names("je_malloc", "je_free", "je_mallctl")) is None


def test_a_module_without_allocator_functions_has_no_family():
    assert family_of(names("main", "malloc_info")) is None


def test_every_name_that_decides_is_searched_for():
    assert {"malloc", "__libc_free", "cfree", "malloc_info", "mallctl"} <= ALL_NAMES
    assert "" not in ALL_NAMES
