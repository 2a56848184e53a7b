"""Calls from the kernel's records in an order that can be replayed: what comes of a resize stands where
it belongs.

The kernel tells when a resize begins and when it returns. What it takes is free from the beginning, and
may be another thread's long before the return; what it gives is there from the return on.
"""

import re
import struct

from ebpftrace.kernel import layout
from ebpftrace.model.calls import CallKind, CallRecord

MOST_HELD = 1 << 16
"""Calls that wait for the result of a resize before them, at most."""

_FREED, _RESIZING, _RESIZED, _RESIZE_FREED, _, _RESIZE_LOST = map(int, list(CallKind)[1:])
_RECORD = struct.Struct("<8x" + layout.CALL.format.removeprefix("<"))
_SLOT_AT = 8 + layout.Call.slot.offset
_KIND_AT = 8 + layout.Call.kind.offset
_OF_RESIZES = re.compile(b"[%c-%c]" % (CallKind.RESIZING, CallKind.RESIZE_LOST))


def slots(taken: bytes) -> set[int]:
    """Which slots these records, as `CallRing.take` gives them, are of."""
    low, high = taken[_SLOT_AT :: _RECORD.size], taken[_SLOT_AT + 1 :: _RECORD.size]
    if len(set(low)) <= 1 and len(set(high)) <= 1:
        return {low[0] | high[0] << 8} if low else set()
    return {one | other << 8 for one, other in set(zip(low, high, strict=True))}


def of_slot(taken: bytes, slot: int) -> bytes:
    """Those of them that are of `slot`."""
    size = _RECORD.size
    starts = range(0, len(taken), size)
    return b"".join(
        taken[at : at + size]
        for at in starts
        if int.from_bytes(taken[at + _SLOT_AT : at + _SLOT_AT + 2], "little") == slot
    )


class CallOrder:
    """For one slot."""

    def __init__(self, most_held: int = MOST_HELD) -> None:
        self._most_held = most_held
        self._held: list[CallRecord | None] = []
        """None where a resize began, unless something is known to have come of it."""
        self._gone = 0
        """So many calls were handed on before the first one of `_held`."""
        self._begun: dict[int, int] = {}
        """Thread -> which call, of all, began the resize that it is in."""

    def put(self, taken: bytes) -> list[CallRecord]:
        """The calls whose turn it is now, of these and of earlier ones.

        A resize that succeeded is RESIZING (`address` is the old block's) where it began, and RESIZED
        where it returned, `old` then being 0; where its begin was lost it is RESIZED alone, with
        `old`. One that freed its block is FREED, where it began. Of one that failed only
        RESIZE_FAILED comes. Every other call is ALLOCATED or FREED.
        """
        first = len(self._held)
        self._held += _RECORD.iter_unpack(taken)
        for match in _OF_RESIZES.finditer(taken[_KIND_AT :: _RECORD.size]):
            self._resize(first + match.start())
        return self._hand_on(self._ready())

    def rest(self) -> list[CallRecord]:
        """All that are held; a resize that never returned has left its block where it was."""
        self._begun.clear()
        return self._hand_on(len(self._held))

    def _resize(self, at: int) -> None:
        call = self._held[at]
        assert call is not None
        _, old, _, caller, thread, slot, kind = call
        if kind == _RESIZING:
            self._held[at] = None
            self._begun[thread] = self._gone + at
            return
        began = self._begun.pop(thread, None)
        if kind == _RESIZE_LOST:
            self._held[at] = None
        elif kind == _RESIZED and began is not None:
            self._held[began - self._gone] = (old, 0, 0, caller, thread, slot, _RESIZING)
            self._held[at] = (call[0], 0, *call[2:])
        elif kind == _RESIZE_FREED:
            self._held[at] = None
            freed = (old, 0, 0, caller, thread, slot, _FREED)
            self._held[at if began is None else began - self._gone] = freed

    def _ready(self) -> int:
        """How many of those that are held wait for nothing, or have waited for too long."""
        oldest = self._gone + len(self._held) - self._most_held
        for thread, began in list(self._begun.items()):
            if began < oldest:
                del self._begun[thread]
        return min(self._begun.values(), default=self._gone + len(self._held)) - self._gone

    def _hand_on(self, count: int) -> list[CallRecord]:
        out = [call for call in self._held[:count] if call is not None]
        del self._held[:count]
        self._gone += count
        return out
