"""What one look at /proc says of a process that may be wanted: cheap, and without holding it.

Owns which processes there are and what they are called. Leaves holding one to `process`.
"""

import os
import time
from typing import NamedTuple

from ebpftrace.kernelfiles import read_bytes
from ebpftrace.model.ids import Pid

_PF_KTHREAD = 0x00200000  # include/linux/sched.h
_ENDED_STATES = b"ZXx"
_MOST_STAT = 4096
_TICKS = os.sysconf("SC_CLK_TCK")

LONGEST_COMM = 15
"""TASK_COMM_LEN - 1: a longer name is cut there."""


class Glimpse(NamedTuple):
    """A living process that runs a program. Not clean.

    `started_s`: seconds since boot, in steps of 10 ms.
    """

    pid: Pid
    comm: bytes
    parent: Pid
    started_s: float


def pids() -> list[Pid]:
    """Of all processes that are to be seen from here. 0.4 us for each."""
    return [Pid(int(name)) for name in os.listdir("/proc") if name.isdigit()]


def glimpse(pid: Pid) -> Glimpse | None:
    """None of what has ended, and of a thread of the kernel. 10 to 20 us."""
    stat = read_bytes(f"/proc/{pid}/stat", _MOST_STAT)
    if stat is None:
        return None
    # comm stands in parentheses, unescaped, and may hold some itself: the last one closes it.
    head, _, rest = stat.rpartition(b")")
    fields = rest.split()
    try:
        state, parent, flags, started = fields[0], *map(int, (fields[1], fields[6], fields[19]))
    except (IndexError, ValueError):
        return None
    if state in _ENDED_STATES or flags & _PF_KTHREAD:
        return None
    return Glimpse(pid, head.partition(b"(")[2], Pid(parent), started / _TICKS)


def executable(pid: Pid) -> bytes:
    """The base name of its executable; empty where it cannot be read."""
    try:
        path = os.fsencode(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return b""
    return path.removesuffix(b" (deleted)").rpartition(b"/")[2]


def is_called(seen: Glimpse, name: bytes) -> bool:
    """Is that its comm, or the base name of its executable?"""
    if seen.comm == name:
        return True
    program = executable(seen.pid)
    if program == name:
        return True
    # A script has its own name as comm, cut, and its interpreter as executable.
    cut = len(name) > LONGEST_COMM and seen.comm == name[:LONGEST_COMM]
    return cut and not program.startswith(seen.comm)


def since_boot_s() -> float:
    """The clock by which processes have started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
