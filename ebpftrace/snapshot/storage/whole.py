"""A file that is whole from the moment it has its name, in a directory given by its descriptor."""

import contextlib
import errno
import os
import secrets
from collections.abc import Callable, Iterable, Iterator

_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL})
"""What a file system without hard links (vfat, many of FUSE) says."""


def write(folder: int, begin: str, pieces: Iterable[bytes], names: Iterable[str]) -> str:
    """Write `pieces` under the first of `names` that is free, mode 0600, and on disk; that name.

    OSError, and whatever `pieces` raise, leave nothing behind. A kill leaves at most one file
    whose name is `begin` and 16 hexadecimal digits. FileExistsError where no name is free.
    """
    with temporary(folder, begin) as (fd, name):
        os.fchmod(fd, 0o600)
        for piece in pieces:
            write_all(fd, piece)
        os.fsync(fd)
        given = _first_free(names, lambda free: give_name(folder, name, free))
    try:
        sync_names(folder)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(given, dir_fd=folder)
        raise
    return given


def write_all(fd: int, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[os.write(fd, left) :]


def sync_names(folder: int) -> None:
    """Let the names of a directory survive a power cut."""
    try:
        os.fsync(folder)
    except OSError as error:
        # A file system that cannot do it for directories says so by this one.
        if error.errno != errno.EINVAL:
            raise


@contextlib.contextmanager
def temporary(folder: int, begin: str, mode: int = 0o600) -> Iterator[tuple[int, str]]:
    """A new file, `mode` by the umask: its descriptor and name, which is gone at the end. OSError."""
    name = begin + secrets.token_hex(8)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(name, flags, mode, dir_fd=folder)
    try:
        yield fd, name
    finally:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=folder)
        os.close(fd)


def _first_free(names: Iterable[str], give: Callable[[str], None]) -> str:
    for name in names:
        with contextlib.suppress(FileExistsError):
            give(name)
            return name
    raise FileExistsError(errno.EEXIST, "all names that it could have are taken")


def give_name(folder: int, name: str, free: str) -> None:
    """Give the file `name` a second one. FileExistsError where it is taken: rename(2) overwrites."""
    try:
        os.link(name, free, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Between the look and the rename nobody else writes here but who may do anything.
        with contextlib.suppress(FileNotFoundError):
            os.stat(free, dir_fd=folder, follow_symlinks=False)
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from error
        os.rename(name, free, src_dir_fd=folder, dst_dir_fd=folder)
