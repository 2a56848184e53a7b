"""The root directory of a process as it sees it, which a container or a chroot makes its own.

Owns opening files by the paths that the target uses. Every path below it is the target's to shape:
links that would lead out of it lead back in, as they do for the target.
"""

import contextlib
import ctypes
import os
import struct
from collections.abc import Callable
from typing import final

from ebpftrace.errors import CannotAttach
from ebpftrace.target.process import Process
from ebpftrace.target.regular import reopen

# The number is the same on every machine; struct open_how of include/uapi/linux/openat2.h (5.6).
_OPENAT2 = 437
_RESOLVE_NO_MAGICLINKS, _RESOLVE_NO_SYMLINKS, _RESOLVE_IN_ROOT = 0x02, 0x04, 0x10
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


Opener = Callable[[str], int]
"""From a path in the target's file tree to a descriptor of a regular file. OSError."""


@final
class TargetRoot:
    """Stays good after the process's end: close it. `fd` is an O_PATH descriptor of the directory.

    `is_ours`: it is this process's root too, in the same mount namespace, so that paths mean the
    same to both.
    """

    def __init__(
        self, fd: int, namespace: int = -1, *, is_ours: bool = False, place: str = "/"
    ) -> None:
        """For `open`; takes over both descriptors.

        `namespace` is the mount namespace's: when the last holder of one goes, its mounts come
        apart, and `fd` would show what lies below them. `place`: what /proc says of the directory.
        """
        self.fd = fd
        self.is_ours = is_ours
        self._namespace = namespace
        self._place = place

    @classmethod
    def open(cls, process: Process) -> "TargetRoot | None":
        """That of `process`; None where it has ended, or may not be looked at."""
        with contextlib.ExitStack() as opened:
            try:
                base = process.proc_path()
                namespace = os.open(f"{base}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
                opened.callback(os.close, namespace)
                fd = os.open(f"{base}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                opened.callback(os.close, fd)
                ours = os.path.samestat(os.fstat(namespace), os.stat("/proc/self/ns/mnt"))
                ours = ours and os.path.samestat(os.fstat(fd), os.stat("/"))
                place = os.readlink(f"{base}/root")
            except (OSError, CannotAttach):
                return None
            # Its number may have become another's before the directory was opened.
            if process.ended():
                return None
            opened.pop_all()
        return cls(fd, namespace, is_ours=ours, place=place)

    def another(self) -> "TargetRoot":
        """The same directory, to be closed on its own. OSError, also where this one is closed."""
        namespace = os.dup(self._namespace) if self._namespace >= 0 else -1
        try:
            fd = os.dup(self.fd)
        except OSError:
            if namespace >= 0:
                os.close(namespace)
            raise
        return TargetRoot(fd, namespace, is_ours=self.is_ours, place=self._place)

    def inside(self, path: str) -> str:
        """A path of /proc/PID/maps as the target would say it.

        The kernel tells it from the root of the mounts on: after a chroot that is another one.
        """
        rest = path.removeprefix(self._place.rstrip("/"))
        return rest if rest.startswith("/") else path

    def open_file(self, path: bytes | str, *, follow: bool = True) -> int:
        """A descriptor for reading the regular file at `path`, as the target would find it.

        Without `follow` no part of the path may be a link. OSError where there is no such file, or
        something else than a file; it may take as long as a file system of the target's takes.
        """
        resolve = _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS
        if not follow:
            resolve |= _RESOLVE_NO_SYMLINKS
        return reopen(_openat2(self.fd, path, os.O_PATH | os.O_CLOEXEC, resolve))

    def close(self) -> None:
        """Let go of the directory; closing twice does nothing. No file can be opened any more."""
        for fd in (self.fd, self._namespace):
            if fd >= 0:
                os.close(fd)
        self.fd = self._namespace = -1


def can_open_within() -> bool:
    """Is there openat2, which stays within a root (fddb5d430ad9, 5.6)?"""
    folder = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.close(_openat2(folder, "/", os.O_PATH | os.O_CLOEXEC, _RESOLVE_IN_ROOT))
    except OSError:
        return False
    finally:
        os.close(folder)
    return True


def _openat2(folder: int, path: bytes | str, flags: int, resolve: int) -> int:
    name = os.fsencode(path)
    if b"\0" in name:
        raise ValueError("embedded null byte")
    how = struct.pack("=QQQ", flags, 0, resolve)
    fd = _libc.syscall(
        ctypes.c_long(_OPENAT2), ctypes.c_int(folder), name, how, ctypes.c_size_t(len(how))
    )
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(fd)
