"""What watching costs, measured from one picture to the next."""

import os
import time
from pathlib import Path

from ebpftrace.kernel.tracer import Tracer
from ebpftrace.model.picture import Cost, Counts

_CPUCLOCK_SCHED = 2  # of the clock of a process, include/linux/posix-timers.h


class CostMeter:
    """Rates are over the time since the last reading; the first one covers the time since start."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._at = time.monotonic()
        self._hits: dict[int, tuple[int, int]] = {}
        self.stepped: frozenset[int] = frozenset()
        """Functions that are stepped through somewhere."""
        self.hits_per_s = 0.0
        self._cpu = self._cpu_now()

    def read(self, totals: Counts, cohorts: int, stacks: int) -> Cost:
        """`cohorts` and `stacks`: entries of those maps; the block map holds what is outstanding."""
        now, hits, cpu = time.monotonic(), self._tracer.hits(), self._cpu_now()
        passed = max(now - self._at, 1e-3)
        sizes = self._tracer.sizes
        new = {
            number: (entries - before[0], returns - before[1])
            for number, (entries, returns) in hits.items()
            for before in (self._hits.get(number, (0, 0)),)
        }
        self.hits_per_s = sum(map(sum, new.values())) / passed
        prices = self._tracer.prices
        cost = Cost(
            hits_per_s=self.hits_per_s,
            target_cpu_percent=(
                100 * prices.of_hits(new, self.stepped) / 1e9 / passed if prices else None
            ),
            tool_cpu_percent=100 * (cpu - self._cpu) / passed,
            tool_rss_bytes=self._rss(),
            kernel_bytes=self._tracer.memory_bytes(),
            map_fill_percent={
                "blocks": 100 * totals.blocks / sizes.blocks,
                "cohorts": 100 * cohorts / sizes.cohorts,
                "stacks": 100 * stacks / sizes.stacks,
            },
        )
        self._at, self._hits, self._cpu = now, hits, cpu
        return cost

    def _cpu_now(self) -> float:
        """Seconds of this process and of its worker."""
        clock = ~self._tracer.worker_pid << 3 | _CPUCLOCK_SCHED
        try:
            return time.process_time() + time.clock_gettime(clock)
        except OSError:  # it has ended
            return time.process_time()

    def _rss(self) -> int | None:
        """Of both; what they share counts twice."""
        own = _fields("self", "statm")
        if not own:
            return None
        pages = int(own[1]) + sum(map(int, _fields(self._tracer.worker_pid, "statm")[1:2]))
        return pages * os.sysconf("SC_PAGE_SIZE")


def _fields(process: int | str, name: str) -> list[str]:
    """A file of /proc as words; none where the process has gone."""
    try:
        return Path(f"/proc/{process}/{name}").read_text().split()
    except OSError:
        return []
