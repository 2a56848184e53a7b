"""What watching costs, measured from one picture to the next."""

import os
import time
from pathlib import Path

from ebpftrace.kernel.tracer import Tracer
from ebpftrace.model.picture import Cost, Counts


class CostMeter:
    """Rates are over the time since the last reading; the first one covers the time since start."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._at = time.monotonic()
        self._hits = 0
        self.hits_per_s = 0.0
        self._cpu = time.process_time()

    def read(self, totals: Counts, cohorts: int, stacks: int) -> Cost:
        """`cohorts` and `stacks`: entries of those maps; the block map holds what is outstanding.

        The cost to the target is not calibrated in this version, so it is not known.
        """
        now, hits, cpu = time.monotonic(), self._tracer.hits(), time.process_time()
        passed = max(now - self._at, 1e-3)
        sizes = self._tracer.sizes
        self.hits_per_s = (hits - self._hits) / passed
        cost = Cost(
            hits_per_s=self.hits_per_s,
            target_cpu_percent=None,
            tool_cpu_percent=100 * (cpu - self._cpu) / passed,
            tool_rss_bytes=_own_rss(),
            kernel_bytes=self._tracer.memory_bytes(),
            map_fill_percent={
                "blocks": 100 * totals.blocks / sizes.blocks,
                "cohorts": 100 * cohorts / sizes.cohorts,
                "stacks": 100 * stacks / sizes.stacks,
            },
        )
        self._at, self._hits, self._cpu = now, hits, cpu
        return cost


def _own_rss() -> int | None:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
