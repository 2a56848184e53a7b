"""Counters of every call site, kept up to date from the cohorts that changed since the last poll."""

from collections.abc import Iterator

from ebpftrace.kernel.layout import COHORT, COHORT_KEY
from ebpftrace.kernel.tables import Table
from ebpftrace.model.epochs import start_of
from ebpftrace.model.ids import Slot, StackId
from ebpftrace.model.picture import Counts

_NEW = bytes(COHORT.size)


class SiteCounters:
    """The running totals of one site. `changed` until somebody has drawn it."""

    __slots__ = ("changed", "counts", "epochs", "mark", "older_mark", "slot", "stack")

    def __init__(self, slot: Slot, stack: StackId) -> None:
        self.slot = slot
        self.stack = stack
        self.counts = Counts()
        self.epochs: dict[int, int] = {}
        """Outstanding blocks by the epoch of their birth, where there are any."""
        self.mark = self.older_mark = 0
        self.changed = True

    @property
    def tracked_growth(self) -> int:
        """Bytes allocated less bytes freed: adoption is no growth."""
        return self.counts.allocated_bytes - self.counts.freed_bytes

    def oldest_at(self) -> float | None:
        """Seconds since attach of the oldest outstanding birth; None without one, or unknown."""
        return float(start_of(min(self.epochs))) if self.epochs and self.stack else None


class SiteBook:
    """All sites seen since attach, by (slot, stack); counters survive their cohorts."""

    def __init__(self, cohorts: Table) -> None:
        self._table = cohorts
        self._last: dict[bytes, bytes] = {}
        self._empty: set[bytes] = set()
        self.sites: dict[tuple[int, int], SiteCounters] = {}

    def __len__(self) -> int:
        """Cohorts in the map, as of the last poll."""
        return len(self._last)

    def poll(self, deletable_before: int) -> None:
        """Read every cohort; delete those that are empty and of an epoch before the given one.

        Only what changed is decoded: comparing 48 bytes costs a tenth of unpacking them.
        """
        last = self._last
        key_size, value_size = COHORT_KEY.size, COHORT.size
        for keys_view, values_view in self._table.batches():
            keys, values = bytes(keys_view), bytes(values_view)
            start = 0
            for at in range(0, len(keys), key_size):
                key = keys[at : at + key_size]
                value = values[start : start + value_size]
                start += value_size
                before = last.get(key)
                if before != value:
                    last[key] = value
                    self._apply(key, before or _NEW, value)
        self._delete_empty(deletable_before)

    def _apply(self, key: bytes, before: bytes, value: bytes) -> None:
        stack, slot, epoch = COHORT_KEY.unpack(key)
        site = self.sites.get((slot, stack))
        if site is None:
            site = self.sites[slot, stack] = SiteCounters(Slot(slot), StackId(stack))
        new = COHORT.unpack(value)
        if before is _NEW:
            site.counts = Counts(*map(int.__add__, site.counts, new))
        else:
            old = COHORT.unpack(before)
            site.counts = Counts(
                *(
                    total + now - then
                    for total, now, then in zip(site.counts, new, old, strict=True)
                )
            )
        outstanding = new[0] + new[4] - new[2]
        if outstanding:
            site.epochs[epoch] = outstanding
            self._empty.discard(key)
        else:
            site.epochs.pop(epoch, None)
            self._empty.add(key)
        site.changed = True

    def _delete_empty(self, before: int) -> None:
        """A closed cohort whose blocks are all freed can never change again: see `open_epoch`."""
        done = []
        for key in self._empty:
            stack, _, epoch = COHORT_KEY.unpack(key)
            if stack and epoch < before:
                done.append(key)
        for key in done:
            self._table.delete(key)
            self._forget(key)

    def forget_slot(self, slot: Slot) -> Iterator[None]:
        """Delete the cohorts of an ended slot, one a step; its sites keep their counters."""
        for key in [key for key in self._last if COHORT_KEY.unpack(key)[1] == slot]:
            self._table.delete(key)
            self._forget(key)
            yield

    def _forget(self, key: bytes) -> None:
        self._last.pop(key, None)
        self._empty.discard(key)

    def totals(self) -> Counts:
        """The sum of all sites."""
        columns = zip(*(site.counts for site in self.sites.values()), strict=True)
        return Counts(*(sum(column) for column in columns))

    def move_marks(self) -> None:
        """Remember every site's size now, and what was remembered last time."""
        for site in self.sites.values():
            growth = site.tracked_growth
            if site.mark != site.older_mark or growth != site.mark:
                site.changed = True
            site.older_mark, site.mark = site.mark, growth
