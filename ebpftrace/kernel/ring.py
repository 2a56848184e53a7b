"""Reading a BPF ring buffer by its memory map (kernel/bpf/ringbuf.c)."""

import ctypes
import mmap
import os
import select
import struct

_BUSY, _DISCARD = 1 << 31, 1 << 30
_HEADER = struct.Struct("<II")


class RingBuffer:
    """The consumer of one ring buffer map. One thread reads."""

    def __init__(self, fd: int, size: int) -> None:
        """`size` in bytes, a power of two: the map's own."""
        page = mmap.PAGESIZE
        self._size = size
        self._consumer_page = mmap.mmap(fd, page, mmap.MAP_SHARED)
        # The data is mapped twice in a row, so that no record wraps.
        self._producer_pages = mmap.mmap(
            fd, page + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page
        )
        self._consumer = ctypes.c_uint64.from_buffer(self._consumer_page)
        self._producer = memoryview(self._producer_pages)[:8].cast("Q")
        self._data = memoryview(self._producer_pages)[page:]
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)

    def wait_also_for(self, fd: int) -> None:
        """Let `wait` end for another ring buffer as well."""
        self._poll.register(fd, select.POLLIN)

    def wait(self, timeout_ms: int) -> None:
        """Wait for a record; in vain where none comes in time, or after `wake`."""
        self._poll.poll(timeout_ms)

    def wake(self) -> None:
        """End the wait, from another thread, and each one that follows."""
        os.eventfd_write(self._wake, 1)

    def read(self) -> list[bytes]:
        """Every record that is complete, in the order in which they were reserved."""
        records = []
        position = self._consumer.value
        end = self._producer[0]
        while position < end:
            at = position & (self._size - 1)
            length, _ = _HEADER.unpack_from(self._data, at)
            if length & _BUSY:
                break
            size = length & ~_DISCARD
            if not length & _DISCARD:
                records.append(bytes(self._data[at + 8 : at + 8 + size]))
            position += (size + 8 + 7) & ~7
        self._consumer.value = position
        return records

    def close(self) -> None:
        """Unmap."""
        os.close(self._wake)
        del self._consumer
        self._producer.release()
        self._data.release()
        self._consumer_page.close()
        self._producer_pages.close()
