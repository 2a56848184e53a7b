import pytest

from ebpftrace.probes.families import ALL_NAMES, FAMILIES, FUNCTIONS, Shape, family_of


def test_a_number_belongs_to_one_function_and_starts_at_1():
    for family in FAMILIES:
        for function in family.functions:
            assert FUNCTIONS[function.id] == function
    assert min(FUNCTIONS) == 1


def test_numbers_that_snapshots_keep_do_not_change():
    assert {number: function.name for number, function in FUNCTIONS.items()} == {
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
    }


def test_no_name_stands_for_two_functions_of_a_family():
    for family in FAMILIES:
        names = [name for function in family.functions for name in function.names]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("shape", Shape)
def test_every_shape_has_a_role_and_reads_some_argument(shape):
    assert shape.role in ("birth", "resize", "death")
    assert shape.arguments
    assert max(shape.arguments) < 6


def test_glibc_is_told_from_what_only_takes_its_names():
    glibc = family_of({"malloc", "free", "malloc_info", "__libc_pvalloc"})
    assert glibc
    assert (glibc.name, glibc.zero_realloc_frees) == ("glibc", True)
    # gperftools defines the __libc_ names, scudo malloc_info.
    for names in ({"malloc", "__libc_malloc", "__libc_pvalloc"}, {"malloc", "malloc_info"}):
        other = family_of(names)
        assert other
        assert (other.name, other.zero_realloc_frees) == ("c", False)


def test_a_module_without_allocator_functions_has_no_family():
    assert family_of({"main", "malloc_info"}) is None


def test_every_name_that_decides_is_searched_for():
    assert {"malloc", "__libc_free", "cfree", "malloc_info"} <= ALL_NAMES
