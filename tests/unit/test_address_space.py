import os

import pytest

from ebpftrace.errors import CannotAttach
from ebpftrace.model.ids import Address, FileOffset
from ebpftrace.target.layout import Layout
from ebpftrace.target.maps import Mapping
from ebpftrace.target.modules import open_modules
from ebpftrace.target.process import Process
from ebpftrace.target.space import HANGS_SECONDS, REREAD_SECONDS, AddressSpace, Changes
from ebpftrace.target.vdso import read_vdso_image
from tests.unit.children import talking
from tests.unit.elf_builder import TEXT_ADDRESS, Elf, Sym
from tests.unit.space_builders import BASE, Clock, StubProcess, mapping, module_of, space

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="map_files needs CAP_SYS_ADMIN")
OTHER = BASE + 0x100000


def gone_after(before: list[Mapping], *now: Mapping) -> list[tuple[int, int]]:
    """What a reading that shows `now` says is gone of `before`, in pages from BASE."""
    stub = StubProcess(*before)
    mapped = space(stub)
    mapped.refresh()
    stub.now = now
    return [((start - BASE) // 4096, (end - BASE) // 4096) for start, end in mapped.refresh().gone]


def pages(first: int, end: int, **given) -> Mapping:
    """[first, end) in pages from BASE, of a file mapped there from its start."""
    values = {"offset": first * 4096, **given}
    return mapping(BASE + first * 4096, (end - first) * 4096, **values)


def test_layouts_find_the_mapping_and_nothing_beside_it():
    layout = Layout([mapping(0x1000), mapping(0x3000)])
    found = layout.find(Address(0x1FFF))
    assert found
    assert found.start == 0x1000
    for outside in (0, 0xFFF, 0x2000, 0x4000):
        assert layout.find(Address(outside)) is None


def test_an_unloaded_library_is_gone_once_and_still_found():
    stub = StubProcess()
    with module_of(Elf([Sym("f")]), mapping()) as module:
        mapped = space(stub, module)
        assert mapped.refresh() == Changes(True, ((Address(BASE), Address(BASE + 4096)),))
        assert mapped.refresh() == Changes(False, ())
        found = mapped.find(Address(BASE))
        assert found == mapping()
        assert mapped.module_of(found) is module


@pytest.mark.parametrize(
    "now",
    [
        pages(0, 4, inode=6),
        pages(0, 4, path="/y.so"),
        pages(0, 4, offset=0x4000),
        pages(0, 4, inode=0, path=""),
        pages(0, 4, perms="rw-p"),
    ],
)
def test_a_file_replaced_at_its_address_is_gone(now):
    assert gone_after([pages(0, 4)], now) == [(0, 4)]


@pytest.mark.parametrize(
    "now",
    [
        [pages(0, 4, path="/x.so (deleted)")],
        [pages(0, 2), pages(2, 4, perms="rwxp")],
        [pages(0, 8)],
    ],
)
def test_code_that_is_deleted_cut_or_grown_is_not_gone(now):
    assert gone_after([pages(0, 4)], *now) == []


def test_of_code_that_was_cut_only_the_missing_parts_are_gone():
    parts = [pages(1, 2), pages(2, 4, perms="rw-p"), pages(5, 6)]
    assert gone_after([pages(0, 8)], *parts) == [(0, 1), (2, 5), (6, 8)]
    assert gone_after([pages(0, 2), pages(2, 4)], pages(1, 3)) == [(0, 1), (3, 4)]


def test_code_of_no_file_is_the_same_where_it_grew_and_was_cut():
    code = {"inode": 0, "path": "", "offset": 0}
    assert gone_after([pages(0, 4, **code)], pages(1, 8, **code)) == [(0, 1)]


def test_data_that_changes_is_no_change_of_code():
    stub = StubProcess(mapping(), mapping(OTHER, perms="rw-p"))
    mapped = space(stub)
    mapped.refresh()
    generation = mapped.generation
    stub.now = (mapping(), mapping(OTHER + 0x1000, perms="rw-p", inode=0, path=""))
    assert mapped.refresh() == Changes(False, ())
    assert mapped.generation == generation
    assert mapped.find(Address(OTHER)) is None
    stub.now = (mapping(), mapping(OTHER, inode=6, path="/y.so"))
    assert mapped.refresh() == Changes(True, ())
    assert mapped.generation != generation


def test_listeners_learn_what_a_reading_for_another_changed():
    stub = StubProcess(mapping())
    mapped = space(stub)
    heard: list[Changes] = []
    mapped.listen(heard.append)
    assert mapped.find_or_reread(Address(BASE)) == mapping()
    stub.now = ()
    mapped.refresh()
    mapped.refresh()
    assert heard == [Changes(True, ()), Changes(True, ((Address(BASE), Address(BASE + 4096)),))]


def test_a_module_mapped_twice_is_one_image_at_two_addresses():
    with module_of(Elf([Sym("f")]), mapping(), mapping(OTHER)) as module:
        mapped = space(StubProcess(mapping(OTHER)), module)
        first, second = mapped.locate(Address(BASE + 8)), mapped.locate(Address(OTHER + 8))
        assert first == second == (module.image, TEXT_ADDRESS + 8)
        # One of the two is unmapped: the other stays what it was.
        assert mapped.refresh().gone == ((BASE, BASE + 4096),)
        assert mapped.locate(Address(OTHER + 8)) == first
        assert mapped.modules == (module,)


def test_addresses_of_no_file_and_beside_a_segment_have_no_image():
    with module_of(Elf([]), mapping(size=0x100000)) as module:
        stub = StubProcess(mapping(size=0x100000), mapping(OTHER, path="[heap]", inode=0))
        mapped = space(stub, module)
        mapped.refresh()
        assert mapped.locate(Address(OTHER)) is None
        assert mapped.locate(Address(BASE + 0xFFFFF)) is None
        assert mapped.locate(Address(64)) is None


def test_a_module_that_could_not_be_opened_has_no_image():
    mapped = space(StubProcess(mapping()))
    found = mapped.find_or_reread(Address(BASE))
    assert found
    module = mapped.module_of(found)
    assert module
    assert module.fd == -1
    assert mapped.image_at(found) is None


def test_unknown_addresses_have_the_maps_read_at_most_every_50_ms():
    clock = Clock()
    stub = StubProcess()
    mapped = space(stub, clock=clock)
    for _ in range(3):
        assert mapped.find_or_reread(Address(64)) is None
    assert mapped.find(Address(65)) is None
    assert stub.reads == 1
    clock.now += REREAD_SECONDS + 0.001
    mapped.find_or_reread(Address(64))
    assert stub.reads == 2


def test_a_frozen_space_keeps_the_maps_as_last_read():
    stub = StubProcess(mapping())
    mapped = space(stub)
    mapped.refresh()
    mapped.freeze()
    stub.now = (mapping(OTHER),)
    assert mapped.refresh() == Changes(False, ())
    assert not mapped.refresh_if_older_than(0)
    assert mapped.find_or_reread(Address(OTHER)) is None
    assert mapped.find(Address(BASE))
    assert stub.reads == 1


def test_a_process_that_has_ended_keeps_its_mappings():
    with module_of(Elf([Sym("f")]), mapping()) as module:
        mapped = space(StubProcess(ended=True), module)
        assert mapped.refresh() == Changes(False, ())
        assert not mapped.refresh_if_older_than(0)
        assert mapped.find_or_reread(Address(OTHER)) is None
        assert mapped.locate(Address(BASE)) == (module.image, TEXT_ADDRESS)


def test_maps_that_hung_are_left_alone_for_a_minute():
    clock = Clock()
    stub = StubProcess(mapping())
    stub.raises = CannotAttach("Process 1 is stuck.")
    mapped = space(stub, clock=clock)
    assert mapped.find_or_reread(Address(BASE)) is None
    clock.now += HANGS_SECONDS
    assert not mapped.refresh_if_older_than(REREAD_SECONDS)
    assert stub.reads == 1
    stub.raises = None
    clock.now += REREAD_SECONDS + 0.001
    assert mapped.find_or_reread(Address(BASE)) == mapping()


def test_a_closed_space_holds_no_file_and_still_finds_mappings():
    with module_of(Elf([Sym("f")]), mapping()) as module:
        stub = StubProcess(mapping(OTHER))
        mapped = space(stub, module)
        mapped.close()
        mapped.close()
        assert module.fd == -1
        assert mapped.find(Address(BASE)) == mapping()
        assert mapped.locate(Address(BASE)) is None
        # It opens nothing again that nobody would close.
        assert not mapped.refresh_if_older_than(0)
        assert stub.reads == 0


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


CHILD = """
import _ctypes, ctypes, sys
# Not libz, which many builds of python are linked with.
late = ctypes.CDLL("liblzma.so.5")
print(ctypes.cast(late.lzma_version_number, ctypes.c_void_p).value, flush=True)
sys.stdin.readline()
_ctypes.dlclose(late._handle)
print(flush=True)
sys.stdin.readline()
"""


@needs_root
def test_a_real_process_unloads_a_library_and_shows_its_vdso():
    held = descriptors()
    with talking(CHILD) as child:
        function = Address(int(child.line()))
        with Process.open(child.pid) as process:
            mapped = AddressSpace(process, open_modules(process))
            assert mapped.refresh().gone == ()
            library = mapped.locate(function)
            assert library
            assert library[0].soname() == b"liblzma.so.5"
            child.go_on()
            child.line()
            (gone,) = mapped.refresh().gone
            assert gone[0] <= function < gone[1]
            assert mapped.refresh() == Changes(False, ())
            assert mapped.locate(function) == library

            vdso = next(m for m in process.maps() if m.path == "[vdso]")
            image = mapped.image_at(vdso)
            assert image
            assert image is mapped.image_at(vdso)
            assert mapped.locate(Address(vdso.start + 0x600)) == (image, 0x600)
            child.kill()
            # A copy: it is read after the process has ended.
            assert image.read(FileOffset(0), 4) == b"\x7fELF"
            assert any(symbol.name.startswith("__vdso_") for symbol in image.symbols())
            assert mapped.image_at(vdso) is image
            assert read_vdso_image(process, vdso) is None
            mapped.close()
            assert image.read(FileOffset(0), 4) == b""
            assert mapped.image_at(vdso) is None
    assert descriptors() == held
