"""The kernel's monotonic clock, by which BPF programs stamp (`bpf_ktime_get_ns`).

A time namespace shifts ours against it (time_namespaces(7)), for good once a process runs in it.
"""

import functools
import re
import time

from ebpftrace import kernelfiles

_OFFSET = re.compile(r"^monotonic\s+(-?\d{1,12})\s+(\d{1,9})$", re.MULTILINE)
_S = 1_000_000_000


def now_ns() -> int:
    """By that clock."""
    return time.monotonic_ns() - _shift_ns()


def ours_s(moment_ns: int) -> float:
    """A moment of that clock by `time.monotonic`."""
    return (moment_ns + _shift_ns()) / _S


def of_ours_ns(moment_s: float) -> int:
    """The other way round."""
    return round(moment_s * _S) - _shift_ns()


def shift_in(offsets: str) -> int:
    """How far ours is ahead, in ns, by the text of /proc/self/timens_offsets; 0 where it does not say."""
    found = _OFFSET.search(offsets)
    return int(found[1]) * _S + int(found[2]) if found else 0


@functools.cache
def _shift_ns() -> int:
    return shift_in(kernelfiles.read("/proc/self/timens_offsets", 1024) or "")
