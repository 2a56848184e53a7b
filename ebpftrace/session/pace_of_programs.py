"""By how much longer our programs run in the targets than they did when their price was found.

Stacks are deeper there, and caches colder. For the poller's thread.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from statistics import median

from ebpftrace.kernel.prices import Prices
from ebpftrace.kernel.run_time import RunTime
from ebpftrace.probes.functions import Function
from ebpftrace.session.hits import Hits, difference

log = logging.getLogger(__name__)

_FIRST_S = 2.0  # rules of stacks are made at first
_OFTEN_S, _EVERY_S = 2.0, 10.0
# The kernel's clock goes on while a program waits for its processor: on a busy host one that does takes as
# long as thousands. So the middle one of short readings counts, in most of which none has waited.
_LENGTH_S = 0.01
_READINGS, _FEW = 7, 3
_LEAST_NS = 10_000
_LEAST, _MOST = 0.5, 4.0


class PaceOfPrograms:
    """`factor`: 1.0 as long as nothing is known."""

    def __init__(self, run_time: RunTime) -> None:
        self._run_time = run_time
        self._due = time.monotonic() + _FIRST_S
        self._readings: deque[float] = deque(maxlen=_READINGS)
        self.factor = 1.0

    def tick(
        self, read: Callable[[], Hits], prices: Prices | None, functions: Mapping[int, Function]
    ) -> None:
        """Look where it is due, for 10 ms; `read` the hits so far, of these functions."""
        now = time.monotonic()
        if prices is None or prices.programs is None or now < self._due:
            return
        before = read()
        self._run_time.begin()
        time.sleep(_LENGTH_S)
        ran = self._run_time.end()
        self._due = now + (_OFTEN_S if len(self._readings) < _READINGS else _EVERY_S)
        expected = prices.programs.of_hits(difference(read(), before), frozenset(), functions)
        if ran is None or expected < _LEAST_NS:
            return
        self._readings.append(ran / expected)
        if len(self._readings) >= _FEW:
            self.factor = min(max(median(self._readings), _LEAST), _MOST)
            log.debug("programs run %.2f times as long as in the calibration", self.factor)
