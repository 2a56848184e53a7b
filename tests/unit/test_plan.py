import os
import subprocess
import time
from pathlib import Path

import pytest

from ebpftrace.errors import CannotAttach
from ebpftrace.model.ids import Address
from ebpftrace.probes.plan import plan
from ebpftrace.probes.ranges import merge
from ebpftrace.target.modules import Module, open_modules
from ebpftrace.target.process import Process
from tests.unit.elf_builder import IFUNC, LOCAL, OBJECT, TEXT_OFFSET, WEAK, Elf, Sym
from tests.unit.workbench import CODE, FREE, PUSH, STANDARD

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="map_files needs CAP_SYS_ADMIN")


def test_deaths_come_first_and_a_return_before_its_entry(bench):
    bench.module(Elf(STANDARD, CODE))
    assert [(p.function.name, p.kind) for p in bench.plan().probes] == [
        ("free", "entry"),
        ("realloc", "return"),
        ("realloc", "entry"),
        ("malloc", "return"),
        ("malloc", "entry"),
    ]


def test_a_probe_states_where_in_the_file_it_goes_and_why(bench):
    module = bench.module(Elf(STANDARD, CODE))
    free = bench.plan().probes[0]
    assert free.module is module
    assert (free.offset, free.moved, free.symbol_size) == (TEXT_OFFSET + 32 + 3, 3, 16)
    assert free.cost == "emulated"
    assert "`test` would be single-stepped" in free.reason


def test_both_halves_of_a_pair_share_one_instruction(bench):
    bench.module(Elf(STANDARD, CODE))
    probes = [p for p in bench.plan().probes if p.function.name == "malloc"]
    assert len({(p.offset, p.instruction) for p in probes}) == 1


def test_names_of_one_place_make_one_probe_that_lists_them(bench):
    names = ["__libc_free", "cfree", "free"]
    bench.module(Elf([Sym(name) for name in names], FREE * 4))
    (probe,) = bench.plan().probes
    assert probe.function.name == "free"
    assert probe.names == ("free", "__libc_free", "cfree")


def test_functions_that_share_their_code_are_probed_once(bench):
    bench.module(Elf([Sym("memalign"), Sym("aligned_alloc"), Sym("free", 32)], CODE))
    births = [p for p in bench.plan().probes if p.function.role == "birth"]
    assert [(p.function.name, p.kind) for p in births] == [
        ("aligned_alloc", "return"),
        ("aligned_alloc", "entry"),
    ]
    assert births[0].names == ("aligned_alloc", "memalign")


def test_all_the_code_of_a_library_that_frees_is_its_own(bench):
    markers = [Sym("malloc_info", 48), Sym("__libc_pvalloc", 64)]
    module = bench.module(Elf([*STANDARD, *markers], CODE), path="/usr/lib/libc.so.6")
    made = bench.plan()
    assert list(made.libraries()) == [(m.start, m.end) for m in module.mappings if m.executable]
    assert made.code_ranges() != made.libraries()


def test_all_of_a_library_that_is_an_allocator_is_its_own_for_whoever_watches(bench):
    module = bench.module(Elf(STANDARD, CODE), path="/usr/lib/libpool.so")
    everything = [(m.start, m.end) for m in module.mappings if m.executable]
    assert list(bench.plan().code_ranges()) == everything
    assert list(bench.plan().libraries()) == everything


def test_code_of_what_is_not_loaded_is_nowhere(bench):
    bench.module(Elf(STANDARD, CODE), path="/usr/lib/liba.so")
    second = bench.module(Elf(STANDARD, CODE), path="/usr/lib/libb.so")
    made = bench.plan()
    assert len(made.code_ranges()) == 2
    ((start, _),) = made.code_ranges([second])
    assert start == second.mappings[0].start
    assert made.code_ranges([]) == ()


