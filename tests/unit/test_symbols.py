import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from typing import cast

import pytest

from ebpftrace.model.ids import Address, ImageAddress
from ebpftrace.symbols.cache import TableCache
from ebpftrace.symbols.perfmap import PerfMap
from ebpftrace.symbols.symbolizer import Symbolizer
from ebpftrace.symbols.table import SymbolTable
from ebpftrace.target.elf import ElfImage
from ebpftrace.target.maps import Mapping
from ebpftrace.target.modules import Module, open_modules
from ebpftrace.target.process import Process
from ebpftrace.target.space import AddressSpace
from tests.unit.children import talking
from tests.unit.elf_builder import LOCAL, TEXT_ADDRESS, WEAK, Elf, Sym
from tests.unit.space_builders import BASE, Clock, StubProcess, mapping, module_of, space

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="map_files needs CAP_SYS_ADMIN")


@contextlib.contextmanager
def opened(elf: Elf) -> Iterator[ElfImage]:
    with tempfile.TemporaryFile() as file:
        file.write(elf.build())
        file.flush()
        yield ElfImage.open(file.fileno())


def name_of(symbols: list[Sym], at: int) -> str | None:
    with opened(Elf(symbols)) as image:
        named = SymbolTable(image).find(ImageAddress(TEXT_ADDRESS + at))
    return named.name if named else None


def test_an_address_is_named_by_the_function_it_lies_in():
    symbols = [Sym("b", 32), Sym("a", 0)]
    assert name_of(symbols, 0) == name_of(symbols, 15) == "a"
    assert name_of(symbols, 32) == "b"


def test_an_address_between_functions_has_no_name():
    assert name_of([Sym("a"), Sym("b", 32)], 16) is None
    assert name_of([Sym("b", 32)], 31) is None


def test_a_function_without_a_size_reaches_to_the_next():
    symbols = [Sym("a", size=0), Sym("b", 32)]
    assert name_of(symbols, 31) == "a"
    assert name_of(symbols, 48) is None


def test_behind_an_inner_symbol_the_enclosing_function_goes_on():
    symbols = [Sym("outer", size=64), Sym("inner", 16, size=4)]
    assert name_of(symbols, 18) == "inner"
    assert name_of(symbols, 30) == "outer"


@pytest.mark.parametrize(
    "symbols, name",
    [
        ([Sym("__libc_malloc"), Sym("malloc")], "malloc"),
        ([Sym("__libc_calloc"), Sym("calloc", bind=WEAK)], "calloc"),
        ([Sym("a", bind=LOCAL, table="symtab"), Sym("exported")], "exported"),
        ([Sym("cfree"), Sym("free"), Sym("__libc_free")], "free"),
        ([Sym("weak", bind=WEAK), Sym("strong")], "strong"),
        ([Sym("b"), Sym("a")], "a"),
        ([Sym(""), Sym("_x")], "_x"),
    ],
)
def test_of_several_names_the_plainest_is_shown(symbols, name):
    assert name_of(symbols, 1) == name
    assert name_of(symbols[::-1], 1) == name


def test_thousands_of_names_for_one_address_cost_no_time():
    with opened(Elf([Sym(f"f{n}") for n in range(20_000)])) as image:
        table = SymbolTable(image)
        start = time.perf_counter()
        for _ in range(100):
            assert table.find(ImageAddress(TEXT_ADDRESS))
        assert time.perf_counter() - start < 1


def symbolizer(stub: StubProcess, *modules: Module, **options) -> Symbolizer:
    return Symbolizer(space(stub, *modules, **options))


def test_a_return_address_belongs_to_the_call_before_it():
    with module_of(Elf([Sym("caller"), Sym("next", 16)]), mapping()) as module:
        (frame,) = symbolizer(StubProcess(), module).frames([Address(BASE + 16)])
    assert frame.function == "caller"
    assert (frame.address, frame.offset) == (BASE + 16, TEXT_ADDRESS + 16)
    assert (frame.module, frame.build_id, frame.inlined) == ("/x.so", "abcd", False)


def test_the_trampoline_of_a_signal_handler_is_named_though_no_call_is_before_it():
    symbols = [Sym("before", size=8), Sym("__restore_rt", 16), Sym("restore_rt", 16)]
    with module_of(Elf(symbols), mapping()) as module:
        names = symbolizer(StubProcess(), module).frames([Address(BASE + at) for at in (15, 16)])
    assert [frame.function for frame in names] == [None, "restore_rt"]


