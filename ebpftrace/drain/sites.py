"""Counters of every call site, kept up to date from the cohorts that changed since the last poll."""

import struct
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import groupby
from operator import add, attrgetter
from typing import NamedTuple, cast

from ebpftrace.drain.estimating import Dispersion, Flicker, Part, Seen
from ebpftrace.kernel.layout import COHORT, COHORT_KEY, SCALE_AT, SCALES
from ebpftrace.kernel.tables import Table
from ebpftrace.model.epochs import LAST, start_of
from ebpftrace.model.ids import Slot, StackId
from ebpftrace.model.picture import Cohort, Counts

_KEY = struct.Struct(f"{COHORT_KEY.size}s")
_VALUE = struct.Struct(f"{COHORT.size}s")
_NOTHING = bytes(COHORT.size)
_EPOCH = attrgetter("epoch")
_BATCH = 2048  # small, so that few neighbours of one changed cohort are compared again

Sums = tuple[int, int, int, int, int, int]
"""Six sums in the order of Counts: plain tuples are made in half the time."""


class SiteCounters:
    """The running totals of one site."""

    __slots__ = (
        *("cohorts", "dispersion", "flicker", "mark", "older_mark", "oldest_at", "row", "sampled"),
        *("slot", "stack", "sums", "unseen", "variance"),
    )

    def __init__(self, slot: Slot, stack: StackId) -> None:
        self.slot = slot
        self.stack = stack
        self.sums: Sums = (0, 0, 0, 0, 0, 0)
        self.cohorts: tuple[Cohort, ...] = ()
        """Those that hold something, by epoch; what is credited to the site is in them."""
        self.oldest_at: float | None = None
        """Seconds since attach of the oldest outstanding birth; None without one, or unknown."""
        self.mark = self.older_mark = 0
        """`tracked_growth` at the last two marks."""
        self.row: int | None = None
        """Its place in the picture, once it has one."""
        self.dispersion: Dispersion | None = None
        """Of the births that windows saw."""
        self.flicker: Flicker | None = None
        self.sampled: dict[int, tuple[int, int]] = {}
        """Blocks and bytes held, as in `sums`, of those that stand for more than one: by how many."""
        self.unseen = 0
        """Births and adoptions in `sums` for which others stand."""
        self.variance: float | None = None
        """Of the bytes that were added as estimates; None where none were."""

    @property
    def tracked_growth(self) -> int:
        """Bytes allocated less bytes freed: adoption is no growth."""
        return self.sums[1] - self.sums[3]

    def hold(self, epoch: int, blocks: int, size: int, adopted: int, all_adopted: int) -> None:
        """So much more, or less, is outstanding of `epoch` than before, and was adopted in it.

        Most often of the youngest. `all_adopted` counts where nothing was outstanding.
        """
        before = self.cohorts
        last = len(before) - 1
        at = last if last >= 0 and before[last][0] == epoch else bisect_left(before, (epoch,))
        met = at <= last and before[at][0] == epoch
        if met:
            _, blocks_before, size_before, all_adopted = before[at]
            blocks, size, all_adopted = (
                blocks + blocks_before,
                size + size_before,
                all_adopted + adopted,
            )
        holds = blocks or size  # what changes while it is read may have one of them
        # Cohort(...) takes twice as long, for the same tuple.
        now = (tuple.__new__(Cohort, (epoch, blocks, size, all_adopted)),) if holds else ()
        self.cohorts = (*before[:at], *now, *before[at + met :])
        if met != bool(holds):
            self._grow_old()

    def hold_sampled(self, scale: int, blocks: int, size: int) -> None:
        """So much more, or less, is outstanding of those that stand for `scale` each."""
        blocks_before, size_before = self.sampled.get(scale, (0, 0))
        self.sampled[scale] = blocks_before + blocks, size_before + size

    def young(self, epoch: int) -> int:
        """Bytes held of what was born in `epoch` and later."""
        size = 0
        for cohort in reversed(self.cohorts):
            if cohort.epoch < epoch:
                break
            size += cohort.bytes
        return size

    def parts(self) -> list[Part]:
        """What is estimated of what it holds."""
        return [Part(*held, scale) for scale, held in self.sampled.items()]

    def take(self, other: "SiteCounters") -> None:
        """What was counted there belongs here."""
        for scale, held in other.sampled.items():
            self.hold_sampled(scale, *held)
        self.sums = cast(Sums, tuple(map(add, self.sums, other.sums)))
        self.unseen += other.unseen
        self.dispersion = self.dispersion or other.dispersion
        if other.variance is not None:
            self.variance = (self.variance or 0.0) + other.variance
        self.mark += other.mark
        self.older_mark += other.older_mark
        self.cohorts = tuple(_one_an_epoch(sorted(self.cohorts + other.cohorts)))
        self._grow_old()

    def _grow_old(self) -> None:
        known = self.cohorts and self.stack
        self.oldest_at = float(start_of(self.cohorts[0].epoch)) if known else None


