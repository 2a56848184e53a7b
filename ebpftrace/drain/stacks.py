"""Call stacks as the kernel sends them, once each, and the checks on what came."""

import struct
from typing import NamedTuple

from ebpftrace.kernel.layout import EVENT, stack_hash
from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import Address, Slot, StackId

# Where a thread begins: a stack that reaches one of these is whole.
OUTERMOST = frozenset(
    {
        "_start",
        "__libc_start_main",
        "__libc_start_call_main",
        "start_thread",
        "thread_start",
        "clone",
        "__clone",
        "clone3",
        "__clone3",
    }
)


class Stack(NamedTuple):
    """One call stack as it came. `called`: function | family << 8."""

    called: int
    packed: bytes
    truncated: bool

    @property
    def pcs(self) -> tuple[Address, ...]:
        """Return addresses from the allocation outward. Kept packed: a fifth of the memory."""
        return tuple(map(Address, _unpack(self.packed)))


class StackBook:
    """Every stack that came, by id. The same addresses in two address spaces are one entry."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._stacks: dict[StackId, Stack] = {}

    def __len__(self) -> int:
        return len(self._stacks)

    def get(self, stack: StackId) -> Stack | None:
        """None for a stack that the ring buffer had no room for yet."""
        return self._stacks.get(stack)

    def add(self, event: bytes) -> tuple[Slot, Stack] | None:
        """Take one EVENT_STACK; None if another walk had overwritten it (it is sent again)."""
        _, slot, count, called, stack = EVENT.unpack_from(event)
        packed = event[EVENT.size : EVENT.size + 8 * count]
        if len(packed) < 8 * count or stack_hash(_unpack(packed), called) != stack:
            return None
        found = Stack(called, packed, count >= self._depth)
        self._stacks[StackId(stack)] = found
        return Slot(slot), found


def _unpack(packed: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(packed) // 8}Q", packed)


def is_complete(frames: tuple[Frame, ...]) -> bool:
    """Does the stack reach the place where its thread began?"""
    return bool(frames) and frames[-1].function in OUTERMOST
