"""By how much longer our programs run in the targets than they did when their price was found.

Stacks are deeper there, and caches colder. For the poller's thread.
"""

import logging
import time
from collections.abc import Callable, Mapping

from ebpftrace.kernel.prices import Prices
from ebpftrace.kernel.run_time import RunTime
from ebpftrace.probes.functions import Function
from ebpftrace.session.hits import Hits, difference

log = logging.getLogger(__name__)

_FIRST_S, _EVERY_S = 0.5, 20.0
_LENGTH_S = 0.1
_LEAST_NS = 200_000  # of less, a few calls would decide
_KEPT = 0.5  # of what was measured earlier, each time
_LEAST, _MOST = 0.5, 10.0


class PaceOfPrograms:
    """`factor`: 1.0 as long as nothing is known."""

    def __init__(self, run_time: RunTime) -> None:
        self._run_time = run_time
        self._due = time.monotonic() + _FIRST_S
        self._since: Hits | None = None
        self._ran = self._expected = 0.0
        self.factor = 1.0

    def tick(
        self, read: Callable[[], Hits], prices: Prices | None, functions: Mapping[int, Function]
    ) -> None:
        """Look where it is due; `read` the hits so far, of these functions."""
        now = time.monotonic()
        if prices is None or prices.programs is None or now < self._due:
            return
        if self._since is None:
            self._run_time.begin()
            self._since, self._due = read(), now + _LENGTH_S
            return
        before, self._since = self._since, None
        self._due = now + _EVERY_S
        ran = self._run_time.end()
        if ran is None:
            return
        expected = prices.programs.of_hits(difference(read(), before), frozenset(), functions)
        self._ran = _KEPT * self._ran + ran
        self._expected = _KEPT * self._expected + expected
        if self._expected >= _LEAST_NS:
            self.factor = min(max(self._ran / self._expected, _LEAST), _MOST)
            log.debug("programs run %.2f times as long as in the calibration", self.factor)

    def close(self) -> None:
        """Measure no more."""
        self._run_time.close()
