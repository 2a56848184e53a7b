import contextlib
import os
from collections.abc import Iterator
from typing import cast

import pytest

from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import Address
from ebpftrace.symbols.line_frames import LineFrames
from ebpftrace.symbols.perfmap import PerfMap
from ebpftrace.symbols.resolver.client import Opened
from ebpftrace.symbols.symbolizer import Symbolizer
from ebpftrace.target.maps import Mapping
from ebpftrace.target.modules import Module
from ebpftrace.target.process import Process
from ebpftrace.target.space import AddressSpace
from tests.unit.elf_builder import TEXT_ADDRESS, Elf, Sym
from tests.unit.line_builders import LookUp, looking_up
from tests.unit.space_builders import BASE, StubProcess, mapping, module_of

PC = BASE + 9
CALL = TEXT_ADDRESS + 8
ANON = Mapping(Address(0x5000), Address(0x6000), "r-xp", 0, "00:00", 0, "")  # type: ignore[arg-type]


class Names:
    """One process: what names its frames, and gives them lines."""

    def __init__(
        self,
        up: LookUp,
        *modules: Module,
        perf_map: PerfMap | None = None,
        maps: tuple[Mapping, ...] = (),
    ) -> None:
        self.up = up
        self.stub = StubProcess(*(part for one in modules for part in one.mappings), *maps)
        self.space = AddressSpace(cast(Process, self.stub), modules)
        self.symbolizer = Symbolizer(self.space, perf_map=perf_map)
        self.frames = LineFrames(self.symbolizer, self.space, up.lines, None, ())

    def frame(self, pc: int = PC) -> Frame:
        return self.symbolizer.frames([Address(pc)])[0]

    def refined(self, *frames: Frame) -> list[tuple[Frame, ...] | None]:
        return self.frames.refined(frames)

    def lines_of(self, frame: Frame) -> tuple[Frame, ...]:
        """What `frame` gives way to once all is looked up."""
        (now,) = self.refined(frame)
        if now is not None:
            return now
        self.up.settle()
        return self.frames.arrived()[frame]


@pytest.fixture
def up() -> Iterator[LookUp]:
    with looking_up() as one:
        yield one


@contextlib.contextmanager
def library(*symbols: Sym, build_id: str = "abcd", **where) -> Iterator[Module]:
    with module_of(Elf(symbols, build_id=bytes.fromhex(build_id)), mapping(**where)) as module:
        yield module


def test_a_frame_gives_way_to_one_for_each_function_at_its_call(up):
    with library(Sym("outer")) as module:
        names = Names(up, module)
        frame = names.frame()
        inner, outer = names.lines_of(frame)
    assert (inner.function, inner.file, inner.line, inner.inlined) == (
        f"f{CALL}",
        "/0.h",
        CALL,
        True,
    )
    assert (outer.function, outer.file, outer.line, outer.inlined) == ("outer", "/0.c", 1, False)
    for one in (inner, outer):
        assert (one.module, one.offset, one.address) == (frame.module, frame.offset, frame.address)
        assert one.build_id == "abcd"


@pytest.mark.parametrize("name", ["grow.cold", "grow.constprop.0", "grow@plt"])
def test_the_symbol_says_more_of_a_function_than_its_debug_information(up, name):
    with library(Sym(name)) as module:
        names = Names(up, module)
        frame = names.frame()
        *_, outer = names.lines_of(frame)
    assert outer.function == frame.function
    assert outer.function
    assert outer.function.startswith("grow")


def test_without_a_symbol_the_debug_information_names_the_function(up):
    with library() as module:
        names = Names(up, module)
        assert names.frame().function is None
        *_, outer = names.lines_of(names.frame())
    assert outer.function == "main"


def test_a_frame_stays_where_nothing_is_known(up):
    up.resolver.answer = Opened(has_debug_info=False, refused=(), unanswered=None)
    with library(Sym("f")) as module:
        names = Names(up, module)
        frame = names.frame()
        assert names.lines_of(frame) == (frame,)
        assert names.refined(frame) == [(frame,)]


def test_what_is_known_already_is_there_at_once(up):
    with library(Sym("f", size=64)) as module:
        names = Names(up, module)
        first = names.lines_of(names.frame())
        assert names.refined(names.frame()) == [first]
        assert names.frames.arrived() == {}


