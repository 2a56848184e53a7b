"""What watching costs, measured from one picture to the next."""

import os
import resource
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ebpftrace.drain.polling import Polling
from ebpftrace.kernel.prices import Prices, stepped_functions
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.model.modes import Level
from ebpftrace.model.picture import Cost, Counts
from ebpftrace.probes.faults import FAULT
from ebpftrace.probes.numbers import ALL_FUNCTIONS, PASSED, SEEN, UNHELD
from ebpftrace.probes.plan import Probe
from ebpftrace.session.hits import Hits, difference
from ebpftrace.session.load import (
    NO_CALLS,
    Births,
    Load,
    calls_per_s,
    load_of,
    stepped_births,
)
from ebpftrace.session.pace_of_programs import PaceOfPrograms
from ebpftrace.symbols.lines import Lines

LEAST_S = 0.2
_CPUCLOCK_SCHED = 2  # of the clock of a process, include/linux/posix-timers.h


class _Reading(NamedTuple):
    """`hits`: entries and returns since the start by function; `cpu`: seconds of the tool."""

    at: float
    hits: Hits
    cpu: float


class SeenBirths(NamedTuple):
    """Those in `hits`, that hit a probe in so many seconds: one in `scale` of all that there were."""

    hits: Hits
    passed_s: float
    scale: int = 1


class CostMeter:
    """Rates are over the time since the last reading, and over `LEAST_S` at least.

    They are not known yet in the first moment, and what the start has taken is not in them.
    """

    def __init__(self, tracer: Tracer, polling: Polling, lines: Lines | None = None) -> None:
        """`tracer` and `lines` have processes of their own, whose price is the tool's."""
        self._tracer = tracer
        self._polling = polling
        self._lines = lines
        self._readings: deque[_Reading] = deque()
        self._pace = PaceOfPrograms(tracer.run_time)
        self.stepped: frozenset[int] = frozenset()
        """Functions that are stepped through somewhere."""
        self.hits_per_s = 0.0
        self._functions = dict(ALL_FUNCTIONS)
        self._probed = frozenset({PASSED, FAULT.id})

    @property
    def prices(self) -> Prices | None:
        """As they were measured, for programs that run as long as they do in the targets."""
        found = self._tracer.prices
        return found and found.slower(self._pace.factor)

    def tick(self) -> None:
        """Look how long the programs run, now and then."""
        self._pace.tick(self.hits, self._tracer.prices, self._functions)

    def hits(self) -> Hits:
        """Of every function that was probed, since the start."""
        return self._tracer.hits(self._probed)

    def calls(self) -> int:
        """Frees and resizes so far, of those that were probed. Any thread may ask."""
        those = [n for n in self._probed - NO_CALLS if self._functions[n].role != "birth"]
        return sum(entries for n, (entries, _) in self._tracer.hits(those).items() if n != UNHELD)

    def calls_in_windows(self) -> int:
        """Of those, as the kernel side has seen them. Any thread may ask."""
        return self._tracer.hits([SEEN])[SEEN][0]

    def also(self, probes: Sequence[Probe]) -> None:
        """These have been placed."""
        self.stepped |= stepped_functions(probes)
        self._probed |= {probe.function.id for probe in probes}
        self._functions |= {probe.function.id: probe.function for probe in probes}

    def read(
        self, totals: Counts, cohorts: int, stacks: int, forecast: Mapping[Level, float]
    ) -> Cost:
        """`cohorts` and `stacks`: entries of those maps; the block map holds what is outstanding. `forecast`:
        what each level would cost.
        """
        sizes = self._tracer.sizes
        hits_per_s, target_percent, tool_percent = self._rates()
        return Cost(
            hits_per_s=hits_per_s,
            target_cpu_percent=target_percent,
            tool_cpu_percent=tool_percent,
            tool_rss_bytes=self._rss(),
            slowed_to_s=self._polling.every_s if self._polling.slowed else None,
            forecast_percent={str(level): percent for level, percent in forecast.items()},
            kernel_bytes=self._tracer.memory_bytes(),
            map_fill_percent={
                "blocks": 100 * totals.blocks / sizes.blocks,
                "cohorts": 100 * cohorts / sizes.cohorts,
                "stacks": 100 * stacks / sizes.stacks,
            },
        )

    def _rates(self) -> tuple[float | None, float | None, float | None]:
        """Hits a second; percent of one processor in the targets, and in the tool."""
        now = _Reading(time.monotonic(), self.hits(), self._cpu_now())
        readings = self._readings
        while len(readings) > 1 and now.at - readings[1].at >= LEAST_S:
            readings.popleft()
        since = readings[0] if readings else now
        readings.append(now)
        passed = now.at - since.at
        if passed < LEAST_S:
            return None, None, None
        new = difference(now.hits, since.hits)
        self.hits_per_s = sum(sum(new[number]) for number in self._probed if number in new) / passed
        return self.hits_per_s, self.percent(new, passed), 100 * (now.cpu - since.cpu) / passed

    def percent(self, hits: Hits, passed_s: float) -> float | None:
        """Of a processor, that the targets have paid for `hits`; None where the prices are not known."""
        prices = self.prices
        if prices is None:
            return None
        return 100 * prices.of_hits(hits, self.stepped, self._functions) / 1e9 / passed_s

    def load(self, hits: Hits, passed_s: float, seen: SeenBirths | None) -> Load | None:
        """What other ways of watching would cost. `seen`: what is known of births; None: all were followed.
        There are taken to be as many births as deaths at least.
        """
        prices = self.prices
        if prices is None:
            return None
        births = None
        if seen is not None:
            deaths = calls_per_s(hits, passed_s, "death", self._functions)
            born = seen.scale * calls_per_s(seen.hits, seen.passed_s, "birth", self._functions)
            stepped = stepped_births(seen.hits, self.stepped, self._functions)
            births = Births(max(deaths, born), stepped)
        return load_of(hits, passed_s, births, prices, self.stepped, self._functions)

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
