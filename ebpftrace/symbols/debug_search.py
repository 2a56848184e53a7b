"""The search through a directory for ELF files with a build id.

Bounded in files, depth and time; follows no link, opens nothing but regular files, and stays in the
file system that it begins in: /proc and its kin answer to being read.
"""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from ebpftrace.target.debug_files import is_described
from ebpftrace.target.elf import BadElf, ElfImage
from ebpftrace.target.regular import NotRegular, reopen
from ebpftrace.units import format_count

_MOST_ENTRIES = 1_000_000
_MOST_DEPTH = 32
_MOST_S = 60.0
"""The headers of one file are at most 6 MB, which take some milliseconds."""
_MOST_ALIKE = 8
_LEAST_BYTES = 64  # an ELF header; the files of /proc state a size of 0


class Found(NamedTuple):
    """A file by its path from the directory on, and by device and inode.

    `lines`, `names`: has it debug information, a full symbol table?
    """

    path: str
    key: tuple[int, int]
    lines: bool
    names: bool


def identified(fd: int, path: str) -> tuple[str, Found] | None:
    """The build id of an open file, and what it is good for; None where it has none. OSError."""
    status = os.fstat(fd)
    if status.st_size < _LEAST_BYTES or os.pread(fd, 4, 0) != b"\x7fELF":
        return None
    with suppress(BadElf):
        image = ElfImage.open(fd)
        if image.build_id is not None:
            key = status.st_dev, status.st_ino
            return image.build_id, Found(
                path, key, is_described(image), image.has_section(b".symtab")
            )
    return None


class Search:
    """One pass over everything below a directory: `found` by build id, and what it left out."""

    def __init__(self, fd: int) -> None:
        """`fd` stays the caller's."""
        self.found: dict[str, list[Found]] = {}
        self.unreadable = 0
        self.foreign: list[str] = []
        """Directories of other file systems."""
        self.too_deep = 0
        """Directories below the 32nd, which were left out."""
        self.stopped = ""
        """Why it was not led to its end."""
        self._left = _MOST_ENTRIES
        self._end = time.monotonic() + _MOST_S
        self._device = os.fstat(fd).st_dev
        self._folder(fd, "", 0)

    def _folder(self, fd: int, place: str, depth: int) -> None:
        try:
            with os.scandir(fd) as entries:
                for entry in self._while_it_may(entries):
                    if entry.is_dir(follow_symlinks=False):
                        self._below(fd, entry.name, f"{place}{entry.name}", depth)
                    elif entry.is_file(follow_symlinks=False):
                        self._file(fd, entry.name, f"{place}{entry.name}")
        except OSError:
            self.unreadable += 1

    def _while_it_may(self, entries: Iterator["os.DirEntry[str]"]) -> Iterator["os.DirEntry[str]"]:
        for entry in entries:
            self._left -= 1
            if self._left < 0:
                self.stopped = f"it has more than {format_count(_MOST_ENTRIES)} files"
            elif time.monotonic() > self._end:
                self.stopped = f"that took longer than {_MOST_S:.0f} s"
            if self.stopped:
                return
            yield entry

    def _below(self, parent: int, name: str, place: str, depth: int) -> None:
        if depth >= _MOST_DEPTH:
            self.too_deep += 1
            return
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            fd = os.open(name, flags, dir_fd=parent)
        except OSError:
            self.unreadable += 1
            return
        try:
            if os.fstat(fd).st_dev == self._device:
                self._folder(fd, f"{place}/", depth + 1)
            else:
                self.foreign.append(place)
        finally:
            os.close(fd)

    def _file(self, parent: int, name: str, place: str) -> None:
        try:
            fd = reopen(os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent))
        except NotRegular:
            return
        except OSError:
            self.unreadable += 1
            return
        try:
            told = identified(fd, place)
        except OSError:
            self.unreadable += 1
            return
        finally:
            os.close(fd)
        if told is not None:
            alike = self.found.setdefault(told[0], [])
            if len(alike) < _MOST_ALIKE:
                alike.append(told[1])