def test_frames_with_lines_and_of_no_file_stay_and_are_not_asked_for(up):
    with library(Sym("f")) as module:
        names = Names(up, module)
        inner, outer = names.lines_of(names.frame())
        unknown = names.frame(0x1234)
        assert names.refined(inner, outer, unknown) == [(inner,), (outer,), (unknown,)]
    assert up.lines.naming().wanted == 1


def test_frames_of_one_place_wait_together(up):
    with library(Sym("f")) as module:
        names = Names(up, module)
        frame = names.frame()
        up.resolver.gate.clear()
        assert names.refined(frame, frame) == [None, None]
        up.resolver.gate.set()
        up.settle()
        assert len(names.frames.arrived()) == 1
        assert names.frames.arrived() == {}
    assert up.lines.naming().wanted == 1


def test_two_processes_share_what_is_found_of_a_file(up):
    with library(Sym("f")) as module:
        one, two = Names(up, module), Names(up, module)
        up.resolver.gate.clear()
        assert one.refined(one.frame()) == two.refined(two.frame()) == [None]
        up.resolver.gate.set()
        up.settle()
        assert one.frames.arrived() == two.frames.arrived()
        three = Names(up, module)
        assert three.refined(three.frame())[0]
    assert len(up.resolver.asked) == 1


def test_frames_of_a_process_that_has_ended_still_get_lines(up):
    up.resolver.gate.clear()
    with library(Sym("f")) as module:
        names = Names(up, module)
        frame = names.frame()
        names.space.freeze()
        names.stub.has_ended = True
        assert names.refined(frame) == [None]
        up.resolver.gate.set()
        up.settle()
        assert len(names.frames.arrived()[frame]) == 2


def test_a_file_stays_open_for_its_lines_when_its_module_is_closed(up):
    up.resolver.gate.clear()
    with library(Sym("f")) as module:
        names = Names(up, module)
        frame = names.frame()
        assert names.refined(frame) == [None]
        (held,) = [file for file in up.lines._files.values() if file]
        module.close()
        os.fstat(held.fd)
        up.resolver.gate.set()
        up.settle()
        assert len(names.frames.arrived()[frame]) == 2


@pytest.mark.parametrize(
    "path, build_id", [("/y.so", "abcd"), ("/x.so", "beef"), ("/y.so", "beef")]
)
def test_a_frame_gets_no_lines_of_another_file_that_is_mapped_there_now(up, path, build_id):
    with (
        library(Sym("f")) as first,
        library(Sym("f"), build_id=build_id, path=path, inode=6) as second,
    ):
        frame = Names(up, first).frame()
        now = Names(up, second)
        assert now.frame().offset == frame.offset
        assert now.refined(frame) == [(frame,)]
        assert len(now.lines_of(now.frame())) == 2


def test_lines_of_what_was_there_before_are_those_of_the_old_file(up):
    up.resolver.gate.clear()
    with library(Sym("f")) as first, library(Sym("f"), path="/y.so", inode=6) as second:
        one, two = Names(up, first), Names(up, second)
        old, new = one.frame(), two.frame()
        assert one.refined(old) == two.refined(new) == [None]
        up.resolver.gate.set()
        up.settle()
        assert [frame.file for frame in one.frames.arrived()[old]] == ["/0.h", "/0.c"]
        assert [frame.file for frame in two.frames.arrived()[new]] == ["/1.h", "/1.c"]


class JitMap:
    """Stands for a perf map whose names come when the test lets them."""

    generation = 0

    def __init__(self) -> None:
        self.names: dict[int, str] = {}

    def find(self, address: int) -> str | None:
        return self.names.get(address)

    def refresh(self) -> bool:
        return True


def test_jit_code_is_named_when_its_name_has_been_written(up):
    written = JitMap()
    names = Names(up, perf_map=cast(PerfMap, written), maps=(ANON,))
    frame = names.frame(0x5010)
    assert frame.function is None
    assert names.refined(frame) == [None]
    assert names.frames.arrived() == {}
    written.names[0x500F] = "py::work"
    (better,) = names.frames.arrived()[frame]
    assert better.function == "py::work"
    assert names.refined(better) == [(better,)]
    assert names.frames.arrived() == {}
