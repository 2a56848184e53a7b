"""Files that hold an input while it is tried, made once: to try one nothing has to be opened for writing."""

import os
import tempfile
from functools import cache
from pathlib import Path


class MemoryFile:
    """A regular file that nobody else sees, written anew by `fill`."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("fuzzed", os.MFD_CLOEXEC)

    @property
    def path(self) -> str:
        return f"/proc/self/fd/{self.fd}"

    def fill(self, data: bytes) -> int:
        """Its descriptor."""
        _fill(self.fd, data)
        return self.fd


class Folder:
    """A directory with some files in it, which goes with this process."""

    def __init__(self, *names: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ebpftrace-fuzz-")
        self.path = Path(self._folder.name)
        self.path.chmod(0o755)
        self._files: dict[str, int] = {}
        for name in names:
            place = self.path / name
            place.parent.mkdir(parents=True, exist_ok=True)
            self._files[name] = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def fill(self, name: str, data: bytes) -> None:
        _fill(self._files[name], data)

    def fill_all(self, data: bytes) -> None:
        for name in self._files:
            self.fill(name, data)


def _fill(fd: int, data: bytes) -> None:
    os.ftruncate(fd, 0)
    os.pwrite(fd, data, 0)


@cache
def memory_file() -> MemoryFile:
    """One for all targets: only one of them is tried at a time."""
    return MemoryFile()
