"""The frames of one process.

Owns turning a pc into a function, a module and an offset, also after the process has ended. Leaves
what is mapped where to `target.space`, the names of JIT code to `perfmap` and stacks to `model`.
"""

from collections.abc import Sequence

from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import Address
from ebpftrace.symbols.cache import TableCache
from ebpftrace.symbols.demangling import demangled
from ebpftrace.symbols.perfmap import PerfMap
from ebpftrace.symbols.table import SymbolTable
from ebpftrace.target import vdso
from ebpftrace.target.elf import ElfImage
from ebpftrace.target.maps import Mapping
from ebpftrace.target.modules import Module
from ebpftrace.target.space import REREAD_SECONDS, AddressSpace
from ebpftrace.text import clean

MOST_FRAMES = 100_000
"""Frames kept by pc; a large program's stacks hold some thousands of pcs."""

_MOST_NAMELESS = 10_000

_KERNELS = frozenset({vdso.NAME, "[vsyscall]", "[uprobes]"})


class Symbolizer:
    """Names the pcs of one process. Not for two threads at once."""

    def __init__(
        self,
        space: AddressSpace,
        tables: TableCache | None = None,
        perf_map: PerfMap | None = None,
    ) -> None:
        """`space` and `perf_map` stay the caller's to close, after the last call here.

        `tables` is shared between processes.
        """
        self._space = space
        self._tables = TableCache() if tables is None else tables
        self._frames: dict[Address, Frame] = {}
        self._generation = space.generation
        self._perf_map = perf_map
        self._jit: dict[Address, Frame] = {}
        self._nameless: dict[Address, Frame] = {}
        """JIT code whose name was not written yet when it was asked for."""
        self._jit_generation = perf_map.generation if perf_map else 0
        self._vdso: tuple[ElfImage, SymbolTable] | None = None

    def frames(self, pcs: Sequence[Address]) -> tuple[Frame, ...]:
        """One frame for each of `pcs`, which are return addresses. Never raises.

        A pc outside every known mapping makes the maps be read again, so a library loaded a moment
        ago has its name; where the process has ended or they were just read it stays unnamed.
        """
        self._forget_what_moved()
        return tuple(self._frames.get(pc) or self._jit.get(pc) or self._frame(pc) for pc in pcs)

    def awaits_name(self, frame: Frame) -> bool:
        """Is it of JIT code whose name may come, by `named`?"""
        return self._nameless.get(Address(frame.address)) == frame

    def named(self) -> dict[Frame, Frame]:
        """Nameless frames of JIT code, and what they are by the names that have been written since."""
        if self._perf_map is None or not self._nameless or not self._perf_map.refresh():
            return {}
        before = self._nameless
        self._nameless = {}
        now = zip(before.values(), self.frames(tuple(before)), strict=True)
        return {frame: better for frame, better in now if better.function is not None}

    def _forget_what_moved(self) -> None:
        if self._perf_map and self._jit_generation != self._perf_map.generation:
            self._jit.clear()
            self._jit_generation = self._perf_map.generation
        if self._generation != self._space.generation:
            # What was mapped at an address may be something else now.
            self._frames.clear()
            self._jit.clear()
            self._nameless.clear()
            self._generation = self._space.generation

    def _frame(self, pc: Address) -> Frame:
        # The call is before its return address, which may be the first byte of another function.
        call = Address(pc - 1)
        mapping = self._space.find(call)
        if mapping is None:
            if not self._space.refresh_if_older_than(REREAD_SECONDS):
                return _unknown(pc, None)
            self._forget_what_moved()
            mapping = self._space.find(call)
        if self._perf_map is not None and mapping is not None and self._may_be_jit(mapping):
            return self._jit_frame(self._perf_map, mapping, pc, call)
        # Code is mapped before it runs, so a pc outside maps read later is no code: that is kept.
        frame = self._frame_in(mapping, pc, call) if mapping else _unknown(pc, None)
        if len(self._frames) >= MOST_FRAMES:
            self._frames.clear()
        self._frames[pc] = frame
        return frame

    def _may_be_jit(self, mapping: Mapping) -> bool:
        """Is it executable, and neither of an ELF file nor the kernel's own?"""
        kernels = mapping.path in _KERNELS
        return mapping.executable and not kernels and self._space.image_at(mapping) is None

    def _jit_frame(self, perf_map: PerfMap, mapping: Mapping, pc: Address, call: Address) -> Frame:
        # What is known of the address may be of code that was there before.
        if perf_map.refresh():
            self._forget_what_moved()
        function = perf_map.find(call)
        if function is None:
            # Its name may be written a moment later, so this is asked again.
            frame = _unknown(pc, clean(mapping.path) or "[anon]")
            if len(self._nameless) < _MOST_NAMELESS:
                self._nameless[pc] = frame
            return frame
        module = clean(mapping.path) or "[JIT]"
        frame = Frame(function, None, None, None, False, module, None, None, pc)
        if len(self._jit) >= MOST_FRAMES:
            self._jit.clear()
        self._jit[pc] = frame
        return frame

    def _frame_in(self, mapping: Mapping, pc: Address, call: Address) -> Frame:
        module = self._space.module_of(mapping)
        name = module.name if module else clean(mapping.path) or "[anon]"
        located = self._space.locate(call)
        if located is None:
            return _unknown(pc, name)
        image, address = located
        table = self._table(module, image)
        named = table.called_from(address) if table else None
        return Frame(
            function=demangled(named.name) or None if named else None,
            file=None,
            line=None,
            column=None,
            inlined=False,
            module=name,
            build_id=image.build_id,
            offset=address + 1,
            address=pc,
        )

    def _table(self, module: Module | None, image: ElfImage) -> SymbolTable | None:
        if module is not None:
            return self._tables.table(module)
        if self._vdso is None or self._vdso[0] is not image:
            self._vdso = image, SymbolTable(image)
        return self._vdso[1]


def _unknown(pc: Address, module: str | None) -> Frame:
    """A frame of which no more is known than where it is."""
    return Frame(None, None, None, None, False, module, None, None, pc)
