"""Single calls of an allocator as the kernel side tells them, and what their kinds mean."""

from enum import IntEnum

CallRecord = tuple[int, int, int, int, int, int, int]
"""(address, old, size, caller, thread, slot, kind), as `struct call` of bpf/shared.h has them.

A plain tuple: they come by the hundred thousand a second.
"""


class CallKind(IntEnum):
    """`enum call_kind` of bpf/shared.h; a test compares the two."""

    ALLOCATED = 1
    FREED = 2
    RESIZING = 3
    RESIZED = 4
    RESIZE_FREED = 5
    RESIZE_FAILED = 6
    RESIZE_LOST = 7
