"""Every fault that there is, by its name."""

from collections.abc import Iterator
from itertools import chain

from tests.kernel.faults import busy_hosts, ends_of_target, ends_of_tool, failing_calls, poor_hosts
from tests.kernel.faults.fault import Fault

_PARTS = (ends_of_tool, ends_of_target, failing_calls, poor_hosts, busy_hosts)


def faults() -> dict[str, Fault]:
    """All that this kernel can have, in the order in which they are injected."""
    found = list(chain.from_iterable(part.all_of_them() for part in _PARTS))
    names = [fault.name for fault in found]
    assert len(names) == len(set(names)), "two faults have one name"
    return dict(zip(names, found, strict=True))


def tested() -> Iterator[tuple[Fault, int]]:
    """Those that the kernel tests inject, each with the number of a round."""
    for fault in faults().values():
        for number in fault.tested:
            yield fault, number
