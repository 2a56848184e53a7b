"""The files a process has mapped to run, each held open.

Owns finding them in the maps. Leaves opening the very file behind a mapping to `map_files`, what is in
it to `elf`, and [vdso], which no file holds, to `vdso`.
"""

import errno
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby, pairwise

from ebpftrace import shortage
from ebpftrace.errors import CannotAttach
from ebpftrace.model.ids import Address, FileOffset, ImageAddress
from ebpftrace.target.elf import BadElf, ElfImage
from ebpftrace.target.map_files import open_mapped
from ebpftrace.target.maps import Mapping
from ebpftrace.target.process import Process
from ebpftrace.target.regular import NotRegular
from ebpftrace.text import clean

MOST_OPEN = 512
"""Files held for one process; chromium maps about 150, and half of a usual fd limit is left."""

MOST_MOVED = 16
"""Files without executable mappings that are looked into: what lies beside a JIT's code."""
_MOST_BIASES = 16  # segments and mappings of one file that are looked at for that; it has 5 or so
_PAGE = 4096
_NOT_OPENED = "it cannot be opened: "
_NO_MORE_FILES = _NOT_OPENED + os.strerror(errno.EMFILE)

ModuleKey = tuple[str, int, str]
"""Device, inode and path, without " (deleted)", of /proc/PID/maps: what makes one module.

The path tells files of two btrfs snapshots apart, which share device and inode there.
"""


class Module:
    """One mapped file. `mappings` is replaced as a whole when the maps are read again.

    `fd` is -1 and `why` says the reason where the file could not be opened; `image` is None, and
    `why` says the reason, where it is not a usable ELF file.
    """

    def __init__(self, key: ModuleKey, mappings: tuple[Mapping, ...], fd: int, why: str) -> None:
        """For `open_modules`; takes over `fd`."""
        self.key = key
        self.path = mappings[0].path
        self.name = clean(self.path)
        self.mappings = mappings
        self.fd = fd
        self.why = why
        self._image: ElfImage | None = None
        self._parsed = fd < 0

    def __repr__(self) -> str:
        return f"<Module {self.name!r}>"

    @property
    def image(self) -> ElfImage | None:
        """The parsed file, read at first use; None with the reason in `why`."""
        if not self._parsed:
            self._parsed = True
            try:
                self._image = ElfImage.open(self.fd)
            except BadElf as error:
                self.why = str(error)
        return self._image

    @property
    def build_id(self) -> str | None:
        """Hex of the GNU build id."""
        return self.image.build_id if self.image else None

    @property
    def attach_path(self) -> str:
        """A path by which this process, and only it, attaches to the very file that is mapped."""
        return f"/proc/self/fd/{self.fd}"

    @property
    def identity(self) -> tuple[int, int, int, int] | None:
        """Device, inode, size and change time of the open file: equal for equal contents."""
        if self.fd < 0:
            return None
        status = os.fstat(self.fd)
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns

    def address_of(self, offset: FileOffset) -> tuple[Address, ...]:
        """Where the byte at `offset` is executable in the process: nowhere, once, or more often."""
        return tuple(
            Address(part.start + offset - part.offset)
            for part in self.mappings
            if part.executable and 0 <= offset - part.offset < part.end - part.start
        )

    def offset_of(self, address: Address) -> FileOffset | None:
        """The file offset of what is mapped at `address`, None where that is not this file."""
        for part in self.mappings:
            if part.start <= address < part.end:
                return FileOffset(address - part.start + part.offset)
        return None

    def image_address_of(self, address: Address) -> ImageAddress | None:
        """`address` as the ELF file states it, the load bias taken off."""
        offset = self.offset_of(address)
        if offset is None or self.image is None:
            return None
        return self.image.image_address(offset)

    def close(self) -> None:
        """Let go of the file; closing twice does nothing. The parsed image cannot read any more."""
        self._parsed, self._image = True, None
        if self.fd >= 0:
            os.close(self.fd)
            self.fd, self.why = -1, "closed"


def key_of(mapping: Mapping) -> ModuleKey:
    """The key of the module that a file-backed `mapping` belongs to."""
    return mapping.device, mapping.inode, mapping.path.removesuffix(" (deleted)")


