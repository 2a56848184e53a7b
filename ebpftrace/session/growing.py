"""Growth: which call sites take fresh memory, by the page faults of the programs that are traced.

Owns what becomes of each fault, in bytes. It may begin and end while a program is traced. What it sees is
pages that were not touched before, and are not given back at once; later that is not taken off. What it cannot
see is memory that is used again inside the heap, and whose what the kernel fills is (MAP_POPULATE, mlock).
"""

import contextlib
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ebpftrace import kerneltime
from ebpftrace.drain.growth import PAGE, Level, Looked, Sample, Touched, spread
from ebpftrace.drain.sites import SiteBook
from ebpftrace.errors import CannotAttach
from ebpftrace.kernel import layout
from ebpftrace.kernel.faults import FaultEvents, Faults
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.model.epochs import epoch_at
from ebpftrace.model.ids import Pid, Slot, StackId
from ebpftrace.model.picture import Counts
from ebpftrace.session.pace import Pace
from ebpftrace.session.traced import Traced
from ebpftrace.target.pages import OTHER, PageMap, anonymous_bytes, open_flags
from ebpftrace.target.relatives import has_forked_kin

log = logging.getLogger(__name__)

EVERY_S = 0.25
"""So often faults are looked up: later their memory may be another's by then, or what was read be written."""
_SHARE = 0.01  # of the time
_LARGEST_IS = Path("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size")
_LARGEST = 2 << 20
_NO_STACK = StackId(0)
_LOWEST = 1 << 16  # below, nothing is ever mapped: what faults there is a NULL that was followed
_UNSEEN = (
    "Its page maps may not be read (CAP_DAC_READ_SEARCH): every page that it touches counts as growth, "
    "also those that it only reads."
)
_SETTLED, _FEW = 64, 2  # once so many were looked up and all were alike, so few are each time
_BATCH = 32  # of the kernel's per-cpu counters (mm_counter of include/linux/mm.h), at least


class _Space:
    """One slot whose faults are counted."""

    def __init__(self, traced: Traced, events: FaultEvents | None) -> None:
        self.traced = traced
        self.events = events
        self._maps: dict[Pid, PageMap] = {}
        self._told = False
        self.levels: dict[Pid, Level] = {}
        self.heirs: set[Pid] = set()
        """Children that have memory of their own, by the last look."""

    def forget(self, pid: Pid) -> None:
        """It has ended."""
        self.levels.pop(pid, None)
        pages = self._maps.pop(pid, None)
        if pages is not None:
            pages.close()

    def pages_of(self, pid: Pid, flags: int | None) -> PageMap | None:
        """None where it has ended, or may not be looked into."""
        pages = self._maps.get(pid)
        if pages is None:
            try:
                pages = self._maps[pid] = PageMap(self.folder(pid), flags)
            except PermissionError:
                if not self._told:
                    self.traced.note(_UNSEEN)
                self._told = True
            except OSError:
                return None
        return pages

    def folder(self, pid: Pid) -> str:
        """Of that process in /proc: by a living thread of the one that is traced."""
        if pid == self.traced.process.pid:
            with contextlib.suppress(CannotAttach):
                return self.traced.process.proc_path()
        return f"/proc/{pid}"

    def close(self) -> None:
        for pid in list(self._maps):
            self.forget(pid)
        if self.events is not None:
            self.events.close()
            self.events = None


class _New(NamedTuple):
    """New faults under one stack of one process."""

    faults: Faults
    pages: int
    variance: float
    huge: float


