"""One program through both: stopped by gdb, then traced until the tool has seen the same stacks.

In this order. Once a process has had a uprobe, the kernel looks for one at each of its breakpoints,
and takes gdb's for its own where anybody traces that place of that file, in whatever process.
"""

import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.kernel.gdbstacks import stops
from tests.kernel.gdbstacks.comparison import (
    Call,
    Comparison,
    comparable,
    compare,
    complete_calls,
    describe,
)
from tests.kernel.gdbstacks.programs import Subject
from tests.kernel.harness import TIME_SCALE, Tracer
from tests.kernel.pictures import Picture

STACK_DEPTH = 127  # the deepest that the tool goes
WARM_S = 1.0 * TIME_SCALE  # what is called once, at the start, is never seen again
LEAST_S = 2.0 * TIME_SCALE
MOST_S = 30.0 * TIME_SCALE  # the tool ends earlier, when it has seen every stack of gdb's
INTERVAL_S = 0.5
"""Pictures of all sites are megabytes: few of them, or reading them holds up the comparison."""


@dataclass(frozen=True, slots=True)
class Run:
    """A comparison and what explains it: `report` has a line for each stack that the tool has not."""

    comparison: Comparison
    seed: int
    picture: Picture = field(repr=False)

    @property
    def report(self) -> str:
        missing = self.comparison.missing
        lines = [describe(call, self.picture) for call in dict.fromkeys(missing)]
        return "\n".join([f"seed {self.seed}, {len(missing)} not found:", *lines])


def run(subject: Subject, count: int, seed: int | None = None) -> Run:
    """Compare `count` stops of a program started for this, which is ended whatever happens.

    AssertionError where the program, gdb or the tool does not do its part in time.
    """
    seed = random.randrange(1 << 32) if seed is None else seed
    with (
        tempfile.TemporaryDirectory(prefix="stacks-") as folder,
        subject.start(Path(folder)) as program,
    ):
        time.sleep(WARM_S)
        code = stops.allocator_code(program.pid)
        at = sorted({part.start for part in code if part.function == "malloc"})
        seen = stops.take(program.pid, at, count, subject.calls, seed)
        calls, left_out = comparable(seen, code, STACK_DEPTH)
        picture = _trace(program.pid, calls)
    result = compare(subject.name, subject.language, calls, left_out, picture)
    return Run(result, seed, picture)


def _trace(pid: int, wanted: Sequence[Call]) -> Picture:
    """The tool's last picture, taken when it has seen all of these or its time is over."""
    options = ("--top", 0, "--stack-depth", STACK_DEPTH)
    with Tracer(pid, options=options, interval=INTERVAL_S) as tracer:
        start = time.monotonic()
        while (passed := time.monotonic() - start) < MOST_S:
            known = complete_calls(tracer.picture())
            if passed >= LEAST_S and known.issuperset(wanted):
                break
        return tracer.finish().final