def test_of_two_plans_of_a_process_what_the_later_one_has_besides_comes_in_its_place(bench):
    bench.module(Elf(STANDARD, CODE), path="/usr/lib/liba.so")
    before = bench.plan()
    late = bench.module(
        Elf([*STANDARD, Sym("malloc_info", 48), Sym("__libc_pvalloc", 64)], CODE),
        path="/usr/lib/late.so",
    )
    new = bench.plan().beside(before)
    assert {probe.module for probe in new.probes} == {late}
    assert new.families == ("glibc",)
    both = before.extended(new)
    assert both.families == ("c", "glibc")
    roles = [probe.function.role for probe in both.probes]
    assert roles == sorted(roles, key=["death", "resize", "birth"].index)
    assert len(both.probes) == len(before.probes) + len(new.probes)
    assert len(both.code_ranges()) == 2
    assert not both.beside(both).probes


def test_of_a_program_only_its_allocator_is_its_own(bench):
    markers = [Sym("malloc_info", 48), Sym("__libc_pvalloc", 64)]
    inner = Sym("tcache_thread_shutdown", 80, size=8, bind=LOCAL, table="symtab")
    module = bench.module(Elf([*STANDARD, *markers, inner], CODE), path="/usr/bin/prog")
    made = bench.plan()
    (start,) = module.address_of(TEXT_OFFSET)
    assert any(low <= start + 80 and start + 88 <= high for low, high in made.libraries())
    assert made.libraries()[-1][1] == start + 88


def test_every_module_that_defines_an_allocator_is_probed(bench):
    bench.module(Elf([*STANDARD, Sym("malloc_info", 48), Sym("__libc_pvalloc", 64)], CODE))
    bench.module(Elf(STANDARD, CODE), path="/usr/lib/libpool.so")
    made = bench.plan()
    assert made.families == ("glibc", "c")
    assert len({id(p.module) for p in made.probes if p.function.name == "free"}) == 2


def test_a_static_executable_is_probed_by_its_symtab(bench):
    symbols = [Sym(s.name, s.value, table="symtab", bind=WEAK) for s in STANDARD]
    bench.module(Elf(symbols, CODE, kind=2, interpreter=False), path="/usr/bin/prog")
    assert len(bench.plan().probes) == 5


def test_local_functions_and_imports_are_not_allocators(bench):
    bench.module(Elf([Sym("malloc", bind=LOCAL, table="symtab"), Sym("free", section=0)], CODE))
    with pytest.raises(CannotAttach, match="none of its 1 mapped files defines malloc"):
        bench.plan()


def test_an_ifunc_is_left_out_with_a_note(bench):
    bench.module(Elf([*STANDARD, Sym("calloc", 64, kind=IFUNC)], CODE))
    made = bench.plan()
    assert "calloc" not in {p.function.name for p in made.probes}
    assert any("calloc" in note and "IFUNC" in note for note in made.notes)


@pytest.mark.parametrize("name, lacks", [("malloc", "frees"), ("free", "allocates")])
def test_half_an_allocator_is_probed_with_a_note(bench, name, lacks):
    bench.module(Elf([Sym(name)], PUSH * 4))
    made = bench.plan()
    assert {p.function.name for p in made.probes} == {name}
    assert any(f"no function that {lacks}" in note for note in made.notes)


def test_halves_in_two_files_are_said_to_belong_together(bench):
    bench.module(Elf([Sym("malloc")], PUSH * 4), path="/usr/lib/libgives.so")
    bench.module(Elf([Sym("free")], FREE * 4), path="/usr/lib/libtakes.so")
    made = bench.plan()
    assert [p.function.name for p in made.probes] == ["free", "malloc", "malloc"]
    assert made.notes == (
        (
            "/usr/lib/libgives.so defines no function that frees: what it gives is freed by others, "
            "as by /usr/lib/libtakes.so."
        ),
        (
            "/usr/lib/libtakes.so defines no function that allocates: what it frees comes from others, "
            "as from /usr/lib/libgives.so."
        ),
    )
    assert not made.layered


def test_two_files_that_free_are_layers(bench):
    bench.module(Elf(STANDARD, CODE), path="/usr/lib/liba.so")
    assert not bench.plan().layered
    bench.module(Elf(STANDARD, CODE), path="/usr/lib/libb.so")
    assert bench.plan().layered


def test_data_of_a_function_s_name_is_no_function(bench):
    bench.module(Elf([Sym("malloc", kind=OBJECT), Sym("free", 32), Sym("calloc", 48)], CODE))
    assert "malloc" not in {p.function.name for p in bench.plan().probes}


