"""Opening the very file behind a mapping, whatever its path says by now.

/proc/PID/map_files has it, deleted, replaced or in another mount namespace. The kernel gives that to
root, or with CAP_CHECKPOINT_RESTORE to the user who owns the process (5.9). To others the
executable and the path are left, which may lead to another file by now: what was opened is mapped
here, and has to be called what the target's is, as a file system may tell stat(2) something else.
"""

import ctypes
import mmap
import os

from ebpftrace.target.maps import Mapping, parse_maps
from ebpftrace.target.process import Process
from ebpftrace.target.regular import open_regular
from ebpftrace.target.root import TargetRoot

_PAGE = mmap.PAGESIZE
_GONE = " (deleted)"
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (
    *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int),
    *(ctypes.c_int, ctypes.c_long),
)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_FAILED = ctypes.c_void_p(-1).value


def open_mapped(process: Process, part: Mapping) -> int:
    """A descriptor for reading the file of `part`. OSError, NotRegular, CannotAttach."""
    # map_files exists per process only, but /proc answers for any thread's number, and a dead leader
    # has no mappings. A number used again shows in the range: no such link.
    base = f"/proc/{process.anchor()}"
    try:
        return open_regular(f"{base}/map_files/{part.start:x}-{part.end:x}")
    except PermissionError:
        found = _executable(base, part)
        if found is None:
            found = _by_path(process, part)
        if found is None:
            raise
        return found


def _executable(base: str, part: Mapping) -> int | None:
    """Of the running program, also where that was deleted; /proc/PID/exe asks for ptrace's rights only."""
    try:
        if os.readlink(f"{base}/exe") != part.path:
            return None
        return _if_same(open_regular(f"{base}/exe"), part)
    except OSError:
        return None


def _by_path(process: Process, part: Mapping) -> int | None:
    root = None if part.path.endswith(_GONE) else TargetRoot.open(process)
    if root is None:
        return None
    try:
        return _if_same(root.open_file(root.inside(part.path)), part)
    except (OSError, ValueError):
        return None
    finally:
        root.close()


def _if_same(fd: int, part: Mapping) -> int | None:
    """`fd`, where its file is the one that is mapped; else None, and it is closed."""
    here = _mapped_here(fd)
    if here is not None and (here.device, here.inode) == (part.device, part.inode):
        return fd
    os.close(fd)
    return None


def _mapped_here(fd: int) -> Mapping | None:
    """How the kernel calls the file of `fd` where it is mapped; nothing of it is read."""
    address = _libc.mmap(None, _PAGE, mmap.PROT_READ, mmap.MAP_PRIVATE, fd, 0)
    if address == _FAILED:
        return None
    try:
        with open("/proc/self/maps", "rb") as maps:  # noqa: PTH123 - a line at a time
            own = next((line for line in maps if int(line.partition(b"-")[0], 16) == address), b"")
    finally:
        _libc.munmap(address, _PAGE)
    found = parse_maps(own)
    return found[0] if found else None
