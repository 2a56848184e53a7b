"""What lies at an address of a process: memory of its own, or a page of something else.

Reads the kernel's page maps (Documentation/admin-guide/mm/pagemap.rst). Leaves to others what is concluded.
"""

import os
from typing import Literal, NamedTuple

from ebpftrace.kernelfiles import read, sizes

_PAGE = os.sysconf("SC_PAGE_SIZE")
_PRESENT, _SWAPPED, _OF_FILE, _EXCLUSIVE = 1 << 63, 1 << 62, 1 << 61, 1 << 56
_FRAME = (1 << 55) - 1
_HUGE, _ZERO = 1 << 22, 1 << 24  # KPF_THP, KPF_ZERO_PAGE
_MOST_STATUS = 64 << 10

Kind = Literal["own", "other", "gone"]
"""own: private memory with something in it. other: of a file, shared, or the page of zeros that reading
maps. gone: nothing is there (any more)."""


class Page(NamedTuple):
    """`huge`: part of a larger page that came as one; None where the kernel does not tell us."""

    kind: Kind
    huge: bool | None = None


OTHER = Page("other")
_GONE = Page("gone")


class PageMap:
    """Of one process."""

    def __init__(self, process: str, flags: int | None) -> None:
        """`process`: its folder in /proc; `flags`: as of `open_flags`.

        OSError where it has ended or is not ours to read.
        """
        self._fd = os.open(f"{process}/pagemap", os.O_RDONLY | os.O_CLOEXEC)
        self._flags = flags

    def close(self) -> None:
        os.close(self._fd)

    def at(self, address: int) -> Page:
        """Now; gone as well where that cannot be read."""
        entry = _word(self._fd, address // _PAGE)
        if not entry & (_PRESENT | _SWAPPED):
            return _GONE
        if entry & _OF_FILE:
            return OTHER
        if entry & _SWAPPED:
            return Page("own")
        flags = 0
        if self._flags is not None and entry & _FRAME:  # 0 without CAP_SYS_ADMIN
            flags = _word(self._flags, entry & _FRAME)
        if not flags:
            # A page of its own is mapped by nobody else, but after a fork; the page of zeros has no owner.
            return Page("own") if entry & _EXCLUSIVE else OTHER
        return OTHER if flags & _ZERO else Page("own", bool(flags & _HUGE))


def open_flags() -> int | None:
    """A descriptor of what the kernel tells of each page frame; None where we may not read it."""
    try:
        return os.open("/proc/kpageflags", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _word(fd: int, index: int) -> int:
    try:
        return int.from_bytes(os.pread(fd, 8, 8 * index), "little")
    except (OSError, OverflowError):
        return 0


def anonymous_bytes(process: str) -> int | None:
    """Memory of its own that is resident (RssAnon), by its folder in /proc; None where it has ended."""
    text = read(f"{process}/status", _MOST_STATUS)
    return None if text is None else sizes(text).get("RssAnon")
