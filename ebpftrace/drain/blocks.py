"""The outstanding blocks of one call site, read from the block map when somebody asks.

By columns of a slice of it: with a step of Python for each entry a million take 0.3 s.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator
from heapq import nlargest
from itertools import compress
from typing import NamedTuple

from ebpftrace.kernel.layout import ADDRESS_BITS, BLOCK
from ebpftrace.kernel.tables import Table
from ebpftrace.model.ids import Address, Slot, StackId, Tid
from ebpftrace.model.picture import Block, SiteBlocks, SizeClass

_SLICE = 4096
_WORDS = BLOCK.size // 8
_SIZE, _STACK, _BORN = range(3)  # words of a `struct block`


class _Young(NamedTuple):
    born: int
    address: int
    size: int
    thread: int


def read_blocks(
    table: Table, slot: Slot, stacks: Collection[StackId], now_ns: int, last: int
) -> SiteBlocks:
    """The blocks counted under `stacks` of `slot`, by one pass over the map in slices.

    Ages are against `now_ns` (monotonic). Addresses are as the target sees them, without the bits
    that carry the slot. Meant to run beside a thread that draws: it makes others wait for less than
    a millisecond.
    """
    classes: dict[int, list[int]] = {}
    youngest: list[_Young] = []
    for keys, values in table.batches(_SLICE):
        names, words = keys.cast("Q"), values.cast("Q")
        ours = _ours(names, words, slot, stacks)
        if not any(ours):
            continue
        _add_sizes(classes, sorted(compress(words[_SIZE::_WORDS].tolist(), ours)))
        least = youngest[-1].born if 0 < last == len(youngest) else -1
        youngest = nlargest(last, [*youngest, *_younger(names, words, ours, least)])
    sizes = tuple(SizeClass(1 << bits >> 1, *classes[bits]) for bits in sorted(classes))
    return SiteBlocks(
        sum(one.blocks for one in sizes),
        sum(one.bytes for one in sizes),
        sizes,
        tuple(
            Block(Address(address), size, (now_ns - born) / 1e9, Tid(thread))
            for born, address, size, thread in youngest
        ),
    )


def _ours(
    names: memoryview, words: memoryview, slot: Slot, stacks: Collection[StackId]
) -> list[bool]:
    """Which of the entries are of the site. Two address spaces may have the same stack."""
    ours = list(map(stacks.__contains__, words[_STACK::_WORDS].tolist()))
    keys = names.tolist()
    found = list(compress(keys, ours))
    if not found or min(found) >> ADDRESS_BITS == slot == max(found) >> ADDRESS_BITS:
        return ours
    return [one and key >> ADDRESS_BITS == slot for one, key in zip(ours, keys, strict=True)]


def _add_sizes(classes: dict[int, list[int]], sizes: list[int]) -> None:
    """Count `sizes`, ascending, by their number of bits: blocks and bytes."""
    start = 0
    while start < len(sizes):
        bits = sizes[start].bit_length()
        end = bisect_left(sizes, 1 << bits, start)
        found = classes.setdefault(bits, [0, 0])
        found[0] += end - start
        found[1] += sum(sizes[start:end])
        start = end


def _younger(names: memoryview, words: memoryview, ours: list[bool], than: int) -> Iterator[_Young]:
    """Those of the entries that were born after `than`."""
    births = words[_BORN::_WORDS].tolist()
    if max(compress(births, ours)) <= than:
        return
    for at, (one, born) in enumerate(zip(ours, births, strict=True)):
        if one and born > than:
            size, _, _, thread, _, _ = BLOCK.unpack_from(words, at * BLOCK.size)
            yield _Young(born, names[at] & (1 << ADDRESS_BITS) - 1, size, thread)
