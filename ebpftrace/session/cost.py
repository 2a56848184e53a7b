"""What watching costs, measured from one picture to the next."""

import os
import resource
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ebpftrace.kernel.prices import stepped_functions
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.model.picture import Cost, Counts
from ebpftrace.probes.numbers import ALL_FUNCTIONS
from ebpftrace.probes.plan import Probe
from ebpftrace.symbols.lines import Lines

LEAST_S = 0.2
_CPUCLOCK_SCHED = 2  # of the clock of a process, include/linux/posix-timers.h


class _Reading(NamedTuple):
    """`hits`: entries and returns since the start by function; `cpu`: seconds of the tool."""

    at: float
    hits: dict[int, tuple[int, int]]
    cpu: float


class CostMeter:
    """Rates are over the time since the last reading, and over `LEAST_S` at least.

    They are not known yet in the first moment, and what the start has taken is not in them.
    """

    def __init__(self, tracer: Tracer, lines: Lines | None = None) -> None:
        """`tracer` and `lines` have processes of their own, whose price is the tool's."""
        self._tracer = tracer
        self._lines = lines
        self._readings: deque[_Reading] = deque()
        self.stepped: frozenset[int] = frozenset()
        """Functions that are stepped through somewhere."""
        self.hits_per_s = 0.0
        self._functions = dict(ALL_FUNCTIONS)

    def also(self, probes: Sequence[Probe]) -> None:
        """These have been placed."""
        self.stepped |= stepped_functions(probes)
        self._functions |= {probe.function.id: probe.function for probe in probes}

    def read(self, totals: Counts, cohorts: int, stacks: int) -> Cost:
        """`cohorts` and `stacks`: entries of those maps; the block map holds what is outstanding."""
        sizes = self._tracer.sizes
        hits_per_s, target_percent, tool_percent = self._rates()
        return Cost(
            hits_per_s=hits_per_s,
            target_cpu_percent=target_percent,
            tool_cpu_percent=tool_percent,
            tool_rss_bytes=self._rss(),
            kernel_bytes=self._tracer.memory_bytes(),
            map_fill_percent={
                "blocks": 100 * totals.blocks / sizes.blocks,
                "cohorts": 100 * cohorts / sizes.cohorts,
                "stacks": 100 * stacks / sizes.stacks,
            },
        )

    def _rates(self) -> tuple[float | None, float | None, float | None]:
        """Hits a second; percent of one processor in the targets, and in the tool."""
        now = _Reading(time.monotonic(), self._tracer.hits(), self._cpu_now())
        readings = self._readings
        while len(readings) > 1 and now.at - readings[1].at >= LEAST_S:
            readings.popleft()
        since = readings[0] if readings else now
        readings.append(now)
        passed = now.at - since.at
        if passed < LEAST_S:
            return None, None, None
        new = {
            number: (entries - before[0], returns - before[1])
            for number, (entries, returns) in now.hits.items()
            for before in (since.hits.get(number, (0, 0)),)
        }
        self.hits_per_s = sum(map(sum, new.values())) / passed
        prices = self._tracer.prices
        target_ns = prices.of_hits(new, self.stepped, self._functions) if prices else None
        return (
            self.hits_per_s,
            None if target_ns is None else 100 * target_ns / 1e9 / passed,
            100 * (now.cpu - since.cpu) / passed,
        )

    def _cpu_now(self) -> float:
        """Seconds of this process and of its children, those that have ended too."""
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = time.process_time() + ended.ru_utime + ended.ru_stime
        for pid in self._children():
            with suppress(OSError):  # it ends just now
                seconds += time.clock_gettime(~pid << 3 | _CPUCLOCK_SCHED)
        return seconds

    def _rss(self) -> int | None:
        """Of all of them; what they share counts more than once."""
        own = _fields("self", "statm")
        if not own:
            return None
        theirs = sum(int(pages) for pid in self._children() for pages in _fields(pid, "statm")[1:2])
        return (int(own[1]) + theirs) * os.sysconf("SC_PAGE_SIZE")

    def _children(self) -> list[int]:
        reader = self._lines.resolver_pid if self._lines is not None else None
        return [self._tracer.worker_pid, *([] if reader is None else [reader])]


def _fields(process: int | str, name: str) -> list[str]:
    """A file of /proc as words; none where the process has gone."""
    try:
        return Path(f"/proc/{process}/{name}").read_text().split()
    except OSError:
        return []
