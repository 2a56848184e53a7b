"""Clearing the maps of slots that ended, a little at every poll."""

from collections.abc import Iterator

from ebpftrace.drain.sites import SiteBook
from ebpftrace.kernel.layout import ADDRESS_BITS, BLOCK_KEY
from ebpftrace.kernel.tables import Table
from ebpftrace.model.ids import Slot

_STEPS = 2_000


class Sweeper:
    """Removes the blocks and cohorts of retired slots; a slot is free once nothing of it is left."""

    def __init__(self, blocks: Table, book: SiteBook) -> None:
        self._blocks = blocks
        self._book = book
        self._waiting: list[Slot] = []
        self._work: Iterator[None] | None = None
        self._current: Slot | None = None

    def retire(self, slot: Slot) -> None:
        """Queue a slot whose probes no longer count."""
        self._waiting.append(slot)

    def step(self) -> Slot | None:
        """Do a bounded piece of the work; the slot that became free, if one did."""
        if self._work is None:
            if not self._waiting:
                return None
            self._current = self._waiting.pop(0)
            self._work = self._clear(self._current)
        for _ in range(_STEPS):
            if next(self._work, self) is self:
                done, self._work, self._current = self._current, None, None
                return done
        return None

    def _clear(self, slot: Slot) -> Iterator[None]:
        for keys, _ in self._blocks.batches(1024):
            for (key,) in BLOCK_KEY.iter_unpack(keys):
                if key >> ADDRESS_BITS == slot:
                    self._blocks.delete(BLOCK_KEY.pack(key))
                    yield
            yield
        yield from self._book.forget_slot(slot)
