"""Processor time and memory of a process, from outside."""

import ctypes
import time
from pathlib import Path
from typing import NamedTuple

_SCHEDULED = 2  # CPUCLOCK_SCHED of the kernel's include/linux/posix-timers.h


class Spent(NamedTuple):
    """CPU seconds of a process: of all its threads, those that ended included, and of the main one."""

    all: float
    main: float

    def since(self, before: "Spent") -> "Spent":
        return Spent(self.all - before.all, self.main - before.main)


def spent(pid: int) -> Spent:
    """To the nanosecond, where the ticks of /proc/PID/stat are 10 ms. OSError once it is gone."""
    clock = (~pid << 3) | _SCHEDULED  # clock_getcpuclockid(3)
    main = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text()
    return Spent(time.clock_gettime(clock), int(main.split()[0]) / 1e9)


def resident_bytes(pid: int | str = "self") -> int:
    """Memory that the process has resident."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/{pid}/status has no VmRSS")


def trim() -> None:
    """Give freed memory of the C library back, so that what comes next cannot hide in it."""
    trimming = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
    if trimming is not None:
        trimming(0)