def test_code_without_a_symbol_still_has_its_module_and_offset():
    with module_of(Elf([]), mapping()) as module:
        (frame,) = symbolizer(StubProcess(), module).frames([Address(BASE + 8)])
    assert (frame.function, frame.module, frame.offset) == (None, "/x.so", TEXT_ADDRESS + 8)


@pytest.mark.parametrize("path, module", [("[heap]", "[heap]"), ("", "[anon]")])
def test_memory_of_no_file_is_named_by_its_kind(path, module):
    stub = StubProcess(mapping(path=path, inode=0))
    (frame,) = symbolizer(stub).frames([Address(BASE + 8)])
    assert (frame.function, frame.module, frame.offset) == (None, module, None)


def test_names_outlive_the_process():
    stub = StubProcess(ended=True)
    with module_of(Elf([Sym("f")]), mapping()) as module:
        (known, unknown) = symbolizer(stub, module).frames([Address(BASE + 8), Address(64)])
    assert known.function == "f"
    assert (unknown.function, unknown.module) == (None, None)
    assert stub.reads == 0


def test_unknown_addresses_have_the_maps_read_at_most_every_50_ms():
    clock = Clock()
    stub = StubProcess(mapping(path="", inode=0))
    names = symbolizer(stub, clock=clock)
    for n in range(100):
        names.frames([Address(n + 1)])
    assert stub.reads == 1
    clock.now += 0.06
    names.frames([Address(500)])
    assert stub.reads == 2


def test_a_library_loaded_later_is_named_at_its_first_frame():
    stub = StubProcess(mapping())
    with module_of(Elf([Sym("f")]), mapping(BASE + 0x5000)) as late:
        names = symbolizer(stub, late)
        late.mappings = (mapping(),)
        assert names.frames([Address(BASE + 8)])[0].function == "f"


def test_a_library_that_was_unloaded_keeps_its_name():
    with module_of(Elf([Sym("f")]), mapping()) as module:
        mapped = space(StubProcess(), module)
        names = Symbolizer(mapped)
        mapped.refresh()
        assert names.frames([Address(BASE + 8)])[0].function == "f"


def test_what_was_mapped_over_an_unloaded_library_is_not_named_after_it():
    stub = StubProcess(mapping(BASE - 0x1000, size=0x3000, path="", inode=0))
    with module_of(Elf([Sym("f")]), mapping()) as module:
        mapped = space(stub, module)
        names = Symbolizer(mapped)
        assert names.frames([Address(BASE + 8)])[0].function == "f"
        mapped.refresh()
        assert names.frames([Address(BASE + 8)])[0].module == "[anon]"


def test_a_table_is_shared_between_processes_that_map_the_file():
    with module_of(Elf([Sym("f")]), mapping()) as module:
        cache = TableCache()
        assert cache.table(module) is cache.table(module)


def test_the_oldest_tables_go_when_they_take_too_much():
    cache = TableCache(most_bytes=1)
    with (
        module_of(Elf([Sym("f")]), mapping()) as one,
        module_of(Elf([Sym("g")]), mapping(inode=6)) as other,
    ):
        first = cache.table(one)
        cache.table(other)
        assert cache.table(one) is not first


def test_names_are_shown_as_in_their_source():
    plain, shadow = Sym("_ZN3Foo3barEv"), Sym("__ZN3Foo3barEv_alias")
    with module_of(Elf([shadow, plain]), mapping()) as module:
        (frame,) = symbolizer(StubProcess(), module).frames([Address(BASE + 8)])
    assert frame.function == "Foo::bar()"


def test_a_separate_debug_file_names_what_the_file_itself_does_not():
    debug = Elf([Sym("hidden", 32, bind=LOCAL, table="symtab"), Sym("__f", table="symtab")])
    with opened(Elf([Sym("f")])) as image, opened(debug) as other:
        table = SymbolTable(image, other)
    found = [table.find(ImageAddress(TEXT_ADDRESS + at)) for at in (8, 40)]
    assert [named.name if named else None for named in found] == ["f", "hidden"]


class StubPerfMap:
    """Names by address, of which those in `coming` are there after the next refresh."""

    def __init__(self, **names: int) -> None:
        self.generation = 0
        self.refreshes = 0
        self.now = {address: name for name, address in names.items()}
        self.coming: dict[int, str] = {}

    def find(self, address: int) -> str | None:
        return self.now.get(address)

    def refresh(self) -> bool:
        self.refreshes += 1
        changed = bool(self.coming)
        self.now |= self.coming
        self.coming = {}
        self.generation += changed
        return changed


