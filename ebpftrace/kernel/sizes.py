"""How large the maps may be: by default together at most 2 % of the memory that is available."""

import mmap
from dataclasses import dataclass
from pathlib import Path

SHARE = 0.02
TRACE_SHARE = 0.05
TRACE_BYTES = 64 << 20  # 1.4 million calls: more than a second of the busiest program
# struct htab_elem (48 bytes) + key + value + one bucket (16 bytes); kernel/bpf/hashtab.c.
BLOCK_BYTES = 48 + 8 + 32 + 16
COHORT_BYTES = 48 + 16 + 48 + 16
STACK_BYTES = 48 + 8 + 8 + 16
THREAD_BYTES = 48 + 8 + 88 + 16
RULE_BYTES = 16  # of an array
FAULT_BYTES = 48 + 16 + 152 + 16
TOUCHED_BYTES = 1 << 21
OVERFLOW_BYTES = 48 + 8 + 8 + 16
RULES_PER_OVERFLOW = 8
STACKS_PER_FAULTS = 4


@dataclass(frozen=True, slots=True)
class MapSizes:
    """Entries of each map; `ring_pages`, `miss_pages` and `rules` are powers of two."""

    blocks: int
    cohorts: int
    stacks: int
    threads: int
    ring_pages: int
    miss_pages: int
    rules: int
    trace_pages: int = 0
    """A power of two as well, where calls are logged; else 0."""

    @property
    def faults(self) -> int:
        """Entries for stacks that page faults have come under."""
        return max(1 << 10, self.stacks // STACKS_PER_FAULTS)

    @property
    def more_rules(self) -> int:
        """Entries for the rules whose place in the array is taken."""
        return self.rules // RULES_PER_OVERFLOW


def available_bytes() -> int:
    """MemAvailable of this host; half a gigabyte where it cannot be read."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return 512 << 20


def choose(
    available: int,
    blocks: int | None = None,
    stacks: int | None = None,
    *,
    trace_log: bool = False,
) -> MapSizes:
    """Sizes for `available` bytes of memory; what the user asked for stands as it is.

    `trace_log`: with a buffer for calls, in addition to the share of the rest.
    """
    budget = available * SHARE
    return MapSizes(
        blocks=blocks or _fitting(budget * 0.58 / BLOCK_BYTES, 1 << 13, 1 << 22),
        cohorts=_fitting(budget * 0.22 / COHORT_BYTES, 1 << 12, 1 << 20),
        stacks=stacks or _fitting(budget * 0.06 / STACK_BYTES, 1 << 11, 1 << 16),
        threads=_fitting(budget * 0.05 / THREAD_BYTES, 1 << 10, 1 << 14),
        ring_pages=_fitting(budget * 0.02 / mmap.PAGESIZE, 1 << 4, 1 << 9),
        miss_pages=_fitting(budget * 0.04 / mmap.PAGESIZE, 1 << 5, 1 << 12),
        rules=_fitting(
            budget * 0.03 / (RULE_BYTES + OVERFLOW_BYTES / RULES_PER_OVERFLOW), 1 << 12, 1 << 16
        ),
        trace_pages=_trace_pages(available) if trace_log else 0,
    )


def _trace_pages(available: int) -> int:
    return _fitting(available * TRACE_SHARE / mmap.PAGESIZE, 1 << 8, TRACE_BYTES // mmap.PAGESIZE)


def total_bytes(sizes: MapSizes) -> int:
    """What maps of these sizes take when they are full; the fixed ones are small beside them."""
    return (
        sizes.blocks * BLOCK_BYTES
        + sizes.cohorts * COHORT_BYTES
        + sizes.stacks * STACK_BYTES
        + sizes.threads * THREAD_BYTES
        + sizes.faults * FAULT_BYTES
        + TOUCHED_BYTES
        + (sizes.ring_pages + sizes.miss_pages + sizes.trace_pages) * mmap.PAGESIZE
        + sizes.rules * RULE_BYTES
        + sizes.more_rules * OVERFLOW_BYTES
    )


def _fitting(entries: float, least: int, most: int) -> int:
    """A power of two: a hash map has that many buckets, which cost 16 bytes each, used or not."""
    return max(least, min(most, 1 << max(0, int(entries).bit_length() - 1)))
