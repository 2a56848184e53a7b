"""How often targets free, seen for a moment every few seconds while nothing of their allocators is probed.

So a watch of page faults learns that every allocation would be affordable again. What frees is probed for a
moment; nothing of it is counted. For the poller's thread.
"""

import logging
import time
from collections.abc import Iterable

from ebpftrace.errors import CannotAttach
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.kernel.windowed import WindowProbes, close_all
from ebpftrace.session.cost import CostMeter
from ebpftrace.session.hits import Hits, difference
from ebpftrace.session.pace import Pace
from ebpftrace.session.traced import Traced

log = logging.getLogger(__name__)

_EVERY_S, _SHARE = 5.0, 0.05  # most of it is waiting
_LENGTH_S = 0.02


class Glances:
    """None can be had of targets whose probes are held by perf events: these come and go too slowly."""

    def __init__(self, tracer: Tracer, cost: CostMeter) -> None:
        self._tracer = tracer
        self._cost = cost
        self._pace = Pace(_EVERY_S, lambda: _SHARE)
        self._ready: dict[Traced, WindowProbes] = {}

    def look(self, living: Iterable[Traced]) -> tuple[Hits, float] | None:
        """Calls, and in how many seconds; None where it is not time for that, or not possible."""
        living = list(living)
        if not self._pace.due() or not all(traced.by_links for traced in living):
            return None
        done = self._pace.begin()
        try:
            return self._look(living)
        except CannotAttach:  # the worker is stuck or gone, which is seen elsewhere
            log.debug("no glance", exc_info=True)
            return None
        finally:
            done()

    def _look(self, living: list[Traced]) -> tuple[Hits, float]:
        self._follow(living)
        placed = list(self._ready.values())
        for one in placed[:1]:
            one.look()
        for one in placed:
            one.place()
        for one in placed:
            one.placed()
        before, began = self._cost.hits(), time.monotonic()
        time.sleep(_LENGTH_S)
        hits, passed = difference(self._cost.hits(), before), time.monotonic() - began
        for one in placed:
            one.remove()
        for one in placed:
            one.removed()
        return hits, passed

    def _follow(self, living: list[Traced]) -> None:
        gone = [traced for traced in self._ready if traced not in living]
        close_all([self._ready.pop(traced) for traced in gone])
        for traced in living:
            if traced not in self._ready:
                probes = traced.deaths()
                ready = traced.ready(self._tracer, probes)
                if ready is not None:
                    self._cost.also(probes)
                    self._ready[traced] = ready

    def close(self) -> None:
        """No more of them."""
        self._follow([])
