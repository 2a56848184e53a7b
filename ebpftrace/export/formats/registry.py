"""Every format by its name. What writes it is loaded when it is wanted: some need a library."""

from collections.abc import Callable
from typing import BinaryIO, NamedTuple

from ebpftrace.export.formats.subject import Subject

Write = Callable[[Subject, BinaryIO], None]


class Format(NamedTuple):
    """`says`: what reads it, for people. `one_measure`: it has room for one (`--measure`)."""

    name: str
    says: str
    load: Callable[[], Write]
    one_measure: bool = False


def _collapsed() -> Write:
    from ebpftrace.export.formats.collapsed import write

    return write


FORMATS: tuple[Format, ...] = (
    Format("collapsed", "stacks for flamegraph.pl, inferno, speedscope", _collapsed, True),
)


def named(name: str) -> Format:
    """One of FORMATS."""
    return next(one for one in FORMATS if one.name == name)