def _one_an_epoch(held: Iterable[Cohort]) -> Iterator[Cohort]:
    """`held` by epoch, with the sums of those that are of the same one."""
    for epoch, those in groupby(held, _EPOCH):
        _, blocks, sizes, adopted = zip(*those, strict=True)
        yield Cohort(epoch, sum(blocks), sum(sizes), sum(adopted))


class _Cohort:
    """One entry of the map, and its value when it was last read."""

    __slots__ = ("epoch", "key", "scale", "site", "value")

    def __init__(self, key: bytes, site: SiteCounters, epoch: int, scale: int) -> None:
        self.key = key
        self.site = site
        self.epoch = epoch
        self.scale = scale
        self.value = _NOTHING


class _Batch(NamedTuple):
    """One batch as it was last read, and the cohorts in it."""

    keys: bytes
    values: bytes
    cohorts: list[_Cohort]


class SiteBook:
    """All sites seen since attach, by (slot, stack); counters survive their cohorts."""

    def __init__(self, cohorts: Table) -> None:
        self._table = cohorts
        self._cohorts: dict[bytes, _Cohort] = {}
        self._batches: list[_Batch] = []
        self._empty: set[_Cohort] = set()
        self._totals: Sums = (0, 0, 0, 0, 0, 0)
        self._owners: dict[tuple[int, int], StackId] = {}
        self._moving: dict[SiteCounters, SiteCounters] = {}
        self.sites: dict[tuple[int, int], SiteCounters] = {}
        """Of slots in use."""
        self.unsettled: dict[SiteCounters, None] = {}
        """Sites to draw anew: they changed, or their growth still does. In order of appearance."""
        self.merged: list[SiteCounters] = []
        """Sites that became part of another one; who draws takes their rows away."""
        self.scale = 1
        """How many births one stands for that is recorded now; all that is told here is scaled."""
        self.unseen = 0
        """Births and adoptions of all sites for which others stand."""
        self.short = 0.0
        """How far what windows saw is off its share, as a part of that."""
        self.estimates = False
        """Was that ever more than one?"""
        self.seen = Seen()
        self._windows_saw = 0
        self._seen: dict[SiteCounters, tuple[int, int]] = {}
        self.variance: float | None = None
        """Of the bytes of all sites that were added as estimates; None where none were."""

    def __len__(self) -> int:
        """Cohorts in the map, as of the last poll."""
        return len(self._cohorts)

    def poll(self, deletable_before: int, windows_saw: int = 0) -> None:
        """Read every cohort; delete those that are empty and of an epoch before the given one.

        `windows_saw`: how much windows have seen since the last poll of what is done, in any unit.

        A batch that is as it was costs one comparison. Where none of its entries came or went,
        its cohorts are found without their keys; and only what changed is decoded.
        """
        self._windows_saw += windows_saw
        before, self._batches = self._batches, []
        known = self._cohorts.get
        for number, (keys_view, values_view) in enumerate(self._table.batches(_BATCH)):
            keys, values = bytes(keys_view), bytes(values_view)
            last = before[number] if number < len(before) else None
            if last is not None and last.keys == keys:
                if last.values == values:
                    self._batches.append(last)
                    continue
                keys, cohorts = last.keys, last.cohorts
            else:
                cohorts = [known(key) or self._meet(key) for (key,) in _KEY.iter_unpack(keys)]
            each = zip(cohorts, _VALUE.iter_unpack(values), strict=True)
            self._apply([(cohort, new) for cohort, (new,) in each if cohort.value != new])
            self._batches.append(_Batch(keys, values, cohorts))
        self._disperse()
        self._delete_empty(deletable_before)

    def credit(self, slot: Slot, counted: StackId, owner: StackId) -> None:
        """What the kernel counts under `counted` belongs to `owner`, since its beginning.

        For good; with the next `settle` where it has been read already.
        """
        self._owners[slot, counted] = owner
        met = self.sites.get((slot, counted))
        if met is not None:
            self._moving[met] = self._site(slot, self.owner(slot, owner))

    def settle(self) -> None:
        """Move what was read before its owner was known."""
        if not self._moving:
            return
        moving, self._moving = self._moving, {}
        for site, owner in moving.items():
            moving[site] = moving.get(owner, owner)  # a stump that was joined since
        for cohort in self._cohorts.values():
            cohort.site = moving.get(cohort.site, cohort.site)
        for site, owner in moving.items():
            owner.take(site)
            self.unsettled[owner] = None
            self.unsettled.pop(site, None)
            del self.sites[site.slot, site.stack]
        self.merged += moving

    def counted_as(self, slot: Slot, owner: StackId) -> frozenset[StackId]:
        """The ids that the kernel knows the blocks of one site by; any thread may ask."""
        parts = (part for there, part, whose in self.parts() if (there, whose) == (slot, owner))
        return frozenset({owner, *parts})

    def parts(self) -> list[tuple[int, StackId, StackId]]:
        """(slot, stack, owner) of stacks whose blocks belong to another one; any thread may ask."""
        owned = [(slot, StackId(stack)) for slot, stack in list(self._owners)]
        return [(slot, part, self.owner(slot, part)) for slot, part in owned]

    def owner(self, slot: int, stack: StackId) -> StackId:
        """Whose blocks the kernel counts under `stack`, as far as is known: its own id, unless credited.

        A ticket may be a stump's, and the stump be joined later: two steps at most.
        """
        for _ in range(2):
            stack = self._owners.get((slot, stack), stack)
        return stack

    def _site(self, slot: int, stack: int) -> SiteCounters:
        site = self.sites.get((slot, stack))
        if site is None:
            site = self.sites[slot, stack] = SiteCounters(Slot(slot), StackId(stack))
        return site

    def _meet(self, key: bytes) -> _Cohort:
        stack, slot, epoch = COHORT_KEY.unpack(key)
        site = self._site(slot, self.owner(slot, stack))
        scale = SCALES[epoch >> SCALE_AT]
        found = self._cohorts[key] = _Cohort(key, site, epoch & LAST, scale)
        self._empty.add(found)
        return found

    def _apply(self, changed: Iterable[tuple[_Cohort, bytes]]) -> None:
        """Add what is new. Written out column by column: it runs ten thousand times a poll."""
        unpack, unsettled = COHORT.unpack, self.unsettled
        t0, t1, t2, t3, t4, t5 = self._totals
        for cohort, value in changed:
            site = cohort.site
            o0, o1, o2, o3, o4, o5 = unpack(cohort.value)
            n0, n1, n2, n3, n4, n5 = unpack(value)
            s0, s1, s2, s3, s4, s5 = site.sums
            cohort.value = value
            held, holds = o0 + o4 != o2, n0 + n4 != n2
            o0, o1, o2, o3, o4, o5 = n0 - o0, n1 - o1, n2 - o2, n3 - o3, n4 - o4, n5 - o5
            if (scale := cohort.scale) != 1:
                if o0:
                    blocks, size = self._seen.get(site, (0, 0))
                    self._seen[site] = blocks + o0, size + o1
                site.unseen += (scale - 1) * (o0 + o4)
                self.unseen += (scale - 1) * (o0 + o4)
                o0, o1, o2, o3, o4, o5 = (scale * one for one in (o0, o1, o2, o3, o4, o5))
                n5 *= scale
                site.hold_sampled(scale, o0 + o4 - o2, o1 + o5 - o3)
            site.sums = (s0 + o0, s1 + o1, s2 + o2, s3 + o3, s4 + o4, s5 + o5)
            t0, t1, t2, t3, t4, t5 = t0 + o0, t1 + o1, t2 + o2, t3 + o3, t4 + o4, t5 + o5
            unsettled[site] = None
            site.hold(cohort.epoch, o0 + o4 - o2, o1 + o5 - o3, o5, n5)
            if holds and not held:
                self._empty.discard(cohort)
            elif held and not holds:
                self._empty.add(cohort)
        self._totals = (t0, t1, t2, t3, t4, t5)

    def sample(self, scale: int) -> None:
        """Who is recorded from now on stands for so many."""
        self.scale = scale
        self.estimates = self.estimates or scale > 1

    def _disperse(self) -> None:
        """Take note of what this poll saw of births in windows."""
        amount, self._windows_saw = self._windows_saw, 0
        if not amount:  # what is seen belongs to a window that is told next time
            return
        for site, (blocks, size) in self._seen.items():
            site.dispersion = site.dispersion or Dispersion(self.seen)
            site.dispersion.add(blocks, size, amount, self.seen)
        self._seen.clear()
        self.seen.add(amount)

    def add(
        self,
        slot: Slot,
        stack: StackId,
        epoch: int,
        change: Sums,
        variance: float | None = None,
        *,
        in_totals: bool = True,
    ) -> None:
        """Count what is not in the kernel's cohorts: so much more under `stack`, of births in `epoch`.

        `variance`: of its bytes, where they are an estimate.
        """
        self.settle()
        site = self._site(slot, self.owner(slot, stack))
        s0, s1, s2, s3, s4, s5 = site.sums
        c0, c1, c2, c3, c4, c5 = change
        site.sums = (s0 + c0, s1 + c1, s2 + c2, s3 + c3, s4 + c4, s5 + c5)
        if in_totals:
            t0, t1, t2, t3, t4, t5 = self._totals
            self._totals = (t0 + c0, t1 + c1, t2 + c2, t3 + c3, t4 + c4, t5 + c5)
        if variance is not None:
            site.variance = (site.variance or 0.0) + variance
            self.variance = (self.variance or 0.0) + variance
        self.unsettled[site] = None
        site.hold(epoch, c0 + c4 - c2, c1 + c5 - c3, c5, c5)

    def _delete_empty(self, before: int) -> None:
        """A closed cohort whose blocks are all freed can never change again: see `open_epoch`."""
        for cohort in [one for one in self._empty if one.epoch < before and one.site.stack]:
            self._forget(cohort)

    def forget_slots(self, slots: Collection[Slot]) -> Iterator[None]:
        """Delete the cohorts of ended slots, one a step; their sites keep their counters.

        The slots may be given to other programs then, whose sites are others.
        """
        for cohort in [one for one in self._cohorts.values() if one.site.slot in slots]:
            self._forget(cohort)
            yield
        self.settle()
        for key in [key for key in self.sites if key[0] in slots]:
            del self.sites[key]
        for key in [key for key in self._owners if key[0] in slots]:
            del self._owners[key]

    def drop(self, rows: Collection[int]) -> None:
        """Nothing becomes of the sites in these rows any more, which are others' from now on."""
        self.unsettled = {site: None for site in self.unsettled if site.row not in rows}

    def move(self, places: Mapping[int, int]) -> None:
        """Rows have come to other places."""
        for site in {**dict.fromkeys(self.sites.values()), **self.unsettled}:
            if site.row is not None:
                site.row = places.get(site.row)

    def _forget(self, cohort: _Cohort) -> None:
        self._table.delete(cohort.key)
        self._cohorts.pop(cohort.key, None)
        self._empty.discard(cohort)
        self._batches.clear()  # the same keys may come again, and are other cohorts then

    def totals(self) -> Counts:
        """The sum of all sites."""
        return Counts._make(self._totals)

    def move_marks(self) -> None:
        """Remember every site's size now, and what was remembered last time."""
        for site in self.unsettled:
            site.older_mark, site.mark = site.mark, site.tracked_growth
