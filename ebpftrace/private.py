"""Directories and files that nobody but root and ourselves can have put there or can change."""

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import NamedTuple

_MOST_STEPS = 256
"""Components and symbolic links on the way to a directory."""


def directory(path: Path) -> Path:
    """Make `path` with mode 0700 where it is missing; return the same without symbolic links.

    OSError with a clause for the user: a directory on the way that others may replace or write,
    one of our own that is a link or not ours, one that cannot be made. A directory that all may
    write is passed where it is sticky: nobody there can rename what is root's or ours.
    """
    with contextlib.ExitStack() as opened:
        found = _Way(opened, strict=True).followed(path)
        if found.status.st_uid != os.geteuid():
            raise refused(found.path, "it belongs to another user")
        if others_write(found.status):
            raise refused(found.path, "others may write it")
        if stat.S_IMODE(found.status.st_mode) != 0o700:
            _through(found.fd).chmod(0o700)
        return found.path


def entered(path: Path, *, parents: bool = False) -> int:
    """Open the directory `path` for work relative to it; it is made, 0700, `parents` if told so.

    It may lie in a directory of another user or that others may write: what comes after such a one
    is no link, and the directory itself is root's or ours, and nobody else's to write unless it is
    sticky. So nobody leads us to a place that they chose, however they rename in the meantime.
    OSError with a clause for the user, its `filename` the component that is at fault.
    """
    with contextlib.ExitStack() as opened:
        found = _Way(opened, strict=False, parents=parents).followed(path)
        if why := _why_theirs(found.status):
            raise refused(found.path, why)
        # A descriptor of a path alone neither lists nor syncs.
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=found.fd)


def file(path: Path) -> os.stat_result:
    """Make `path` with mode 0600, empty, where it is missing; OSError where it is not ours alone.

    Its directory is one that `directory` returned.
    """
    # An existing file is never opened here: closing it would drop the locks that another
    # connection of this process has on it.
    with contextlib.suppress(FileExistsError):
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        made = os.open(path, flags, 0o600)
        try:
            os.fchmod(made, 0o600)
        finally:
            os.close(made)
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise refused(path, "it is no regular file")
    if status.st_uid != os.geteuid():
        raise refused(path, "it belongs to another user")
    if stat.S_IMODE(status.st_mode) != 0o600:
        raise refused(path, f"its mode is {stat.S_IMODE(status.st_mode):04o} instead of 0600")
    return status


def only_ours(status: os.stat_result) -> bool:
    """Whether this is a regular file that nobody but root and ourselves owns or may write."""
    return (
        stat.S_ISREG(status.st_mode)
        and status.st_uid in (0, os.geteuid())
        and not others_write(status)
    )


def others_write(status: os.stat_result) -> bool:
    # What an access control list grants shows in the bits of the group.
    return bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def refused(path: Path, why: str) -> OSError:
    """`why` is a clause: `it is a symbolic link`."""
    return OSError(errno.EPERM, why, str(path))


def _failed(number: int, path: Path) -> OSError:
    return OSError(number, os.strerror(number), str(path))


class _Found(NamedTuple):
    fd: int
    path: Path
    status: os.stat_result


class _Way:
    """Goes to a directory by descriptors, so that what was looked at is what is gone through.

    `strict`: others may change nothing on the way. Else no link counts that others could have put
    there. What is missing is made: the last component, and with `parents` all.
    """

    def __init__(self, opened: contextlib.ExitStack, *, strict: bool, parents: bool = True) -> None:
        self._opened = opened
        self._strict = strict
        self._parents = parents
        self._theirs = False
        """Whether others may rename something between the root and here."""

    def followed(self, path: Path) -> _Found:
        here, rest = self._root(), list(reversed(path.parts[1:]))
        if not path.is_absolute() or not rest:
            raise refused(path, "this is no absolute path of a directory")
        for _ in range(_MOST_STEPS):
            self._check_parent(here)
            entry = self._entry(here, rest.pop(), last=not rest)
            if stat.S_ISLNK(entry.status.st_mode):
                self._check_link(entry, last=not rest)
                target = Path(os.readlink("", dir_fd=entry.fd))
                rest += reversed(target.parts[1:] if target.is_absolute() else target.parts)
                here = self._root() if target.is_absolute() else here
            else:
                here = entry
            if not rest:
                if not stat.S_ISDIR(here.status.st_mode):
                    raise _failed(errno.ENOTDIR, here.path)
                return here
        raise _failed(errno.ELOOP, path)

    def _root(self) -> _Found:
        return self._kept(os.open("/", os.O_PATH | os.O_CLOEXEC), Path("/"))

    def _kept(self, fd: int, path: Path) -> _Found:
        self._opened.callback(os.close, fd)
        return _Found(fd, path, os.fstat(fd))

    def _check_parent(self, here: _Found) -> None:
        if not stat.S_ISDIR(here.status.st_mode):
            raise _failed(errno.ENOTDIR, here.path)
        if why := _why_theirs(here.status):
            if self._strict:
                raise refused(here.path, why)
            self._theirs = True

    def _check_link(self, link: _Found, *, last: bool) -> None:
        if self._strict and last:
            raise refused(link.path, "it is a symbolic link")
        if self._theirs:
            raise refused(link.path, "it is a symbolic link, and others may change where it leads")
        if link.status.st_uid not in (0, os.geteuid()):
            raise refused(link.path, "it is a symbolic link of another user")

    def _entry(self, here: _Found, name: str, *, last: bool) -> _Found:
        path = here.path.parent if name == ".." else here.path / name
        made = False
        flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            try:
                fd = os.open(name, flags, dir_fd=here.fd)
            except FileNotFoundError:
                if not self._parents and not last:
                    raise
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=here.fd)
                    made = True
                fd = os.open(name, flags, dir_fd=here.fd)
        except OSError as error:
            raise _failed(error.errno or 0, path) from error
        entry = self._kept(fd, path)
        if self._strict and entry.status.st_uid not in (0, os.geteuid()):
            raise refused(path, "it belongs to another user")
        if made and stat.S_ISDIR(entry.status.st_mode) and entry.status.st_uid == os.geteuid():
            _through(fd).chmod(0o700)  # whatever the umask
            entry = entry._replace(status=os.fstat(fd))
        return entry


def _why_theirs(status: os.stat_result) -> str | None:
    """Why others may rename what lies in this directory, as a clause."""
    if status.st_uid not in (0, os.geteuid()):
        return "it belongs to another user"
    if others_write(status) and not status.st_mode & stat.S_ISVTX:
        return "others may write it"
    return None


def _through(fd: int) -> Path:
    # fchmod(2) refuses a descriptor of a path alone, chmod(2) goes through this one.
    return Path(f"/proc/self/fd/{fd}")
