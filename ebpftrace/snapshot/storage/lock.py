"""The lock by which one recorder at a time writes to a directory: flock(2) on its file `.lock`."""

import errno
import fcntl
import os
import re
import stat
import weakref
from pathlib import Path

from ebpftrace import private

NAME = ".lock"
_TRIES = 100
"""Somebody may delete the file between the open and the lock, and again."""


class Held(Exception):
    """Another process has the lock: `pid`, None where the file does not say."""

    def __init__(self, pid: int | None) -> None:
        super().__init__(pid)
        self.pid = pid


class Lock:
    """Gone with this process, however it ends; a forked child does not hold it."""

    @classmethod
    def take(cls, folder: int) -> "Lock":
        """The lock of the directory that `folder` has open. Held, OSError."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        for _ in range(_TRIES):
            lock = cls(os.open(NAME, flags, 0o600, dir_fd=folder))
            try:
                lock._check()
                lock._lock()
                if lock.holds(folder):
                    lock._sign()
                    return lock
            except BaseException:
                lock.release()
                raise
            lock.release()
        raise OSError(errno.EAGAIN, f"its {NAME} is deleted again and again")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        _locks.add(self)

    def holds(self, folder: int) -> bool:
        """Whether this is still the file that another recorder would find there."""
        try:
            found = os.stat(NAME, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(found, os.fstat(self._fd))

    def release(self) -> None:
        # At once, also where a child has just been forked and still has the descriptor.
        if self._fd >= 0:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        self.forget()

    def forget(self) -> None:
        """Leave the lock to the process that this one was forked from."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _check(self) -> None:
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):
            raise private.refused(Path(NAME), "it is no regular file")
        if status.st_uid != os.geteuid():
            raise private.refused(Path(NAME), "it belongs to another user")

    def _lock(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            said = re.fullmatch(rb"([1-9]\d{0,9})\n", os.pread(self._fd, 32, 0))
            raise Held(int(said[1]) if said else None) from None

    def _sign(self) -> None:
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, b"%d\n" % os.getpid(), 0)


# A lock lasts until the last copy of its descriptor is closed, and a fork makes one.
_locks: weakref.WeakSet[Lock] = weakref.WeakSet()


def _let_go() -> None:
    for lock in list(_locks):
        lock.forget()


os.register_at_fork(after_in_child=_let_go)