def open_modules(
    process: Process, known: Sequence[Module] = (), maps: Sequence[Mapping] | None = None
) -> tuple[Module, ...]:
    """The files that `process` has mapped to run, in the order of their first address.

    Also those of which only the rest is mapped, because their code was moved to memory of no file.
    A module of `known` that is still mapped is used again with its mappings brought up to date;
    one that is not is neither returned nor closed. A file that cannot be opened is returned with
    `fd` -1 and its reason, and tried again the next time. `maps`: mappings just
    read. TargetGone, CannotAttach as `process.maps`, and at first where no more files can be opened.
    """
    if maps is None:
        maps = process.maps()
    held = {module.key: module for module in known if module.fd >= 0}
    tried = len(held)
    found: list[Module] = []
    for key, mappings in _by_file(maps):
        module = held.get(key)
        if module is not None:
            module.mappings = mappings
        elif tried >= MOST_OPEN:
            module = Module(key, mappings, -1, f"more than {MOST_OPEN} files are mapped")
        else:
            module = _open(process, key, mappings)
            if module.why == _NO_MORE_FILES and not known:
                for each in found:
                    each.close()
                raise CannotAttach(shortage.open_files())
            tried += 1
            if not _runs(module, maps):
                module.close()
                continue
        found.append(module)
    return tuple(found)


@contextmanager
def released(modules: Sequence[Module]) -> Iterator[Sequence[Module]]:
    """Closes them afterwards."""
    try:
        yield modules
    finally:
        for module in modules:
            module.close()


def _by_file(maps: Sequence[Mapping]) -> list[tuple[ModuleKey, tuple[Mapping, ...]]]:
    """Every mapping of each file that is mapped executable at least once, or may have been."""
    backed = [mapping for mapping in maps if mapping.file_backed]
    backed.sort(key=key_of)
    groups = [(key, tuple(parts)) for key, parts in groupby(backed, key=key_of)]
    runs = [(key, parts) for key, parts in groups if any(part.executable for part in parts)]
    runs += _beside_nameless_code(maps, {key for key, _ in runs}, dict(groups))[:MOST_MOVED]
    return sorted(runs, key=lambda group: group[1][0].start)


def _beside_nameless_code(
    maps: Sequence[Mapping],
    running: Collection[ModuleKey],
    groups: dict[ModuleKey, tuple[Mapping, ...]],
) -> list[tuple[ModuleKey, tuple[Mapping, ...]]]:
    """The other files of which a mapping lies next to executable memory that no file backs."""
    beside: dict[ModuleKey, tuple[Mapping, ...]] = {}
    for before, after in pairwise(maps):
        for code, file in ((before, after), (after, before)):
            if not _nameless_code(code) or not file.file_backed or before.end != after.start:
                continue
            key = key_of(file)
            if key not in running:
                beside[key] = groups[key]
    return list(beside.items())


def _nameless_code(mapping: Mapping) -> bool:
    # Huge pages of hugetlbfs have an inode there, and their file this name.
    huge = mapping.path.startswith("/anon_hugepage")
    return mapping.executable and not mapping.special and (huge or not mapping.file_backed)


def _runs(module: Module, maps: Iterable[Mapping]) -> bool:
    """Whether it is mapped executable, or nameless code lies where its own would be."""
    if any(part.executable for part in module.mappings):
        return True
    segments = module.image.segments if module.image else ()
    code = [segment.vaddr for segment in segments if segment.flags & 1 and segment.filesz]
    # Mappings begin at whole pages, so the end of one segment may come with the start of the next.
    biases = {
        part.start - part.offset + segment.offset - segment.vaddr
        for part in module.mappings[:_MOST_BIASES]
        for segment in segments[:_MOST_BIASES]
        if segment.offset & -_PAGE <= part.offset < segment.offset + segment.filesz
    }
    places = {address + bias for address in code[:_MOST_BIASES] for bias in biases}
    nameless = [mapping for mapping in maps if _nameless_code(mapping)]
    return any(part.start <= place < part.end for part in nameless for place in places)


def _open(process: Process, key: ModuleKey, mappings: tuple[Mapping, ...]) -> Module:
    """Open the file through whichever of its mappings is still there."""
    why = ""
    for part in ([part for part in mappings if part.executable] or mappings)[:4]:
        try:
            return Module(key, mappings, open_mapped(process, part), "")
        except (NotRegular, CannotAttach) as error:
            return Module(key, mappings, -1, str(error))
        except FileNotFoundError:
            why = "it was unmapped while it was being opened"
        except OSError as error:
            why = f"{_NOT_OPENED}{error.strerror}"
    return Module(key, mappings, -1, why)
