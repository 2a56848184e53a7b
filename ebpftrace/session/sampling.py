"""Whether every birth is recorded, or those in windows of time. For the poller's thread.

What is in place changes with it: deaths and resizes are probed all the time, births in windows only where
links hold the probes.
"""

import logging
from collections.abc import Iterable

from ebpftrace.drain.sites import SiteBook
from ebpftrace.errors import CannotAttach, TargetGone
from ebpftrace.kernel.attach import Attachment
from ebpftrace.kernel.layout import SCALES
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.kernel.windowed import WindowProbes
from ebpftrace.session.cost import CostMeter
from ebpftrace.session.removals import Removals
from ebpftrace.session.traced import Traced
from ebpftrace.session.windows import Windows

log = logging.getLogger(__name__)

_Prepared = tuple[Attachment, int, WindowProbes | None]


class Sampling:
    """`scale`: how many births one that is recorded stands for; 1: all are."""

    def __init__(self, tracer: Tracer, book: SiteBook, removals: Removals, cost: CostMeter) -> None:
        """`cost` counts the calls of the targets."""
        self._tracer = tracer
        self._book = book
        self._removals = removals
        self._windows = Windows(tracer.switches, cost.calls, cost.calls_in_windows)
        self._prepared: dict[Traced, _Prepared] = {}
        self.scale = 1
        self.held_back = False
        """Are births not even recorded in windows yet?"""

    def hold_back(self) -> None:
        """Before anything is attached to: births wait for a first `choose`."""
        self._tracer.switches.sample(len(SCALES) - 1)
        self.scale, self.held_back = SCALES[-1], True

    def choose(self, scale: int, living: Iterable[Traced]) -> list[Traced]:
        """From now on; one of `layout.SCALES`. Those whose probes were lost by it."""
        if scale == self.scale and not self.held_back:
            return []
        self.held_back = False
        living = list(living)
        if scale > 1:
            self._windows.end()
            self._change(scale)
            lost = self._hold(living, sampled=True)
            self.tend(living)
            self._windows.begin(scale)
        else:
            self._windows.end()
            lost = self._hold(living, sampled=False)
            self._change(scale)
            self.tend(living)
        return lost

    def tend(self, living: Iterable[Traced]) -> None:
        """Targets have come or gone, or what they load."""
        if self._windows.failed is not None:
            return
        living = list(living)
        before, self._prepared = self._prepared, {}
        for traced in living:
            made = traced.attachment
            if not traced.sampled or made is None:
                continue
            known = before.get(traced)
            if known is None or known[:2] != (made, len(made)):
                known = (made, len(made), self._ready(traced))
            self._prepared[traced] = known
        if self._prepared != before:
            probes = [one for _, _, one in self._prepared.values() if one is not None]
            self._windows.follow(probes)

    @property
    def failed(self) -> CannotAttach | None:
        """Why births are not seen any more."""
        return self._windows.failed

    def take_seen(self) -> int:
        """As of `Windows`."""
        seen = self._windows.take_seen()
        self._book.short = self._windows.short
        return seen

    def close(self) -> None:
        """No more windows."""
        self._windows.close()

    def _change(self, scale: int) -> None:
        self._tracer.switches.sample(SCALES.index(scale))
        self._book.sample(scale)
        self.scale = scale

    def _hold(self, living: Iterable[Traced], *, sampled: bool) -> list[Traced]:
        lost = []
        for traced in living:
            if traced.sampled == sampled or traced.attachment is None:
                continue
            traced.sampled = sampled
            if not traced.by_links:
                continue
            try:
                self._removals.add(traced.move(self._tracer, traced.attachment.backend))
            except TargetGone:
                log.debug("pid %d has ended", traced.process.pid)
            except CannotAttach as error:
                log.error("pid %d: %s", traced.process.pid, error)
                lost.append(traced)
        return lost

    def _ready(self, traced: Traced) -> WindowProbes | None:
        try:
            return traced.windowed(self._tracer)
        except CannotAttach:  # the worker is gone, which is seen elsewhere
            log.debug("pid %d", traced.process.pid, exc_info=True)
            return None
