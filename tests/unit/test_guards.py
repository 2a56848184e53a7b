"""Which functions are left out of a plan because a probe there could hurt the program."""

import pytest

from ebpftrace.model.ids import Address
from ebpftrace.probes.plan import Plan
from ebpftrace.target.process import Process
from ebpftrace.target.text import same_code
from tests.unit.elf_builder import WEAK, Elf, Sym
from tests.unit.workbench import CODE, FREE, PUSH, STANDARD

GLIBC = [*STANDARD, Sym("malloc_info", 48), Sym("__libc_pvalloc", 64), Sym("__libc_malloc")]
GLIBC_NAMES = {"malloc", "realloc", "free", "pvalloc"}
THROW = Sym("__cxa_throw", section=0)


def files(made: Plan) -> set[str]:
    return {probe.module.name for probe in made.probes}


def names(made: Plan) -> set[str]:
    return {probe.function.name for probe in made.probes}


# --- exceptions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sign",
    [
        "__cxa_throw",
        "__cxa_rethrow",
        "__gxx_personality_v0",
        "_Unwind_Resume",
        "_Unwind_RaiseException",
        "_ZSt17__throw_bad_allocv",
        "_Znwm",
        "_ZnwmSt11align_val_t",
    ],
)
@pytest.mark.parametrize("section", [0, 1], ids=["imported", "defined"])
def test_an_unknown_malloc_in_a_file_that_can_throw_is_not_probed(bench, sign, section):
    bench.module(Elf([*STANDARD, Sym(sign, 80, section=section)], CODE), path="/usr/bin/prog")
    why = bench.why_none()
    assert "/usr/bin/prog can throw C++ exceptions through its malloc" in why
    assert "a return probe would end the program" in why


def test_a_stripped_file_that_can_throw_is_told_by_its_exception_table(bench):
    bench.module(Elf(STANDARD, CODE, extra_sections=[b".gcc_except_table"]))
    assert "can throw C++ exceptions" in bench.why_none()


@pytest.mark.parametrize("harmless", ["_Unwind_Backtrace", "_Unwind_GetIP", "__cxa_finalize"])
def test_a_malloc_whose_file_only_walks_its_stack_or_registers_destructors_is_probed(
    bench, harmless
):
    bench.module(Elf([*STANDARD, Sym(harmless, section=0)], CODE))
    assert names(bench.plan()) == {"malloc", "realloc", "free"}


def test_an_unknown_malloc_whose_library_can_throw_is_not_probed(bench):
    bench.module(Elf(STANDARD, CODE, needed=["libshim.so.1"]), path="/lib/libpool.so")
    bench.module(Elf(soname="libshim.so.1", needed=["libbase.so"]), path="/lib/libshim.so.1.2")
    bench.module(Elf([THROW]), path="/lib/libbase.so")
    assert "(it needs /lib/libbase.so, which throws)" in bench.why_none()


def test_libraries_that_need_each_other_are_looked_at_once(bench):
    bench.module(Elf(STANDARD, CODE, needed=["a.so"]), path="/lib/libpool.so")
    bench.module(Elf(soname="a.so", needed=["b.so"]), path="/lib/a.so")
    bench.module(Elf(soname="b.so", needed=["a.so"]), path="/lib/b.so")
    assert files(bench.plan()) == {"/lib/libpool.so"}


def test_the_c_library_is_no_reason_though_it_has_an_exception_table(bench):
    bench.module(Elf(STANDARD, CODE, needed=["libc.so.6"]), path="/lib/libpool.so")
    libc = Elf(GLIBC, CODE, soname="libc.so.6", extra_sections=[b".gcc_except_table"])
    bench.module(libc, path="/lib/libc.so.6")
    assert files(bench.plan()) == {"/lib/libpool.so", "/lib/libc.so.6"}


@pytest.mark.parametrize(
    "markers",
    [
        ["malloc_info", "__libc_pvalloc"],
        ["mallctl", "mallocx"],
        ["tc_malloc", "tc_set_new_mode"],
        ["mi_malloc", "mi_free"],
    ],
)
def test_a_known_allocator_is_probed_though_its_operator_new_throws(bench, markers):
    known = [Sym(name) for name in markers]
    bench.module(Elf([*STANDARD, *known, THROW], CODE))
    made = bench.plan()
    assert {p.kind for p in made.probes if p.function.name == "malloc"} == {"entry", "return"}
    assert made.refusals == ()


