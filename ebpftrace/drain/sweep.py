"""Clearing the maps of slots that ended, a little at every poll."""

import time
from collections import deque
from collections.abc import Callable, Iterator

from ebpftrace.drain.sites import SiteBook
from ebpftrace.kernel import layout
from ebpftrace.kernel.layout import BLOCK_KEY, slot_of
from ebpftrace.kernel.tables import Table
from ebpftrace.model.ids import Slot

_STEPS = 2_000
KEPT_S = 5.0
"""The blocks of a target that has ended stay so long: a snapshot of its end may want them."""
_MOST_WAITING = layout.SLOTS // 4  # else a process that calls exec in a loop would use up all slots


class Sweeper:
    """Removes the blocks and cohorts of retired slots; a slot is free once nothing of it is left.

    A step belongs to a picture. What was retired before the first picture after the end is told by
    that one, so KEPT_S count from there, however far apart pictures are. Slots that are due together
    are cleared in one pass over the blocks, so that a storm of short processes finds free ones.
    """

    def __init__(
        self, blocks: Table, book: SiteBook, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._blocks = blocks
        self._book = book
        self._clock = clock
        self._retired: list[Slot] = []
        self._waiting: deque[tuple[Slot, float]] = deque()
        self._work: Iterator[None] | None = None
        self._current: list[Slot] = []

    def retire(self, slot: Slot) -> None:
        """Queue a slot whose probes no longer count."""
        self._retired.append(slot)

    def step(self) -> list[Slot]:
        """Do a bounded piece of the work; the slots that became free, if some did."""
        until = self._clock() + KEPT_S
        self._waiting += ((slot, until) for slot in self._retired)
        self._retired.clear()
        if self._work is None:
            self._current = self._due()
            if not self._current:
                return []
            self._work = self._clear(frozenset(self._current))
        for _ in range(_STEPS):
            if next(self._work, self) is self:
                done, self._work, self._current = self._current, None, []
                return done
        return []

    def _due(self) -> list[Slot]:
        waiting, now = self._waiting, self._clock()
        due = []
        while waiting and (waiting[0][1] <= now or len(waiting) > _MOST_WAITING):
            due.append(waiting.popleft()[0])
        return due

    def _clear(self, slots: frozenset[Slot]) -> Iterator[None]:
        for keys, _ in self._blocks.batches(1024):
            for (key,) in BLOCK_KEY.iter_unpack(keys):
                if slot_of(key) in slots:
                    self._blocks.delete(BLOCK_KEY.pack(key))
                    yield
            yield
        yield from self._book.forget_slots(slots)
