"""What is mapped where in one process, kept in step with it.

Owns when the maps are read, the modules and the [vdso] opened for them, and telling which code is
no longer what it was. Leaves what is in the code to `symbols` and `unwind`.
"""

import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ebpftrace.errors import CannotAttach, TargetGone
from ebpftrace.model.ids import Address, FileOffset, ImageAddress
from ebpftrace.target import vdso
from ebpftrace.target.elf import ElfImage
from ebpftrace.target.layout import Layout
from ebpftrace.target.maps import Mapping
from ebpftrace.target.modules import Module, ModuleKey, key_of, open_modules
from ebpftrace.target.process import Process

REREAD_SECONDS = 0.05
"""The maps are read again at most this often, however many addresses lie outside the known ones."""
HANGS_SECONDS = 60.0
"""And so much later where that hung, because the memory of the process is locked for good."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What one reading of the maps showed against the one before.

    `code_changed`: the executable mappings differ. `gone`: the ranges [start, end), ascending, of
    executable memory that was unmapped, lost its permission, or shows another file or another part
    of it by now; what it held is no longer true of these addresses.
    """

    code_changed: bool
    gone: tuple[tuple[Address, Address], ...]


_UNCHANGED = Changes(code_changed=False, gone=())


class AddressSpace:
    """What is mapped in one process, also after its end. Not for two threads at once."""

    def __init__(
        self,
        process: Process,
        modules: Sequence[Module],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Takes over `modules`, as `open_modules` gave them; `process` stays the caller's."""
        self._process = process
        self._modules: dict[ModuleKey, Module] = {module.key: module for module in modules}
        self._loaded = tuple(modules)
        self._clock = clock
        known = sorted((part for m in modules for part in m.mappings), key=lambda part: part.start)
        self._layout = Layout(known)
        self._mappings: Sequence[Mapping] = known
        self._code = [mapping for mapping in known if mapping.executable]
        self._vdso: tuple[Mapping, vdso.VdsoImage] | None = None
        self._listeners: list[Callable[[Changes], None]] = []
        self._generation = 0
        self._read_at = float("-inf")
        self._mapped_at: float | None = None
        self._took = 0.0
        self._frozen = False

    @property
    def modules(self) -> tuple[Module, ...]:
        """Every module known by now, unloaded ones too."""
        return tuple(self._modules.values())

    @property
    def loaded(self) -> tuple[Module, ...]:
        """Those of which something is mapped to run, as last read."""
        return self._loaded

    @property
    def generation(self) -> int:
        """Another number whenever the executable mappings changed."""
        return self._generation

    @property
    def mappings(self) -> Sequence[Mapping]:
        """All mappings, ascending, as last read; before the first reading here those of modules."""
        return self._mappings

    @property
    def mapped_at(self) -> float | None:
        """When that reading of all mappings began, by the clock; None before the first."""
        return self._mapped_at

    def mapping_at(self, address: Address) -> Mapping | None:
        """What lies there, of `mappings`."""
        at = bisect_right(self._mappings, address, key=lambda mapping: mapping.start) - 1
        found = self._mappings[at] if at >= 0 else None
        return found if found is not None and address < found.end else None

    def listen(self, listener: Callable[[Changes], None]) -> None:
        """Call `listener` after each reading by which code changed, whoever asked for it."""
        self._listeners.append(listener)

    def memory(self, address: Address, most: int) -> bytes:
        """As of the process now; none where it has ended or runs another program."""
        try:
            return b"" if self._frozen else self._process.memory(address, most)
        except TargetGone:
            return b""

    def find(self, address: Address) -> Mapping | None:
        """The mapping that `address` lies in, or lay in: unloaded code, nothing else there now."""
        return self._layout.find(address)

    def find_or_reread(self, address: Address) -> Mapping | None:
        """As `find`; for an address outside the maps known they are read again, if not just read.

        A library loaded a moment ago is found by this.
        """
        mapping = self.find(address)
        if mapping is None and self.refresh_if_older_than(REREAD_SECONDS):
            mapping = self.find(address)
        return mapping

    def module_of(self, mapping: Mapping) -> Module | None:
        """The file behind `mapping`, None where there is none or none of its mappings ran."""
        return self._modules.get(key_of(mapping)) if mapping.file_backed else None

    def image_at(self, mapping: Mapping) -> ElfImage | None:
        """The ELF image behind `mapping`: its module's or [vdso]; None where that is unreadable."""
        if mapping.special and mapping.path == vdso.NAME:
            return self._vdso_at(mapping)
        module = self.module_of(mapping)
        return module.image if module else None

    def locate(self, address: Address) -> tuple[ElfImage, ImageAddress] | None:
        """The image that `address` lies in, by `find`, and its address there.

        None where no image is mapped, and in bytes that only fill a page beside a segment.
        """
        mapping = self.find(address)
        image = self.image_at(mapping) if mapping else None
        if mapping is None or image is None:
            return None
        inside = image.image_address(FileOffset(address - mapping.start + mapping.offset))
        return None if inside is None else (image, inside)

    def refresh(self) -> Changes:
        """Read the maps now, and say what that changed; not what others' readings did: `listen`.

        Nothing changes where the process has ended, is frozen here, or cannot be read.
        """
        return self._read() or _UNCHANGED

    def refresh_if_older_than(self, seconds: float, share: float = 0.2) -> bool:
        """Were the maps read now? Not if it was tried less than `seconds` ago, nor after a hang.

        Nor where that would take more than a `share` of the time: 10,000 mappings take 50 ms.
        """
        least = max(seconds, self._took / share)
        return self._clock() - self._read_at >= least and self._read() is not None

    def freeze(self) -> None:
        """Go on with the maps as last read: the process runs another program now."""
        self._frozen = True

    def close(self) -> None:
        """Let go of every file; closing twice does nothing. Mappings are still found."""
        self._frozen = True
        for module in self._modules.values():
            module.close()
        if self._vdso is not None:
            self._vdso[1].close()
            self._vdso = None

    def _read(self) -> Changes | None:
        """Read the maps; None where they could not be."""
        self._read_at = began = self._clock()
        if self._frozen or self._process.ended():
            return None
        try:
            maps = self._process.maps()
            opened = open_modules(self._process, self.modules, maps)
        except CannotAttach:
            self._read_at += HANGS_SECONDS
            return None
        self._modules.update((module.key, module) for module in opened)
        self._loaded = opened
        self._layout = self._layout.after(maps)
        self._mappings, self._mapped_at = maps, began
        self._took = self._clock() - began
        code = [mapping for mapping in maps if mapping.executable]
        if code == self._code:
            return _UNCHANGED
        changes = Changes(code_changed=True, gone=tuple(_gone(self._code, code)))
        self._code = code
        self._generation += 1
        for listener in self._listeners:
            listener(changes)
        return changes

    def _vdso_at(self, mapping: Mapping) -> ElfImage | None:
        if self._vdso is not None and self._vdso[0] == mapping:
            return self._vdso[1]
        # The memory of a frozen process is another program's.
        image = None if self._frozen else vdso.read_vdso_image(self._process, mapping)
        if image is not None:
            if self._vdso is not None:
                self._vdso[1].close()
            self._vdso = mapping, image
        return image


def _gone(before: Sequence[Mapping], now: Sequence[Mapping]) -> Iterator[tuple[Address, Address]]:
    """The parts of `before` that `now` does not show any more; both ascend and are executable."""
    first = 0
    for old in before:
        while first < len(now) and now[first].end <= old.start:
            first += 1
        left, at = old.start, first
        while at < len(now) and now[at].start < old.end:
            if _shows_the_same(old, now[at]):
                if left < now[at].start:
                    yield left, now[at].start
                left = now[at].end
            at += 1
        if left < old.end:
            yield left, old.end


def _shows_the_same(old: Mapping, new: Mapping) -> bool:
    """Whether an address of both has the same byte of the same file, or none has a file."""
    # An inode is not used again while its file is held open, as modules are. Anonymous memory
    # has offset 0 wherever it was cut.
    if not old.file_backed:
        return not new.file_backed and old.path == new.path
    return key_of(old) == key_of(new) and old.start - old.offset == new.start - new.offset