class Growing:
    """On the poller's thread."""

    def __init__(self, tracer: Tracer, book: SiteBook, *, active: bool) -> None:
        """`active`: is growth what is watched? May be changed at any time."""
        self.active = active
        self._tracer = tracer
        self._book = book
        self._spaces: dict[Slot, _Space] = {}
        self._looked: dict[tuple[Slot, StackId, bool], Looked] = {}
        self._read: dict[tuple[StackId, Slot, Pid, bool], int] = {}
        self._touched = Touched(layout.TOUCHED_BITS)
        self._flags: int | None = None
        self._largest = _largest_page()
        self._pace = Pace(EVERY_S, lambda: _SHARE)
        self._sums = (0, 0)

    def counts(self) -> Counts:
        """Growth since the begin: samples for blocks, and estimated bytes. Nothing is ever freed."""
        return Counts(*self._sums)

    # --- what is watched --------------------------------------------------------------------------

    def begin(self, traced: Traced) -> None:
        """Count the faults of `traced`, which has its slot, from now on. CannotAttach, TargetGone."""
        if traced.slot in self._spaces:
            return
        if self._flags is None:
            self._flags = open_flags()
        pid = traced.process.pid
        for other in self._spaces.values():  # whose child it was
            other.forget(pid)
        self._tracer.faults.begin(pid, traced.slot)
        try:
            events = self._tracer.faults.events(traced.process.tasks)
        except CannotAttach:
            self._tracer.faults.end(pid)
            raise
        log.debug("pid %d: %d events of page faults", pid, len(events))
        space = self._spaces[traced.slot] = _Space(traced, events)
        self._level(space, pid)
        space.pages_of(pid, self._flags)  # now, so that what is missing is among the first notes

    def grows_from_here(self) -> None:
        """Once faults count: how large the processes were before is no growth of theirs."""
        for space in self._spaces.values():
            self._level(space, space.traced.process.pid)

    def end(self, slot: Slot) -> None:
        """Count them no more; the last ones go to their sites."""
        space = self._spaces.get(slot)
        if space is None:
            return
        self._tracer.faults.end(space.traced.process.pid)
        for heir in self._tracer.faults.heirs(slot):
            self._tracer.faults.end(heir)
        self._look_at([slot])
        del self._spaces[slot]
        space.close()
        self._tracer.faults.forget_slot(slot)
        self._read = {key: count for key, count in self._read.items() if key[1] != slot}
        self._looked = {key: each for key, each in self._looked.items() if key[0] != slot}

    def close(self) -> None:
        """Remove every event."""
        for space in self._spaces.values():
            space.close()
        self._spaces.clear()
        if self._flags is not None:
            os.close(self._flags)
            self._flags = None

    # --- what it has come to ----------------------------------------------------------------------

    def tick(self) -> None:
        """Look, where that is due."""
        if self._spaces and self._pace.due():
            self.look()

    def look(self) -> None:
        """Take what was counted since the last time to its sites. After all events were taken."""
        if not self._spaces:
            return
        done = self._pace.begin()
        self._look_at(list(self._spaces))
        done()

    def _look_at(self, slots: Iterable[Slot]) -> None:
        new: dict[Slot, dict[Pid, list[tuple[Faults, int]]]] = {slot: {} for slot in slots}
        found = list(self._tracer.faults.read())
        self._tracer.switches.looked_at_faults()
        if self._touched.is_full:
            self._tracer.faults.forget_touched()
            self._touched.empty()
        for faults in found:
            if faults.slot in new and (count := self._newly(faults)):
                new[faults.slot].setdefault(faults.process, []).append((faults, count))
        for slot, processes in new.items():
            space = self._spaces[slot]
            self._forget_gone(space, processes)
            for pid in {*processes, *space.levels}:
                size = anonymous_bytes(space.folder(pid))
                if size is None:
                    space.forget(pid)
                pages = space.pages_of(pid, self._flags) if size is not None else None
                judged = [self._judged(pages, *each) for each in processes.get(pid, [])]
                self._settle(space, pid, size, judged)

    def _forget_gone(self, space: _Space, new: Iterable[Pid]) -> None:
        """Children that have ended, run another program, or are watched themselves by now."""
        others = {*space.levels, *new} - {space.traced.process.pid}
        if others:
            space.heirs = set(self._tracer.faults.heirs(space.traced.slot))
            for pid in (others & space.levels.keys()) - space.heirs:
                space.forget(pid)

    def _newly(self, faults: Faults) -> int:
        """How many have come since the last time."""
        key = faults.stack, faults.slot, faults.process, faults.copied
        count = faults.total - self._read.get(key, 0)
        if count:
            self._read[key] = faults.total
        elif self._book.owner(faults.slot, faults.stack) != faults.stack:  # a ticket: one fault
            self._tracer.faults.forget(faults)
            self._read.pop(key, None)
        return count

    def _judged(self, pages: PageMap | None, faults: Faults, count: int) -> _New:
        """How many of the last `count` were growth; `pages`: None where the process has ended."""
        owner = self._book.owner(faults.slot, faults.stack)
        looked = self._looked.setdefault((faults.slot, owner, faults.copied), Looked())
        own = others = 0
        if pages is not None:
            own, others = _look_up(pages, faults.addresses[:count], looked)
        part = looked.part(round(self._touched.scaled(count)), own, others)
        larger = part.pages * looked.huge / looked.own if looked.own else 0.0
        return _New(faults, part.pages, part.variance, larger)

    def _settle(self, space: _Space, pid: Pid, size: int | None, new: list[_New]) -> None:
        """Give the growth of one process to its sites."""
        slot = space.traced.slot
        touched = [one for one in new if not one.faults.copied]
        copied = [one for one in new if one.faults.copied and one.pages]
        excess = self._excess(space, pid, size, PAGE * sum(one.pages for one in touched))
        more, excess = spread(
            excess, [Sample(one.pages, one.huge) for one in touched], self._largest
        )
        for one, larger in zip(touched, more, strict=True):
            doubt = one.variance * PAGE * PAGE + larger.variance
            self._add(one, PAGE * one.pages + larger.bytes, doubt)
        shared = bool(copied) and has_forked_kin(pid)
        for one in copied:
            size = PAGE * one.pages
            if shared:  # who of the two writes second has the page for itself, and takes none
                self._add(one, size, (size / 4) ** 2)
            elif excess:
                given = min(size, excess)
                excess -= given
                self._add(one, given, one.variance * PAGE * PAGE)
        if excess:
            self._grow(slot, _NO_STACK, 0, (0, excess), 0.0)

    def _add(self, one: _New, size: int, variance: float) -> None:
        if one.pages:
            self._grow(
                one.faults.slot, one.faults.stack, self._epoch(), (one.pages, size), variance
            )

    def _grow(
        self, slot: Slot, stack: StackId, epoch: int, more: tuple[int, int], variance: float
    ) -> None:
        samples, size = more
        before_samples, before = self._sums
        self._sums = before_samples + samples, before + size
        self._book.add(slot, stack, epoch, (samples, size, 0, 0, 0, 0), variance)

    def _epoch(self) -> int:
        since = max(0, kerneltime.now_ns() - self._tracer.start_ns)
        return epoch_at(since / 1e9)

    def _excess(self, space: _Space, pid: Pid, size: int | None, seen: int) -> int:
        level = space.levels.get(pid)
        if level is not None and size is not None:
            return level.excess(size, seen)
        self._level(space, pid)
        return 0

    def _level(self, space: _Space, pid: Pid) -> None:
        if pid != space.traced.process.pid and pid not in space.heirs:
            return
        size = anonymous_bytes(space.folder(pid))
        if size is not None:
            space.levels[pid] = Level(size, _tolerance())


def _look_up(pages: PageMap, addresses: Sequence[int], looked: Looked) -> tuple[int, int]:
    """How many became memory of the process's own, and how many did not; in the sums of `looked` as well.

    Few are enough where many were looked up before, all were alike, and these are.
    """
    own = others = 0
    for address in addresses:
        settled = looked.total >= _SETTLED and not looked.is_mixed
        if settled and own + others >= _FEW:
            break
        page = pages.at(address) if address >= _LOWEST else OTHER
        is_own = page.kind != "other"  # what is gone again was taken, and counts once
        own, others = own + is_own, others + (not is_own)
        looked.add(is_own, not is_own, is_own and page.huge is not False)
    return own, others


def _tolerance() -> int:
    """How wrong the kernel's counters of a process may be: each processor keeps some for itself."""
    processors = os.cpu_count() or 1
    return PAGE * processors * max(_BATCH, 2 * processors)


def _largest_page() -> int:
    try:
        return int(_LARGEST_IS.read_text())
    except (OSError, ValueError):
        return _LARGEST