def test_a_static_program_that_throws_is_probed_where_its_malloc_is_glibcs(bench):
    symbols = [Sym(s.name, s.value, table="symtab") for s in [*GLIBC, Sym("__cxa_throw", 80)]]
    bench.module(Elf(symbols, CODE, kind=2, interpreter=False))
    assert "malloc" in names(bench.plan())


def test_a_static_program_with_a_malloc_of_its_own_beside_glibcs_is_not_probed(bench):
    own = [Sym("malloc", 16) if s.name == "malloc" else s for s in GLIBC]
    symbols = [Sym(s.name, s.value, table="symtab") for s in [*own, Sym("__cxa_throw", 80)]]
    bench.module(Elf(symbols, CODE, kind=2, interpreter=False))
    assert "can throw C++ exceptions" in bench.why_none()


def test_a_static_musl_program_that_throws_is_probed(bench):
    musl = [
        Sym("malloc", bind=WEAK),
        *STANDARD[1:],
        Sym("__libc_malloc_impl", 48),
        Sym("__malloc_alloc_meta", 64),
        Sym("_Unwind_Resume", 80),
    ]
    symbols = [Sym(s.name, s.value, bind=s.bind, table="symtab") for s in musl]
    bench.module(Elf(symbols, CODE, kind=2, interpreter=False))
    assert bench.plan().families == ("musl",)


def test_the_c_library_below_a_throwing_malloc_is_still_probed(bench):
    bench.module(Elf([*STANDARD, THROW], CODE), path="/usr/bin/prog")
    bench.module(Elf(GLIBC, CODE), path="/lib/libc.so.6")
    made = bench.plan()
    assert files(made) == {"/lib/libc.so.6"}
    assert [refusal.guard for refusal in made.refusals] == ["exceptions"]
    assert [refusal.sentence for refusal in made.refusals] == list(made.notes)


def test_only_the_function_that_calls_a_throwing_one_by_name_is_left_out(bench):
    bench.module(Elf([*STANDARD, THROW], CODE), path="/usr/bin/prog")
    bench.module(Elf([*GLIBC, Sym("reallocarray", 96)], CODE), path="/lib/libc.so.6")
    made = bench.plan()
    assert names(made) == GLIBC_NAMES
    assert any("reallocarray of /lib/libc.so.6 calls the realloc of" in note for note in made.notes)


def test_what_may_hand_calls_on_to_a_throwing_malloc_is_not_probed(bench):
    bench.module(Elf(STANDARD, CODE), path="/lib/libwrap.so")
    bench.module(Elf([*STANDARD, THROW], CODE), path="/lib/libpool.so")
    why = bench.why_none()
    assert "/lib/libwrap.so may call the malloc of /lib/libpool.so" in why
    assert "/lib/libpool.so can throw" in why


# --- Go -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("section", [b".go.buildinfo", b".note.go.buildid", b".gopclntab"])
@pytest.mark.parametrize("table", ["dynsym", "symtab"])
def test_a_go_program_that_defines_malloc_gets_no_probe(bench, section, table):
    symbols = [Sym(s.name, s.value, table=table) for s in STANDARD]
    bench.module(Elf(symbols, CODE, extra_sections=[section]), path="/usr/bin/prog")
    assert "/usr/bin/prog is a Go program with a malloc of its own" in bench.why_none()


def test_a_go_program_without_its_sections_is_told_by_its_runtime(bench):
    symbols = [*STANDARD, Sym("runtime.mallocgc", 80, table="symtab")]
    bench.module(Elf(symbols, CODE))
    assert "is a Go program with a malloc of its own" in bench.why_none()


def test_go_functions_are_no_allocators(bench):
    go = [Sym("runtime.mallocgc"), Sym("main.malloc", 16), Sym("main.free", 32)]
    bench.module(Elf(go, CODE, extra_sections=[b".go.buildinfo"]), path="/usr/bin/prog")
    assert "Go program without a C library" in bench.why_none()


def test_the_c_library_of_a_cgo_program_is_probed_and_the_program_is_not(bench):
    bench.module(Elf(STANDARD, CODE, extra_sections=[b".go.buildinfo"]), path="/usr/bin/prog")
    bench.module(Elf(GLIBC, CODE), path="/lib/libc.so.6")
    made = bench.plan()
    assert files(made) == {"/lib/libc.so.6"}
    assert [refusal.guard for refusal in made.refusals] == ["Go code"]


