"""Call stacks as the kernel sends them, once each, and the checks on what came."""

import struct
from typing import NamedTuple

from ebpftrace.kernel.layout import EVENT, stack_hash
from ebpftrace.model.ids import Address, Slot, StackId
from ebpftrace.unwind.rules import End


class Stack(NamedTuple):
    """One call stack. `called`: function | family << 8; `end`: why the walk ended there."""

    called: int
    packed: bytes
    end: int
    guessed: bool

    @property
    def pcs(self) -> tuple[Address, ...]:
        """Return addresses from the allocation outward. Kept packed: a fifth of the memory."""
        return tuple(map(Address, _unpack(self.packed)))

    @property
    def complete(self) -> bool:
        """Does it lead to where the thread, the program or the coroutine began?"""
        return self.end == End.OUTERMOST

    @property
    def is_stump(self) -> bool:
        """Did it end at a return address that had no rule yet?"""
        return self.end == End.NO_RULE

    def continued(self, rest: tuple[Address, ...], end: int, *, guessed: bool) -> "Stack":
        """This stack with `rest` behind it, which ends so."""
        packed = self.packed + struct.pack(f"<{len(rest)}Q", *rest)
        return Stack(self.called, packed, end, self.guessed or guessed)


class StackBook:
    """Every stack that came, by id. The same addresses in two address spaces are one entry."""

    def __init__(self) -> None:
        self._stacks: dict[StackId, Stack] = {}

    def __len__(self) -> int:
        return len(self._stacks)

    def get(self, stack: StackId) -> Stack | None:
        """None for a stack that the ring buffer had no room for yet."""
        return self._stacks.get(stack)

    def add(self, event: bytes) -> tuple[Slot, StackId, Stack] | None:
        """Take one EVENT_STACK; None where it is not what its hash says."""
        _, end, guessed, slot, count, called, stack = EVENT.unpack_from(event)
        packed = event[EVENT.size : EVENT.size + 8 * count]
        found = Stack(called, packed, end, bool(guessed))
        if len(packed) < 8 * count or _hash(found) != stack:
            return None
        self._stacks[StackId(stack)] = found
        return Slot(slot), StackId(stack), found

    def put(self, stack: Stack) -> StackId:
        """Take a stack that was finished here; its id is the one that the kernel gives it."""
        number = StackId(_hash(stack))
        self._stacks.setdefault(number, stack)
        return number


def _hash(stack: Stack) -> int:
    return stack_hash(_unpack(stack.packed), stack.called, stack.end, guessed=stack.guessed)


def _unpack(packed: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(packed) // 8}Q", packed)
