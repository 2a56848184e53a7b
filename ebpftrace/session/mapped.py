"""The mappings of the programs that are traced: what the kernel side tells of them, held against their maps."""

from collections.abc import Iterable

from ebpftrace.drain.mappings import Mappings
from ebpftrace.drain.sites import SiteBook
from ebpftrace.kernel import layout
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.model.ids import Address, Slot
from ebpftrace.session.roster import Roster
from ebpftrace.session.traced import Traced

_REREAD_S = 0.05


class MappedMemory:
    """On the poller's thread; `intervals` may be read by others."""

    def __init__(self, tracer: Tracer, book: SiteBook, roster: Roster) -> None:
        self._tracer = tracer
        self._roster = roster
        self.intervals = Mappings(book, lambda: tracer.start_ns, self._is_own)

    def begin(self, traced: Traced) -> None:
        """It has a slot from now on."""
        self.intervals.begin(traced.slot)

    def end(self, slot: Slot) -> None:
        """Its program counts no longer."""
        self.intervals.end(slot)

    def on_events(self, events: Iterable[bytes]) -> None:
        """EVENT_MAPPINGs, in their order."""
        self.intervals.on_events(events)

    def look(self) -> None:
        """After all events were taken: what the maps, as others have read them, do not have any more."""
        for traced in self._roster.living():
            read_at = traced.space.mapped_at
            if read_at is not None:
                ranges = [(one.start, one.end) for one in traced.space.mappings]
                self.intervals.look(traced.slot, ranges, int(read_at * 1e9))

    def correct(self, losses: list[int | None]) -> None:
        """Put in what is known here, in the order of LOSSES."""
        losses[layout.MISSED_UNMAP] = self.intervals.missed
        losses[layout.UNMATCHED_UNMAP] = self.intervals.unmatched

    def _is_own(self, slot: int, address: int) -> bool:
        """By the maps as of now, or as of a moment ago."""
        for traced in self._roster.at(slot):
            traced.space.refresh_if_older_than(_REREAD_S)
            mapping = traced.space.mapping_at(Address(address))
            return mapping is not None and not mapping.file_backed and mapping.perms[1::2] == "wp"
        return False
