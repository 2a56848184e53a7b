"""The frames of one process.

Owns turning a pc into a function, a module and an offset, also after the process has ended: the
mapped files are held open, the mappings remembered. Leaves stacks to `model`.
"""

import time
from collections.abc import Callable, Sequence

from ebpftrace.errors import CannotAttach
from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import Address, FileOffset, ImageAddress
from ebpftrace.symbols.cache import TableCache
from ebpftrace.symbols.vdso import Vdso, read_vdso
from ebpftrace.target.layout import Layout
from ebpftrace.target.maps import Mapping
from ebpftrace.target.modules import Module, ModuleKey, key_of, open_modules
from ebpftrace.target.process import Process
from ebpftrace.text import clean

REREAD_SECONDS = 0.05
"""The maps are read again at most this often, however many pcs lie outside the known ones."""
HANGS_SECONDS = 60.0
"""And so much later where that hung, because the memory of the process is locked for good."""
MOST_FRAMES = 100_000
"""Frames kept by pc; a large program's stacks hold some thousands of pcs."""

_VDSO = "[vdso]"


class Symbolizer:
    """Names the pcs of one process. Not for two threads at once."""

    def __init__(
        self,
        process: Process,
        modules: Sequence[Module],
        tables: TableCache | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`modules` and those opened later stay the caller's to close, after the last call here.

        `tables` is shared between processes.
        """
        self._process = process
        self._modules: dict[ModuleKey, Module] = {module.key: module for module in modules}
        self._tables = TableCache() if tables is None else tables
        self._clock = clock
        self._layout = Layout(
            sorted((part for m in modules for part in m.mappings), key=lambda part: part.start)
        )
        self._frames: dict[Address, Frame] = {}
        self._vdso: Vdso | None = None
        self._code: list[Mapping] = []
        self._read_at = float("-inf")
        self._frozen = False

    @property
    def modules(self) -> tuple[Module, ...]:
        """Every module known by now, unloaded ones too."""
        return tuple(self._modules.values())

    def frames(self, pcs: Sequence[Address]) -> tuple[Frame, ...]:
        """One frame for each of `pcs`, which are return addresses. Never raises.

        A pc outside every known mapping makes the maps be read again, so a library loaded a moment
        ago has its name; where the process has ended or they were just read it stays unnamed.
        """
        return tuple(self._frames.get(pc) or self._frame(pc) for pc in pcs)

    def freeze(self) -> None:
        """Go on with the maps as last read: the process runs another program now."""
        self._frozen = True

    def refresh(self) -> None:
        """Read the maps now: something was mapped or unmapped. Does nothing for what ended."""
        self._read_at = self._clock()
        if self._frozen or self._process.ended():
            return
        try:
            maps = self._process.maps()
            opened = open_modules(self._process, self.modules, maps)
        except CannotAttach:
            self._read_at += HANGS_SECONDS
            return
        self._modules.update((module.key, module) for module in opened)
        self._layout = self._layout.after(maps)
        code = [mapping for mapping in maps if mapping.executable]
        if code != self._code:
            self._code = code
            # What was mapped at an address may be something else now.
            self._frames.clear()

    def _frame(self, pc: Address) -> Frame:
        # The call is before its return address, which may be the first byte of another function.
        call = Address(pc - 1)
        mapping = self._layout.find(call)
        if mapping is None:
            if self._clock() - self._read_at < REREAD_SECONDS:
                return _unknown(pc, None)
            self.refresh()
            mapping = self._layout.find(call)
        # Code is mapped before it runs, so a pc outside maps read later is no code: that is kept.
        frame = self._frame_in(mapping, pc, call) if mapping else _unknown(pc, None)
        if len(self._frames) >= MOST_FRAMES:
            self._frames.clear()
        self._frames[pc] = frame
        return frame

    def _frame_in(self, mapping: Mapping, pc: Address, call: Address) -> Frame:
        if mapping.special and mapping.path == _VDSO:
            return self._vdso_frame(mapping, pc)
        module = self._modules.get(key_of(mapping)) if mapping.file_backed else None
        if module is None:
            return _unknown(pc, clean(mapping.path) or "[anon]")
        offset = FileOffset(call - mapping.start + mapping.offset)
        address = module.image.image_address(offset) if module.image else None
        if address is None:
            return _unknown(pc, module.name)
        table = self._tables.table(module)
        named = table.find(address) if table else None
        return Frame(
            function=named.name or None if named else None,
            file=None,
            line=None,
            column=None,
            inlined=False,
            module=module.name,
            build_id=module.build_id,
            offset=address + 1,
            address=pc,
        )

    def _vdso_frame(self, mapping: Mapping, pc: Address) -> Frame:
        if self._vdso is None:
            self._vdso = read_vdso(self._process, mapping)
        offset = ImageAddress(pc - mapping.start)
        if self._vdso is None:
            return _unknown(pc, _VDSO)
        named = self._vdso.table.find(ImageAddress(offset - 1))
        return Frame(
            function=named.name if named else None,
            file=None,
            line=None,
            column=None,
            inlined=False,
            module=_VDSO,
            build_id=self._vdso.build_id,
            offset=offset,
            address=pc,
        )


def _unknown(pc: Address, module: str | None) -> Frame:
    """A frame of which no more is known than where it is."""
    return Frame(None, None, None, None, False, module, None, None, pc)
