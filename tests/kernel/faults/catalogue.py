"""Every fault that there is, by its name, and those that the kernel tests inject."""

from itertools import chain
from types import ModuleType

from tests.kernel.faults import (
    busy_hosts,
    debug_files,
    ends_of_target,
    ends_of_tool,
    failing_calls,
    poor_hosts,
)
from tests.kernel.faults.fault import Fault
from tests.kernel.faults.ways import best

_PARTS = (ends_of_tool, ends_of_target, failing_calls, poor_hosts, busy_hosts, debug_files)
# A minute and a half in all; BEST is the back end that this kernel is best at.
_CHOSEN = {
    "kill-before-BEST": 4,
    "kill-caller": 4,
    "sigterm-BEST": 1,
    "target-killed-before-BEST": 2,
    "target-execs-before-BEST": 2,
    "target-leader-before-BEST": 2,
    "target-forks-before-BEST": 1,
    "bpf-BEST": 8,
    "bpf-on-BEST": 3,
    "event-BEST": 2,
    "fork-BEST": 2,
    "thread-BEST": 3,
    "address-space": 2,
    "tasks": 3,
    "memory-group": 1,
    "log-full": 1,
    "cache-full": 1,
    "cache-a-file": 1,
    "record-full-stream": 1,
    "no-proc": 1,
    "no-dev": 1,
    "threads-BEST": 1,
    "frozen-BEST": 1,
    "two-BEST-BEST": 1,
    "clock-back-an-hour-record": 1,
    "clock-ahead-a-year-BEST": 1,
}


def _of(parts: tuple[ModuleType, ...]) -> list[Fault]:
    return list(chain.from_iterable(part.all_of_them() for part in parts))


def faults() -> dict[str, Fault]:
    """All that this kernel can have, in the order in which they are injected."""
    found = _of(_PARTS)
    names = [fault.name for fault in found]
    assert len(names) == len(set(names)), "two faults have one name"
    return dict(zip(names, found, strict=True))


def chosen(*parts: ModuleType) -> list[tuple[str, int, int]]:
    """Of these parts: the name of a fault, which of its rounds that are tested, and how many these are."""
    counts = {name.replace("BEST", best().name): count for name, count in _CHOSEN.items()}
    assert counts.keys() <= faults().keys()
    return [
        (fault.name, each, counts[fault.name])
        for fault in _of(parts)
        for each in range(counts.get(fault.name, 0))
    ]
