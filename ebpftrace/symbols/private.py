"""Directories and files that nobody but root and ourselves can have put there or can change."""

import contextlib
import errno
import os
import stat
from pathlib import Path

_MOST_STEPS = 256
"""Components and symbolic links on the way to a directory."""


def directory(path: Path) -> Path:
    """Make `path` with mode 0700 where it is missing; return the same without symbolic links.

    OSError with a clause for the user: a directory on the way that others may replace or write,
    one of our own that is a link or not ours, one that cannot be made. A directory that all may
    write is passed where it is sticky: nobody there can rename what is root's or ours.
    """
    here, rest = Path("/"), list(reversed(path.parts[1:]))
    if not path.is_absolute() or not rest:
        raise _refused(path, "this is no absolute path of a directory")
    for _ in range(_MOST_STEPS):
        _check_parent(here)
        name = rest.pop()
        entry = here / name
        status = _made(entry)
        if status.st_uid not in (0, os.geteuid()):
            raise _refused(entry, "it belongs to another user")
        if not rest:
            return _checked(entry, status)
        if stat.S_ISLNK(status.st_mode):
            target = entry.readlink()
            rest += reversed(target.parts[1:] if target.is_absolute() else target.parts)
            here = Path("/") if target.is_absolute() else here
        else:
            here = here.parent if name == ".." else entry
    raise _refused(path, os.strerror(errno.ELOOP))


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
        raise _refused(path, "it is no regular file")
    if status.st_uid != os.geteuid():
        raise _refused(path, "it belongs to another user")
    if stat.S_IMODE(status.st_mode) != 0o600:
        raise _refused(path, f"its mode is {stat.S_IMODE(status.st_mode):04o} instead of 0600")
    return status


def only_ours(status: os.stat_result) -> bool:
    """Whether this is a regular file that nobody but root and ourselves owns or may write."""
    return (
        stat.S_ISREG(status.st_mode)
        and status.st_uid in (0, os.geteuid())
        and not _others_write(status)
    )


def _others_write(status: os.stat_result) -> bool:
    # What an access control list grants shows in the bits of the group.
    return bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _check_parent(path: Path) -> None:
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise _refused(path, os.strerror(errno.ENOTDIR))
    if status.st_uid not in (0, os.geteuid()):
        raise _refused(path, "it belongs to another user")
    if _others_write(status) and not status.st_mode & stat.S_ISVTX:
        raise _refused(path, "others may write it")


def _made(path: Path) -> os.stat_result:
    with contextlib.suppress(FileNotFoundError):
        return path.lstat()
    with contextlib.suppress(FileExistsError):
        path.mkdir(0o700)
        path.chmod(0o700)
    return path.lstat()


def _checked(path: Path, status: os.stat_result) -> Path:
    if stat.S_ISLNK(status.st_mode):
        raise _refused(path, "it is a symbolic link")
    if not stat.S_ISDIR(status.st_mode):
        raise _refused(path, os.strerror(errno.ENOTDIR))
    if status.st_uid != os.geteuid():
        raise _refused(path, "it belongs to another user")
    if _others_write(status):
        raise _refused(path, "others may write it")
    if stat.S_IMODE(status.st_mode) != 0o700:
        path.chmod(0o700)
    return path


def _refused(path: Path, why: str) -> OSError:
    return OSError(errno.EPERM, why, str(path))
