"""Address ranges merged into the few that the kernel side has room for. Pure."""

from collections.abc import Iterable
from itertools import pairwise

from ebpftrace.model.ids import Address

MOST_RANGES = 32
"""The kernel side compares an address with each of them."""

_PADDING = 32  # compilers align functions to 16 bytes, and to 32 where told to
# Between two functions of one allocator lies allocator code; further apart is somebody else's.
_MOST_GAP = 1 << 20

Range = tuple[Address, Address]


def merge(ranges: Iterable[Range], most: int = MOST_RANGES) -> tuple[Range, ...]:
    """At most `most` ranges [start, end), ascending, that cover `ranges`.

    Ranges that touch or have only padding between them become one; where there are too many, so do
    those that lie closest. Where even that would take in foreign code, the smallest are left out.
    """
    merged: list[Range] = []
    for start, end in sorted(ranges):
        if merged and start - merged[-1][1] <= _PADDING:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    gaps = [after[0] - before[1] for before, after in pairwise(merged)]
    widest = set(sorted(range(len(gaps)), key=gaps.__getitem__, reverse=True)[: most - 1])
    joined = merged[:1]
    for at, part in enumerate(merged[1:]):
        if at in widest or gaps[at] > _MOST_GAP:
            joined.append(part)
        else:
            joined[-1] = (joined[-1][0], part[1])
    largest = sorted(joined, key=lambda part: part[0] - part[1])[:most]
    return tuple(sorted(largest))
