"""What lies at an address, of this very process."""

import ctypes
import mmap
import os
from collections.abc import Iterator

import pytest

from ebpftrace.target.pages import PageMap, anonymous_bytes, open_flags

SIZE = 16 * mmap.PAGESIZE


@pytest.fixture(params=["with flags", "without"])
def pages(request: pytest.FixtureRequest) -> Iterator[PageMap]:
    flags = open_flags() if request.param == "with flags" else None
    made = PageMap("/proc/self", flags)
    yield made
    made.close()
    if flags is not None:
        os.close(flags)


def address(area: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(area))


def test_what_was_written_is_own(pages: PageMap):
    area = mmap.mmap(-1, SIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area[0] = 1
    assert pages.at(address(area)).kind == "own"


def test_what_was_only_read_is_the_page_of_zeros(pages: PageMap):
    area = mmap.mmap(-1, SIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area.madvise(mmap.MADV_NOHUGEPAGE)
    assert area[0] == 0
    assert pages.at(address(area)).kind == "other"


def test_what_nobody_touched_is_not_there(pages: PageMap):
    area = mmap.mmap(-1, SIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    assert pages.at(address(area)).kind == "gone"


def test_shared_memory_is_no_own(pages: PageMap):
    area = mmap.mmap(-1, SIZE, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
    area[0] = 1
    assert pages.at(address(area)).kind == "other"


def test_no_address_is_too_large(pages: PageMap):
    assert pages.at((1 << 64) - 1).kind == "gone"


def test_this_process_has_memory_of_its_own():
    own = anonymous_bytes("/proc/self")
    assert own is not None
    assert own > 1 << 20


def test_a_process_that_is_not_there_has_none():
    assert anonymous_bytes("/proc/0") is None
