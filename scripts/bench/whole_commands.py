"""What a command of ebpftrace costs from its start to its end."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ebpftrace.errors import EbpftraceError
from scripts.bench.figures import Spread


class Run(NamedTuple):
    """Of one: seconds, seconds of CPU time, and the most bytes that were resident."""

    wall: float
    cpu: float
    memory: int


class Cost(NamedTuple):
    """Of several; memory is that of the largest."""

    wall: Spread
    cpu: Spread
    memory: int


def run_once(arguments: Sequence[str | Path]) -> Run:
    """Its output thrown away. EbpftraceError where it fails."""
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "ebpftrace", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stderr is not None, "it is a pipe"
        said = child.stderr.read().decode(errors="replace")
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    if child.returncode:
        raise EbpftraceError(f"{arguments[0]} ended with status {child.returncode}: {said.strip()}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10)


def cost_of(runs: Sequence[Run]) -> Cost:
    wall, cpu = Spread.of(one.wall for one in runs), Spread.of(one.cpu for one in runs)
    assert wall is not None, "there are rounds"
    assert cpu is not None, "there are rounds"
    return Cost(wall, cpu, max(one.memory for one in runs))
