"""Draining: from some moment on allocations are not recorded, frees still are; what remains is kept.

Anybody may ask for it, and for recording again; it is done on the poller's thread.
"""

import logging

from ebpftrace.kernel.tracer import Tracer
from ebpftrace.model.picture import Drain

log = logging.getLogger(__name__)


class Draining:
    """Times in seconds since attach. `after`: when it begins by itself; None: when it is asked for."""

    def __init__(self, tracer: Tracer, after: float | None) -> None:
        self._tracer = tracer
        self._after = after
        self._wanted = False
        self._since: float | None = None
        self._over_s = 0.0  # what earlier ones took
        self._times: list[tuple[int, int | None]] = []  # monotonic, ns

    def want(self, *, on: bool) -> None:
        """Begin or end it as soon as may be. From any thread."""
        self._wanted = on

    @property
    def wanted(self) -> bool:
        """What was asked for last. From any thread."""
        return self._wanted

    def tick(self, now: float) -> None:
        """Do what was asked for, or is due."""
        if self._after is not None and now >= self._after:
            self._after, self._wanted = None, True
        if self._wanted == (self._since is not None):
            return
        moment = self._tracer.switches.drain(on=self._wanted)
        if self._wanted:
            log.info("draining: allocations are not recorded from now on")
            self._since = now
            self._times.append((moment, None))
        else:
            log.info("allocations are recorded again")
            self._over_s += now - (self._since or now)
            self._since = None
            self._times[-1] = self._times[-1][0], moment

    def state(self, now: float) -> Drain | None:
        """How a picture of that moment tells of it; None where it never was."""
        if not self._times:
            return None
        under_way = now - self._since if self._since is not None else 0.0
        return Drain(self._since, self._over_s + max(0.0, under_way))

    def records(self, moment: int) -> bool:
        """Was a call at that moment (monotonic, ns) recorded?"""
        return not any(
            start <= moment and (end is None or moment < end) for start, end in self._times
        )