def test_code_that_is_not_mapped_from_its_file_is_left_out_with_a_note(bench):
    bench.module(Elf(STANDARD, CODE), perms="r--p")
    bench.module(Elf(STANDARD, CODE), path="/other.so")
    made = bench.plan()
    assert {p.module.name for p in made.probes} == {"/other.so"}
    assert any("huge pages" in note for note in made.notes)


def test_a_file_that_could_not_be_searched_is_noted(bench):
    bench.module(Elf(STANDARD, CODE))
    bench.modules.append(Module(("0:1", 99, "/x"), bench.modules[0].mappings, -1, "it is a device"))
    assert any("was not searched: it is a device" in note for note in bench.plan().notes)


def test_a_function_without_a_size_reaches_to_the_next_symbol(bench):
    bench.module(Elf([Sym("free", 0, size=0), Sym("next", 32, size=0)], FREE * 4))
    (probe,) = bench.plan().probes
    assert (probe.symbol_size, probe.moved) == (32, 3)


def test_a_size_that_lies_ends_with_the_segment(bench):
    bench.module(Elf([Sym("free", size=1 << 62)], FREE))
    (probe,) = bench.plan().probes
    assert probe.symbol_size == 16


def test_a_file_full_of_mallocs_gives_a_bounded_plan(bench):
    symbols = [Sym("malloc", value) for value in range(5000)]
    bench.module(Elf(symbols, b"\x55" * 5016))
    made = bench.plan()
    assert len(made.probes) == 2 * 128
    assert any("only the first 128" in note for note in made.notes)


def test_a_go_program_is_named_as_one(bench):
    elf = Elf([], extra_sections=[b".go.buildinfo"], interpreter=False)
    bench.module(elf, path="/usr/bin/prog")
    with pytest.raises(CannotAttach, match=r"Go program without a C library.*--mode growth"):
        bench.plan()


def test_a_stripped_static_program_is_named_as_one(bench):
    bench.module(Elf([], kind=2, interpreter=False), path="/usr/bin/prog")
    with pytest.raises(CannotAttach, match="statically linked and stripped"):
        bench.plan()


def test_code_ranges_are_where_the_functions_are_in_the_process(bench):
    names = [Sym("malloc"), Sym("free", 16), Sym("calloc", 2048)]
    bench.module(Elf(names, PUSH * 200), path="/usr/bin/prog")
    assert bench.plan().code_ranges() == ((0x7000000, 0x7000020), (0x7000800, 0x7000810))


def test_ranges_are_merged_until_they_fit():
    many = [(Address(n * 4096), Address(n * 4096 + 16 + n)) for n in range(100)]
    merged = merge(many)
    assert len(merged) == 32
    assert list(merged) == sorted(merged)
    assert all(any(a <= start and end <= b for a, b in merged) for start, end in many)


def test_ranges_far_apart_are_left_out_rather_than_joined():
    many = [(Address(n << 32), Address((n << 32) + n)) for n in range(1, 41)]
    assert merge(many) == tuple(many[8:])


def test_a_file_mapped_thousands_of_times_costs_no_time():
    many = [(Address(n * 4096), Address(n * 4096 + 16)) for n in range(100_000)]
    start = time.perf_counter()
    assert len(merge(many)) == 32
    assert time.perf_counter() - start < 2


@needs_root
@pytest.mark.parametrize("program", ["/usr/bin/sleep", "/usr/bin/python3"])
def test_a_real_program_has_a_plan_in_a_fraction_of_a_second(program):
    command = [program, "600"] if "sleep" in program else [program, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
        try:
            time.sleep(0.2)
            start = time.perf_counter()
            with Process.open(child.pid) as process:
                modules = open_modules(process)
                made = plan(process, modules)
            # 10-30 ms, and 50-90 once for importing capstone.
            assert time.perf_counter() - start < 1
            names = {name for probe in made.probes for name in probe.names}
            assert {"malloc", "calloc", "realloc", "free", "posix_memalign"} <= names
            assert all(Path(p.module.attach_path).is_file() for p in made.probes)
            for module in modules:
                module.close()
        finally:
            child.kill()
