"""What drawing needs to know of a traced address space."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import Address, Pid, StackId


def as_they_are(frames: Sequence[Frame]) -> list[tuple[Frame, ...] | None]:
    """`Space.refined` where nothing is looked up."""
    return [(frame,) for frame in frames]


class Space(NamedTuple):
    """`number`: the how many-th it is. `frames` names return addresses at once.

    `refined` gives for each frame those that take its place by debug information: itself where
    nothing is to come, None where it is looked up now. `arrived`: what has come since the last call.
    """

    number: int
    pid: Pid
    frames: Callable[[Sequence[Address]], tuple[Frame, ...]]
    refined: Callable[[Sequence[Frame]], list[tuple[Frame, ...] | None]] = as_they_are
    arrived: Callable[[], Mapping[Frame, tuple[Frame, ...]]] = dict


ENDED = 0
"""The number of the address space that stands for those of programs that ended long ago."""


def site_id(number: int, stack: StackId) -> str:
    """`number`: that of the address space."""
    return f"{number:x}-{stack:016x}"


def number_in(site_id: str) -> int | None:
    """The number of the address space that a site is in. Slots are used again, this is not."""
    number = site_id.partition("-")[0]
    try:
        return int(number, 16)
    except ValueError:
        return None
