"""The mappings of the programs that are traced: what the kernel side tells of them, held against their maps.

The kernel side leaves out what is mapped inside a traced call. What an allocator maps from a thread of its
own, or before it was probed, is left out here, by whose code it was.
"""

from collections.abc import Callable, Iterable
from os.path import basename

from ebpftrace import kerneltime
from ebpftrace.drain.mappings import Mappings
from ebpftrace.drain.sites import SiteBook
from ebpftrace.drain.stacks import StackBook
from ebpftrace.kernel import layout
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.model.ids import Address, Slot, StackId
from ebpftrace.session.roster import Roster
from ebpftrace.session.traced import Traced

_REREAD_S = 0.05
_ALLOCATORS = ("libjemalloc.", "libtcmalloc", "libmimalloc.", "libmimalloc-")
"""Libraries that have nothing but an allocator, as packages name them."""


class MappedMemory:
    """On the poller's thread; `intervals` may be read by others."""

    def __init__(
        self,
        tracer: Tracer,
        book: SiteBook,
        roster: Roster,
        stacks: StackBook,
        records: Callable[[int], bool],
        *,
        in_totals: bool = True,
    ) -> None:
        """`records`: was a call at that moment (monotonic, ns) recorded? `in_totals`: as in `Mappings`."""
        self._tracer = tracer
        self._book = book
        self._roster = roster
        self._stacks = stacks
        self._inner: dict[tuple[int, StackId], bool] = {}
        self._unjudged: set[tuple[int, StackId]] = set()
        self.intervals = Mappings(
            book,
            lambda: tracer.start_ns,
            self._is_own,
            self._is_inner,
            records,
            in_totals=in_totals,
        )

    def begin(self, traced: Traced) -> None:
        """It has a slot from now on."""
        self.intervals.begin(traced.slot)

    def end(self, slot: Slot) -> None:
        """Its program counts no longer."""
        self.intervals.end(slot)
        self._inner = {key: inner for key, inner in self._inner.items() if key[0] != slot}
        self._unjudged = {key for key in self._unjudged if key[0] != slot}

    def on_events(self, events: Iterable[bytes]) -> None:
        """EVENT_MAPPINGs, in their order."""
        self.intervals.on_events(events)

    def look(self) -> None:
        """After all events were taken: what the maps, as others have read them, do not have any more, and
        what has turned out to be an allocator's own.
        """
        for key in [key for key in self._unjudged if self._judged(*key) is not None]:
            self._unjudged.discard(key)
            if self._inner[key]:
                self.intervals.disown(*key)
        for traced in self._roster.living():
            read_at = traced.space.mapped_at
            if read_at is not None:
                ranges = [(one.start, one.end) for one in traced.space.mappings]
                self.intervals.look(traced.slot, ranges, kerneltime.of_ours_ns(read_at))

    def correct(self, losses: list[int | None]) -> None:
        """Put in what is known here, in the order of LOSSES."""
        nested = losses[layout.NESTED]
        losses[layout.NESTED] = None if nested is None else nested + self.intervals.inner
        losses[layout.MISSED_UNMAP] = self.intervals.missed
        losses[layout.UNMATCHED_UNMAP] = self.intervals.unmatched

    def _is_own(self, slot: int, address: int) -> bool:
        """By the maps as of now, or as of a moment ago."""
        for traced in self._roster.at(slot):
            traced.space.refresh_if_older_than(_REREAD_S)
            mapping = traced.space.mapping_at(Address(address))
            return mapping is not None and not mapping.file_backed and mapping.perms[1::2] == "wp"
        return False

    def _is_inner(self, slot: int, stack: StackId) -> bool:
        inner = self._inner.get((slot, stack))
        if inner is None:
            inner = self._judged(slot, stack)
            if inner is None:
                self._unjudged.add((slot, stack))
        return bool(inner)

    def _judged(self, slot: int, stack: StackId) -> bool | None:
        """None as long as that is not known: where code is new, its stacks come later than its calls."""
        walked = self._stacks.get(self._book.owner(slot, stack))
        if walked is None or not walked.pcs:
            return None
        inner = any(_is_in_allocator(traced, walked.pcs[0]) for traced in self._roster.at(slot))
        self._inner[slot, stack] = inner
        return inner


def _is_in_allocator(traced: Traced, code: Address) -> bool:
    if traced.space.mapping_at(code) is None:
        traced.space.refresh_if_older_than(_REREAD_S)
    mapping = traced.space.mapping_at(code)
    return mapping is not None and basename(mapping.path).startswith(_ALLOCATORS)