def jit_symbolizer(names: StubPerfMap, *maps: Mapping) -> Symbolizer:
    mapped = space(StubProcess(*maps))
    mapped.refresh()
    return Symbolizer(mapped, perf_map=cast(PerfMap, names))


@pytest.mark.parametrize(
    "path, inode, module",
    [
        ("", 0, "[JIT]"),
        ("[anon:v8]", 0, "[anon:v8]"),
        ("/memfd:doublemapper (deleted)", 5, "/memfd:doublemapper (deleted)"),
        ("/dev/zero (deleted)", 5, "/dev/zero (deleted)"),
    ],
)
def test_code_of_no_file_has_the_name_that_its_runtime_wrote(path, inode, module):
    names = jit_symbolizer(StubPerfMap(f=BASE + 7), mapping(path=path, inode=inode))
    (frame,) = names.frames([Address(BASE + 8)])
    assert (frame.function, frame.module, frame.offset) == ("f", module, None)


@pytest.mark.parametrize(
    "where",
    [mapping(path="", inode=0, perms="rw-p"), mapping(path="[uprobes]", inode=0)],
    ids=["data", "the kernel's"],
)
def test_what_is_no_jit_code_is_not_asked_for(where):
    written = StubPerfMap(f=BASE + 7)
    assert jit_symbolizer(written, where).frames([Address(BASE + 8)])[0].function is None
    assert written.refreshes == 0


def test_code_of_a_file_has_its_own_names_only():
    written = StubPerfMap(wrong=BASE + 7)
    with module_of(Elf([Sym("f")]), mapping()) as module:
        mapped = space(StubProcess(), module)
        (frame,) = Symbolizer(mapped, perf_map=cast(PerfMap, written)).frames([Address(BASE + 8)])
    assert frame.function == "f"


def test_an_unknown_jit_function_is_asked_for_again():
    written = StubPerfMap()
    names = jit_symbolizer(written, mapping(path="", inode=0))
    (frame,) = names.frames([Address(BASE + 8)])
    assert (frame.function, frame.module) == (None, "[anon]")
    written.coming = {BASE + 7: "f"}
    assert names.frames([Address(BASE + 8)])[0].function == "f"


def test_jit_code_that_was_compiled_again_has_its_new_name():
    written = StubPerfMap(old=BASE + 7)
    names = jit_symbolizer(written, mapping(path="", inode=0))
    assert names.frames([Address(BASE + 8)])[0].function == "old"
    refreshes = written.refreshes
    assert names.frames([Address(BASE + 8)])[0].function == "old"
    assert written.refreshes == refreshes
    written.coming = {BASE + 7: "new"}
    names.frames([Address(BASE + 64)])
    assert names.frames([Address(BASE + 8)])[0].function == "new"


CHILD = """
import ctypes, sys
libc = ctypes.CDLL(None)
# Not one whose address a fixed-address python takes itself: that would be its PLT entry.
print(ctypes.cast(libc.l64a, ctypes.c_void_p).value, flush=True)
sys.stdin.readline()
late = ctypes.CDLL("libz.so.1")
print(ctypes.cast(late.deflate, ctypes.c_void_p).value, flush=True)
sys.stdin.readline()
"""


@needs_root
def test_frames_of_a_real_process_survive_a_dlopen_and_its_end():
    with talking(CHILD) as child:
        l64a = int(child.line())
        with Process.open(child.pid) as process:
            mapped = AddressSpace(process, open_modules(process))
            names = Symbolizer(mapped)
            vdso = next(m for m in process.maps() if m.path == "[vdso]")
            time.sleep(0.06)
            # In the vdso some function lies within its first bytes of code.
            pcs = [Address(vdso.start + at) for at in range(0x600, 0x1000, 16)]
            frames = names.frames(pcs)
            assert {frame.module for frame in frames} == {"[vdso]"}
            assert any(
                "vdso" in (f.function or "") or "getcpu" in (f.function or "") for f in frames
            )
            assert frames[0].offset == 0x600
            assert frames[0].build_id
            child.go_on()
            deflate = int(child.line())
            time.sleep(0.06)
            assert names.frames([Address(deflate + 1)])[0].function == "deflate"
            child.kill()
            (frame,) = names.frames([Address(l64a + 1)])
            assert frame.function == "l64a"
            assert (frame.module or "").endswith("libc.so.6")
            mapped.close()
