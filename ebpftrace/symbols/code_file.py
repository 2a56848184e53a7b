"""One mapped file as the look-up of lines needs it: held open on its own, whatever becomes of processes."""

import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from ebpftrace.symbols.source_text import SourceText
from ebpftrace.symbols.store import key_of
from ebpftrace.target.debug_files import debug_files, is_described
from ebpftrace.target.elf import BadElf, ElfImage
from ebpftrace.target.modules import Module
from ebpftrace.target.root import TargetRoot

Identity = tuple[int, int, int, int]
"""Device, inode, size and time of the last change, as `Module.identity`."""


@cache
def _own_devices() -> frozenset[int]:
    return frozenset(Path(place).stat().st_dev for place in ("/", "/usr"))


class CodeFile:
    """Holds a descriptor of the file. `key`: under which its lines are stored; None: not at all."""

    def __init__(
        self, module: Module, identity: Identity, root: TargetRoot | None, users: Collection[int]
    ) -> None:
        """`root`: the file tree of a process that maps it, of `users`. OSError."""
        self.identity = identity
        self.name = module.name
        self._path = module.path
        self._root = root
        self.build_id = module.build_id
        self.fd = os.dup(module.fd)
        self.key = self._key_in(root)
        self.source = None if root is None else SourceText(root.open_file, users)
        self._candidates: Sequence[int] | None = None
        self._debugged = False

    def _key_in(self, root: TargetRoot | None) -> str | None:
        """A file of our own system is known by its build id wherever it lies.

        Root of a container, or who brings a file system along, can make one that claims the build
        id of our C library: theirs are known by what only they are.
        """
        key = key_of(self.fd, self.build_id)
        if key is None:
            return None
        status = os.fstat(self.fd)
        if root is not None and root.is_ours and status.st_dev in _own_devices():
            return key
        return f"{key}-{status.st_dev:x}-{status.st_ino:x}-{status.st_mtime_ns:x}"

    @property
    def path(self) -> str:
        """As its process knows it."""
        return self._path

    def files(self) -> list[int]:
        """Its descriptor, then those of files in its process's tree that may describe it.

        Also where that tree is ours: who reads them may be kept out of the folder they are in.
        """
        if self._candidates is None:
            self._candidates = ()
            if self._root is not None:
                with suppress(BadElf, OSError):
                    image = ElfImage.open(self.fd)  # the module's may be closed by now
                    self._debugged = is_described(image)
                    path = self._root.inside(self._path)
                    self._candidates = debug_files(image, path, self._root.open_file)
        return [self.fd, *self._candidates]

    def may_be_described(self) -> bool:
        """Is there debug information in it, or a file at one of the places for such?

        To find that there is none takes no process that reads it: most libraries have none.
        """
        return len(self.files()) > 1 or self._debugged or self._root is None

    def close(self) -> None:
        """Let go of them."""
        for fd in (self.fd, *(self._candidates or ())):
            os.close(fd)
        self._candidates = ()
