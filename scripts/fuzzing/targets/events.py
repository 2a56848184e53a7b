"""What the kernel side tells of a target's calls: addresses and lengths are as the target has chosen them."""

import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, cast

from ebpftrace.drain.mappings import Mappings
from ebpftrace.drain.sites import SiteBook
from ebpftrace.kernel.layout import EVENT_MAPPING, MAPPING, MappingStep
from ebpftrace.model.ids import Slot
from scripts.fuzzing.target import Finding, Limits, Target

# What happens, in which thread, address and length, old address and length; numbers are of pages.
_CALL = struct.Struct("<BBHHHH")
_STEPS = tuple(MappingStep)
_SLOT = Slot(3)
_STACKS = 4
_LOOKED_AT = 0xFF
_SHIFTS = (12, 20, 31, 47)


class _Book:
    """Sums by site, as a book of sites has them."""

    def __init__(self) -> None:
        self.held = 0

    def add(
        self, slot: Slot, stack: int, epoch: int, change: tuple[int, ...], *, in_totals: bool
    ) -> None:
        self.held += change[1] + change[5] - change[3]


def _attempt(data: bytes) -> None:
    book = _Book()
    mappings = Mappings(
        cast(SiteBook, book),
        lambda: 0,
        lambda _, address: bool(address & 1 << 13),
        lambda _, stack: stack == 1,
        lambda moment: moment % 5 > 0,
    )
    mappings.begin(_SLOT)
    shift = _SHIFTS[len(data) % len(_SHIFTS)]
    whole = data[: len(data) // _CALL.size * _CALL.size]
    for moment, call in enumerate(_CALL.iter_unpack(whole), 1):
        _take(mappings, call, moment, shift)
        _check(mappings, book)


def _take(mappings: Mappings, call: tuple[Any, ...], moment: int, shift: int) -> None:
    step, thread, *places = call
    at, length, old, old_length = (one << shift & (1 << 64) - 1 for one in places)
    if step == _LOOKED_AT:
        mappings.look(_SLOT, [(at, at + length)], moment)
        return
    kind, stack = _STEPS[step % len(_STEPS)], step % _STACKS
    head = (EVENT_MAPPING, kind, 0, _SLOT, thread % 4, 0, stack)
    mappings.on_events([MAPPING.pack(*head, at, length, old, old_length, moment)])


def _check(mappings: Mappings, book: _Book) -> None:
    counts = mappings.counts()
    pieces = sorted(mappings.pieces(_SLOT))
    if counts.bytes != book.held or counts.bytes < sum(piece.size for piece in pieces):
        raise Finding(f"{counts} are counted, {book.held} by site")
    for one, other in pairwise(pieces):
        if one.size <= 0 or one.address + one.size > other.address:
            raise Finding(f"{one} reaches into {other}")


def _seeds() -> Iterator[bytes]:
    taken, covered, given, gone, kept = range(5)
    yield _CALL.pack(taken, 1, 8, 4, 0, 0) + _CALL.pack(taken, 1, 10, 4, 0, 0)
    yield b"".join(
        [
            _CALL.pack(taken, 1, 8, 16, 0, 0),
            _CALL.pack(given, 1, 0, 0, 10, 2),
            _CALL.pack(gone, 1, 0, 0, 10, 2),
            _CALL.pack(given, 2, 0, 0, 8, 2),
            _CALL.pack(kept, 2, 0, 0, 8, 2),
            _CALL.pack(covered, 1, 9, 3, 0, 0),
            _CALL.pack(_LOOKED_AT, 0, 8, 4, 0, 0) * 2,
            _CALL.pack(taken, 1, 40, 8, 8, 4),
        ]
    )


MAPPINGS = Target(
    "mappings",
    "the mmap, munmap and mremap calls of a target, as the kernel side tells them",
    _attempt,
    _seeds,
    most_bytes=512,
    limits=Limits(memory=16 << 20),
)

TARGETS = (MAPPINGS,)
