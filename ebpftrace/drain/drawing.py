"""From counters and stacks to the sites of a picture; what did not change is drawn once."""

from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import NamedTuple

from ebpftrace.drain.sites import SiteBook, SiteCounters
from ebpftrace.drain.stacks import StackBook, is_complete
from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import Address, Pid
from ebpftrace.model.picture import Counts, Site
from ebpftrace.probes.families import FAMILIES, FUNCTIONS

MARK_SECONDS = 5.0


class Space(NamedTuple):
    """What drawing needs to know of a traced address space."""

    pid: Pid
    frames: Callable[[Sequence[Address]], tuple[Frame, ...]]


class Drawing:
    """Draws all sites; growth is measured against where a site was five to ten seconds ago."""

    def __init__(self, book: SiteBook, stacks: StackBook, spaces: Mapping[int, Space]) -> None:
        self._book = book
        self._stacks = stacks
        self._spaces = spaces
        self._drawn: dict[tuple[int, int], Site] = {}
        self._mark_at = self._older_mark_at = 0.0

    def draw(self, now: float) -> tuple[Site, ...]:
        """All sites, `now` in seconds since attach."""
        if now - self._mark_at >= MARK_SECONDS:
            self._book.move_marks()
            self._older_mark_at, self._mark_at = self._mark_at, now
        drawn = self._drawn
        for key, counters in self._book.sites.items():
            if counters.changed or counters.tracked_growth != counters.older_mark:
                if counters.counts.allocated_blocks or counters.counts.adopted_blocks:
                    drawn[key] = self._site(key, counters, now)
                counters.changed = key in drawn and drawn[key].allocator is None
        return tuple(drawn.values())

    def growth(self, totals: Counts, now: float) -> float | None:
        """Growth of everything in bytes per second, over the same window as the sites'."""
        older = sum(counters.older_mark for counters in self._book.sites.values())
        return _rate(totals.allocated_bytes - totals.freed_bytes - older, now - self._older_mark_at)

    def _site(self, key: tuple[int, int], counters: SiteCounters, now: float) -> Site:
        growth = _rate(counters.tracked_growth - counters.older_mark, now - self._older_mark_at)
        before = self._drawn.get(key)
        if before is not None and before.allocator is not None:
            return before._replace(
                counts=counters.counts, oldest_at=counters.oldest_at(), growth=growth
            )
        space = self._spaces[counters.slot]
        stack = self._stacks.get(counters.stack)
        frames = _up_to_no_code(space.frames(stack.pcs)) if stack else ()
        return Site(
            id=f"{counters.slot:03x}{counters.stack:016x}",
            slot=counters.slot,
            stack=counters.stack,
            pid=space.pid,
            family=FAMILIES[stack.called >> 8].name if stack else None,
            allocator=FUNCTIONS[stack.called & 0xFF].name if stack else None,
            counts=counters.counts,
            oldest_at=counters.oldest_at(),
            growth=growth,
            complete=stack is not None and not stack.truncated and is_complete(frames),
            guessed=None,
            frames=frames,
        )


def _up_to_no_code(frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
    """The frames before the first address that nothing is mapped at: there the walk went astray."""
    return tuple(takewhile(lambda frame: frame.module is not None, frames))


def _rate(grown: int, seconds: float) -> float | None:
    return grown / seconds if seconds > 0 else None
