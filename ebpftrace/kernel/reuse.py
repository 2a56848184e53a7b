"""Compiles what no earlier start has compiled, and takes from the disk what one has.

Clang and the import of BCC are most of a start. A build is kept under a hash of all that its code
depends on. How many entries a map has is not in the code: so it is no part of the hash, and the
memory that happens to be available makes no further file.
"""

import json
import logging
import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from ebpftrace import caches
from ebpftrace.errors import CannotAttach
from ebpftrace.kernel import bccapi, sources
from ebpftrace.kernel.build import FORMAT, Build, Damaged, packed, unpacked
from ebpftrace.kernel.build_folder import BuildFolder
from ebpftrace.kernel.compiler import Compilation, Compiled, Compiling, Unit
from ebpftrace.kernel.compiler_files import are_the_same

log = logging.getLogger(__name__)

FOLDER = "compiled"
_COMPILER_READS = ("ARCH", "CPATH", "C_INCLUDE_PATH")  # and what begins with BCC_


@dataclass(frozen=True, slots=True)
class Sized:
    """A definition that is nothing but the size of one map."""

    map: str
    count: int
    each: int = 1
    """Entries, as the kernel counts them, of one of `count`: of a ring buffer the bytes of a page."""

    @property
    def entries(self) -> int:
        return self.count * self.each


@dataclass(frozen=True, slots=True)
class Task:
    """What is compiled. Both are -D options; `sizes` by their names too, and nowhere in the code."""

    definitions: Mapping[str, object]
    sizes: Mapping[str, Sized]
    unit: Unit

    def options(self) -> dict[str, object]:
        """All of them for the compiler."""
        sizes = {name: sized.count for name, sized in self.sizes.items()}
        return {**self.definitions, **sizes}

    def entries(self) -> dict[str, int]:
        """Those of the maps whose size is told, by name."""
        return {sized.map: sized.entries for sized in self.sizes.values()}

    def key(self) -> str:
        """A hash of everything that decides about the code, but the compiler. OSError.

        The kernel is part of it: BCC asks which helpers it has. The compiler's files are in the
        build, so that one can be used where BCC is not installed.
        """
        system = os.uname()
        tree = sources.headers()
        known = {
            "format": FORMAT,
            "text": self.unit.text(),
            "headers": [
                (str(path.relative_to(tree)), sha256(path.read_bytes()).hexdigest())
                for path in sorted(tree.rglob("*"))
                if path.is_file()
            ],
            "definitions": {name: str(value) for name, value in self.definitions.items()},
            "sizes": sorted(self.sizes),
            "maps": self.unit.maps,
            "programs": self.unit.programs,
            "system": (system.release, system.version, system.machine, mmap.PAGESIZE),
            "environment": {
                name: value
                for name, value in os.environ.items()
                if name in _COMPILER_READS or name.startswith("BCC_")
            },
        }
        return sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def start(task: Task) -> Compiling:
    """Begin, if there is anything to do. As `Compilation` otherwise."""
    try:
        folder, key = _folder(), task.key()
    except (OSError, ValueError) as error:  # of our own files: the compiler says which one
        log.debug("what is compiled is not kept: %s", error)
        return Compilation(task.options(), task.unit)
    build = _kept(folder, key, task.unit)
    if build is not None:
        return Reused(build, task.entries())
    return ToKeep(Compilation(task.options(), task.unit), folder, key, task.entries())


def is_kept(task: Task) -> bool:
    """Would `start` have nothing to do?"""
    try:
        return _kept(_folder(), task.key(), task.unit) is not None
    except (OSError, ValueError):
        return False


class Reused:
    """Stands for a compilation that an earlier start has done."""

    def __init__(self, build: Build, entries: Mapping[str, int]) -> None:
        self._build = build
        self._entries = entries
        self._given_up = False

    def result(self) -> Compiled:
        """Create the maps. HostRefuses; CannotAttach when interrupted."""
        if self._given_up:
            raise CannotAttach("The compilation was given up.")
        return self._build.loaded(self._entries)

    def interrupt(self) -> None:
        """Make `result` fail."""
        self._given_up = True

    def cancel(self) -> None:
        """There is nothing to end."""


class ToKeep:
    """A compilation whose result is kept."""

    def __init__(
        self, compilation: Compilation, folder: BuildFolder, key: str, entries: Mapping[str, int]
    ) -> None:
        """Takes over `compilation`."""
        self._compilation = compilation
        self._folder = folder
        self._key = key
        self._entries = entries
        self.interrupt = compilation.interrupt
        self.cancel = compilation.cancel

    def result(self) -> Compiled:
        """As `Compilation.result`."""
        compiled = self._compilation.result()
        try:
            build = Build.of(compiled)
            if any(build.maps[name].entries != count for name, count in self._entries.items()):
                raise ValueError("BCC made a map of another size than it was told")
            self._folder.keep(self._key, packed(build, self._key))
        except (OSError, ValueError, LookupError) as error:
            log.debug("what was compiled is not kept: %s", error)
        return compiled


def _folder() -> BuildFolder:
    """OSError or ValueError where nothing can be kept."""
    directory = caches.default_directory()
    if directory is None:
        raise FileNotFoundError("nobody knows where this user's caches are")
    return BuildFolder(directory / FOLDER)


def _kept(folder: BuildFolder, key: str, unit: Unit) -> Build | None:
    try:
        build = unpacked(folder.read(key), key, unit)
    except FileNotFoundError:
        return None
    except (OSError, Damaged) as error:
        log.debug("what was compiled before is not used: %s", error)
        return None
    bindings = bccapi.found()
    if bindings is not None and not are_the_same(build.made_by, bindings):
        log.debug("what was compiled before is not used: the compiler is another one")
        return None
    log.debug("compiled before with BCC %s", build.bcc_version)
    return build
