"""From counters and stacks to the sites of a picture; what did not change is drawn once."""

from collections.abc import Iterable, Mapping
from itertools import takewhile
from math import hypot, sqrt

from ebpftrace.drain.estimating import Flicker, Z, added, of_site, variance
from ebpftrace.drain.estimating import error as estimated_error
from ebpftrace.drain.folding import Folding
from ebpftrace.drain.refining import Refining
from ebpftrace.drain.sites import SiteBook, SiteCounters
from ebpftrace.drain.space import Space, site_id
from ebpftrace.drain.stacks import StackBook
from ebpftrace.model.epochs import epoch_at
from ebpftrace.model.frames import Frame
from ebpftrace.model.picture import CallSite, Counts, Site
from ebpftrace.probes.functions import Function
from ebpftrace.probes.numbers import ALL_FAMILIES, ALL_FUNCTIONS
from ebpftrace.unwind.rules import End

MARK_SECONDS = 5.0
_LOOK_S = 1.3  # longer than from window to window, or looks would be alike
_YOUNG_S = 3.0  # some stretches, each with a window
_FEW = 1000


class Drawing:
    """Draws all sites; growth is measured against where a site was five to ten seconds ago."""

    def __init__(
        self,
        book: SiteBook,
        stacks: StackBook,
        spaces: Mapping[int, Space],
        functions: Iterable[Function] = (),
    ) -> None:
        """`functions`: such as the user has named, beside those that are known."""
        self._functions = {**ALL_FUNCTIONS, **{one.id: one for one in functions}}
        self._book = book
        self._stacks = stacks
        self._spaces = spaces
        self._drawn: list[Site | None] = []
        """None where a site became part of another one."""
        self._of_space: dict[int, list[int]] = {}
        """Rows by the number of their address space."""
        self._folding = Folding()
        self._refining = Refining(spaces)
        self._mark_at = self._older_mark_at = 0.0
        self._mark = self._older_mark = 0
        self._spreads: dict[SiteCounters, tuple[float, float]] = {}
        """The variance of what each site holds, as of single blocks, and the root of what bursts add to it."""
        self._none = 0
        self._looks, self._look_at = 0, 0.0
        """At what is young, while births are sampled."""
        self._young = 0
        self._flicker = Flicker(0)

    def draw(self, now: float, *, idle: bool = True) -> tuple[Site, ...]:
        """All sites that ever held a block, `now` in seconds since attach.

        `idle`: files and lines of further sites may be looked up.
        """
        if now - self._mark_at >= MARK_SECONDS:
            self._book.move_marks()
            self._older_mark_at, self._mark_at = self._mark_at, now
            self._older_mark, self._mark = self._mark, _tracked_growth(self._book.totals())
        window = max(now - self._older_mark_at, 1e-9)
        self._book.settle()
        if self._book.estimates and now >= self._look_at:
            self._looks, self._look_at = self._looks + 1, now + _LOOK_S
        self._young = 0
        drawn = self._drawn
        self._leave_out_merged()
        make = tuple.__new__  # Site(...) and Counts(...) take twice as long, for the same tuples
        unsettled: dict[SiteCounters, None] = {}
        sizes: list[int] = []
        rows: list[int] = []
        for counters in self._book.unsettled:
            if counters.row is None and not any(counters.sums):
                continue
            row = counters.row
            before = drawn[row] if row is not None else None
            at = before.at if before is not None else self._call_site(counters)
            if at.allocator is None and row is not None and counters.stack:
                at = self._call_site(counters)  # perhaps its stack has come
                self._refining.forget(row)
            grown = counters.tracked_growth
            growth = (grown - counters.older_mark) / window
            sums, oldest_at = make(Counts, counters.sums), counters.oldest_at
            error = self._error(counters, now) if self._book.estimates else None
            if counters.variance is not None:
                error = added(error, counters.variance)
            site = make(Site, (at, sums, oldest_at, growth, counters.cohorts, error))
            if row is None:
                row = counters.row = len(drawn)
                drawn.append(site)
                self._of_space.setdefault(self._spaces[counters.slot].number, []).append(row)
            else:
                drawn[row] = site
            sizes.append(sums.bytes)
            rows.append(row)
            if not grown == counters.mark == counters.older_mark or at.allocator is None:
                unsettled[counters] = None
        self._book.unsettled = unsettled
        self._flicker.add(self._young, self._looks)
        self._refining.refine(drawn)
        self._refining.ask(drawn, zip(sizes, rows, strict=True), idle=idle)
        return tuple(filter(None, drawn))

    def _error(self, counters: SiteCounters, now: float) -> float:
        """Of what it holds; its part in that of everything is kept."""
        seen, sums, parts = self._book.seen, counters.sums, counters.parts()
        each = sums[1] / sums[0] if sums[0] else 0.0
        factor = counters.dispersion.factor(seen) if counters.dispersion else 1.0
        flicker = counters.flicker = counters.flicker or Flicker(self._looks - 1)
        young = counters.young(epoch_at(max(0.0, now - _YOUNG_S)))
        flicker.add(young, self._looks)
        self._young += young
        flickers = flicker.variance(self._looks, sums[1] / max(now, 1.0))
        singly = variance(parts)
        self._spreads[counters] = singly, sqrt(singly * (factor - 1))
        return of_site(parts, factor, flickers, self._book.scale, each, self._book.short)

    def error(self, totals: Counts, now: float) -> float | None:
        """Of the bytes held in all; None where every birth was seen."""
        estimated = self._book.variance
        if not self._book.estimates:
            return None if estimated is None else added(None, estimated)
        # Blocks come singly at one site whatever another does; what goes on in bursts goes on everywhere.
        singly, together = (
            sum(column) for column in zip((0.0, 0.0), *self._spreads.values(), strict=True)
        )
        counted = estimated_error(totals.bytes, singly + together**2)
        flickers = self._flicker.variance(self._looks, totals.allocated_bytes / max(now, 1.0))
        held = sum(part.bytes for site in self._spreads for part in site.parts())
        return added(hypot(counted, Z * sqrt(flickers), self._book.short * held), estimated or 0.0)

    def fold(self, number: int) -> None:
        """The program of this address space ended long ago: its sites become part of common ones.

        Nothing of it is counted any more, and its slot is another's, or will be.
        """
        self._leave_out_merged()
        drawn, rows = self._drawn, self._of_space.pop(number, [])
        gone = set(rows)
        self._book.drop(gone)
        self._refining.drop(gone)
        for row in rows:
            site, drawn[row] = drawn[row], None
            if site is not None:
                self._folding.fold(site, drawn)
        self._none += len(rows)
        if self._none > _FEW + len(drawn) // 2:
            self._close_ranks()

    def _leave_out_merged(self) -> None:
        for merged in self._book.merged:
            if merged.row is not None:
                self._drawn[merged.row] = None
            self._spreads.pop(merged, None)
        self._book.merged.clear()

    def _close_ranks(self) -> None:
        """Rows of sites that are no more take memory, and time at each picture."""
        places = [-1] * len(self._drawn)
        kept = [row for row, site in enumerate(self._drawn) if site is not None]
        for place, row in enumerate(kept):
            places[row] = place
        self._drawn[:] = [self._drawn[row] for row in kept]
        self._book.move({row: place for place, row in enumerate(kept)})
        self._refining.move(places)
        self._folding.move(places)
        self._of_space = {
            number: [places[row] for row in rows if places[row] >= 0]
            for number, rows in self._of_space.items()
        }
        self._none = 0

    @property
    def stacks(self) -> int:
        """How many different ones have come."""
        return len(self._stacks)

    def growth(self, totals: Counts, now: float) -> float | None:
        """Growth of everything in bytes per second, over the same window as the sites'."""
        return _rate(_tracked_growth(totals) - self._older_mark, now - self._older_mark_at)

    def _call_site(self, counters: SiteCounters) -> CallSite:
        space = self._spaces[counters.slot]
        stack = self._stacks.get(counters.stack)
        frames = _up_to_no_code(space.frames(stack.pcs)) if stack else ()
        return CallSite(
            id=site_id(space.number, counters.stack),
            slot=counters.slot,
            stack=counters.stack,
            pid=space.pid,
            family=ALL_FAMILIES[stack.called >> 8] if stack else None,
            allocator=self._functions[stack.called & 0xFF].name if stack else None,
            complete=stack is not None and stack.complete,
            guessed=stack.guessed if stack is not None else None,
            frames=frames,
            end=End(stack.end).name.lower() if stack is not None else None,
        )


def _up_to_no_code(frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
    """The frames before the first address that nothing is mapped at: there the walk went astray."""
    return tuple(takewhile(lambda frame: frame.module is not None, frames))


def _tracked_growth(totals: Counts) -> int:
    return totals.allocated_bytes - totals.freed_bytes


def _rate(grown: int, seconds: float) -> float | None:
    return grown / seconds if seconds > 0 else None
