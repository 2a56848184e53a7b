"""Builds as a compiler could have made them: three maps, one program that uses two of them."""

from dataclasses import replace
from typing import Any

from ebpftrace.kernel.build import Build
from ebpftrace.kernel.compiler import Unit
from ebpftrace.kernel.compiler_files import FileIdentity
from ebpftrace.kernel.instructions import RETURN_0, map_load
from ebpftrace.kernel.reuse import Sized, Task
from ebpftrace.kernel.syscalls import MapShape

KEY = "5e" * 32
UNIT = Unit(
    lambda: "int enter(void *context) { return 0; }", ("control", "blocks", "ring"), ("enter",)
)
CODE = map_load(1, 2) + map_load(2, 0) + RETURN_0
"""Uses the ring, then control."""
MAPS = {
    "control": MapShape(2, 4, 48, 1, 0),
    "blocks": MapShape(1, 8, 32, 4096, 1),
    "ring": MapShape(27, 0, 0, 1 << 16, 0),
}
BUILD = Build(MAPS, {"enter": CODE}, "0.26.0", (FileIdentity("/lib/bcc/__init__.py", 9, 77),))


def task(**changes: Any) -> Task:
    """One of that unit; `definitions`, `sizes` or `unit` are changed."""
    whole = Task({"DEPTH": 127}, {"MAX_BLOCKS": Sized("blocks", 4096)}, UNIT)
    return replace(whole, **changes)