def test_a_c_library_linked_into_a_go_program_is_probed(bench):
    symbols = [Sym(s.name, s.value, table="symtab") for s in GLIBC]
    elf = Elf(symbols, CODE, kind=2, interpreter=False, extra_sections=[b".go.buildinfo"])
    bench.module(elf)
    assert names(bench.plan()) == GLIBC_NAMES


# --- patched code ---------------------------------------------------------------------------------


def test_a_breakpoint_of_another_tracer_is_no_patch(bench):
    bench.module(Elf(STANDARD, CODE))
    bench.patch(32, b"\xcc")  # where free begins, and where it is probed
    bench.patch(32 + 3, b"\xcc")
    assert names(bench.plan()) == {"malloc", "realloc", "free"}


def test_a_breakpoint_inside_an_instruction_is_a_patch(bench):
    bench.module(Elf(STANDARD, CODE))
    bench.patch(32 + 1, b"\xcc")
    assert "free of /usr/lib/liballoc.so is not as in the file" in bench.why_none()


def test_a_program_that_has_given_way_to_another_meanwhile_is_told_as_such(bench, monkeypatch):
    bench.module(Elf(STANDARD, CODE))
    bench.patch(32, b"\xe9\0\0\0\0")
    monkeypatch.setattr(Process, "runs_another_program", lambda _: True)
    why = bench.why_none()
    assert "it has begun to run another program meanwhile. Try again." in why
    assert "patched" not in why


def test_what_lies_behind_the_probed_instruction_does_not_matter(bench):
    bench.module(Elf(STANDARD, CODE))
    bench.patch(32 + 5, b"\x0f\x0b")
    assert bench.plan().refusals == ()


@pytest.mark.parametrize("value, name", [(0, "malloc"), (16, "realloc"), (32, "free")])
def test_a_hook_of_malloc_realloc_or_free_leaves_out_the_whole_file(bench, value, name):
    bench.module(Elf(STANDARD, CODE))
    bench.module(Elf(GLIBC, CODE), path="/lib/libc.so.6")
    bench.patch(value, bytes.fromhex("e900000000"))
    made = bench.plan()
    assert files(made) == {"/lib/libc.so.6"}
    assert f"{name} of /usr/lib/liballoc.so is not as in the file, but patched" in made.notes[-1]


def test_a_hook_of_another_birth_leaves_out_that_one(bench):
    bench.module(Elf([*STANDARD, Sym("calloc", 48), Sym("valloc", 64)], CODE))
    bench.patch(48, bytes.fromhex("e900000000"))
    bench.patch(64, bytes.fromhex("e900000000"))
    made = bench.plan()
    assert names(made) == {"malloc", "realloc", "free"}
    assert "calloc and valloc of /usr/lib/liballoc.so are not as in the file" in made.notes[-1]


def test_memory_that_is_not_there_is_not_as_in_the_file(bench):
    bench.module(Elf(STANDARD, CODE))
    bench.live.read = lambda address, length: b""
    assert "are not as in the file" in bench.why_none()


def test_where_the_memory_may_not_be_read_a_note_says_so(bench):
    bench.module(Elf(STANDARD, CODE))
    bench.live.why = "Operation not permitted"
    made = bench.plan()
    assert names(made) == {"malloc", "realloc", "free"}
    assert any("was not compared with the files: Operation not" in note for note in made.notes)


def test_every_place_at_which_a_file_is_mapped_is_compared(bench):
    module = bench.module(Elf(STANDARD, CODE))
    again = module.mappings[0]
    copy = type(again)(
        Address(again.start + 0x9000000),
        Address(again.end + 0x9000000),
        again.perms,
        again.offset,
        again.device,
        again.inode,
        again.path,
    )
    module.mappings = (again, copy)
    bench.live.patches += [(copy.start, 0xE9)]
    assert "malloc of" in bench.why_none()


def test_a_breakpoint_of_arm64_takes_a_whole_instruction():
    file = bytes(range(1, 17))
    brk = bytes.fromhex("a00020d4")
    assert same_code(brk + file[4:], file, (0,), "aarch64")
    assert not same_code(file[:1] + brk[1:] + file[4:], file, (0,), "aarch64")


def test_code_moved_to_memory_without_a_file_is_named(bench):
    bench.module(Elf([Sym("malloc"), Sym("free", 16)], PUSH + FREE), perms="r--p")
    why = bench.why_none()
    assert "malloc and free of /usr/lib/liballoc.so are not mapped as code" in why
    assert "none of its" not in why
