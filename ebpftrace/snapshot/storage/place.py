"""A directory that one recorder has to itself, by descriptor and lock, and what lies in it."""

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ebpftrace import private
from ebpftrace.snapshot.storage import names
from ebpftrace.snapshot.storage.lock import Lock

TEMPORARY = ".tmp-ebpftrace-"
_LEFT_OVER = re.compile(re.escape(TEMPORARY) + "[0-9a-f]{16}", re.ASCII)


class KeptFile(NamedTuple):
    """One that a recorder wrote: its size, and when it changed, in seconds since 1970."""

    named: names.Named
    bytes: int
    changed: float


class Place:
    """`path` is absolute, `fd` the directory that it is. OSError from everything, Held from the lock."""

    @classmethod
    def enter(cls, path: Path, *, parents: bool = False) -> "Place":
        """Make the directory where it is missing, lock it, remove what killed recorders left."""
        fd = private.entered(path, parents=parents)
        try:
            place = cls(path, fd, Lock.take(fd))
        except BaseException:
            os.close(fd)
            raise
        try:
            place._clean()
            place._sync_parent()
        except BaseException:
            place.leave()
            raise
        return place

    def __init__(self, path: Path, fd: int, lock: Lock) -> None:
        self.path = path
        self.fd = fd
        self._lock = lock

    def there(self) -> bool:
        """Whether this is still what `path` leads to; where only the lock is gone it is made anew."""
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        if not os.path.samestat(found, os.fstat(self.fd)):
            return False
        if not self._lock.holds(self.fd):
            new = Lock.take(self.fd)
            self._lock.release()
            self._lock = new
        return True

    def files(self) -> list[KeptFile]:
        """Those of recorders that are regular and ours, by name."""
        found = []
        for entry in self._entries():
            named = names.read(entry.name)
            if named and (status := _ours(entry)):
                found.append(KeptFile(named, status.st_size, status.st_mtime))
        return sorted(found)

    def leave(self) -> None:
        self._lock.release()
        os.close(self.fd)

    def _clean(self) -> None:
        for entry in self._entries():
            if _LEFT_OVER.fullmatch(entry.name) and _ours(entry):
                with contextlib.suppress(OSError):
                    os.unlink(entry.name, dir_fd=self.fd)

    def _sync_parent(self) -> None:
        """Let the directory survive a power cut, where it may be this run's."""
        with contextlib.suppress(OSError):
            above = os.open("..", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.fd)
            try:
                os.fsync(above)
            finally:
                os.close(above)

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        with os.scandir(self.fd) as entries:
            yield from entries


def _ours(entry: os.DirEntry[str]) -> os.stat_result | None:
    """None for what others put there, and for what has gone."""
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return None
    return status if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() else None
