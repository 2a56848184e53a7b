"""Reading the ring buffer of calls: records of one size, by the hundred thousand."""

import mmap

from ebpftrace.kernel import layout
from ebpftrace.kernel.ring import RingBuffer
from ebpftrace.kernel.sizes import MapSizes

_HEADER_BYTES = 8
STRIDE = _HEADER_BYTES + layout.CALL.size
"""From one record to the next: both are multiples of 8 bytes, so the kernel puts nothing between."""
_BUSY = b"\x80"  # BPF_RINGBUF_BUSY_BIT, in the last byte of the length


class CallRing(RingBuffer):
    """The consumer of `calls`; nobody is woken by them."""

    def __init__(self, fd: int, sizes: MapSizes) -> None:
        super().__init__(fd, sizes.trace_pages * mmap.PAGESIZE)

    def take(self, most: int) -> bytes:
        """Up to `most` calls, each of `layout.CALL.size` bytes behind 8 others, in their order."""
        position = self._consumer.value
        waiting = min((self._producer[0] - position) // STRIDE, most)
        at = position & (self._size - 1)
        data = self._data[at : at + waiting * STRIDE]
        # All lengths before any of the rest: a record is whole once its length says so.
        written = data[3::STRIDE].tobytes().find(_BUSY)
        taken = bytes(data if written < 0 else data[: written * STRIDE])
        data.release()
        self._consumer.value = position + len(taken)
        return taken

    def forget(self) -> None:
        """Drop what has come so far."""
        self._consumer.value = self._producer[0]
