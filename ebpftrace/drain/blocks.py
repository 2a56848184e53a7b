"""The outstanding blocks, of one call site or all of them, read from the block map when somebody asks.

By columns of a slice of it: with a step of Python for each entry a million take 0.3 s.
"""

import time
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from heapq import nlargest
from itertools import compress, repeat
from typing import NamedTuple

from ebpftrace.drain.sites import SiteBook
from ebpftrace.drain.space import Space, number_in
from ebpftrace.kernel.layout import ADDRESS_BITS, BLOCK
from ebpftrace.kernel.tables import Table
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.model.ids import Address, Slot, StackId, Tid
from ebpftrace.model.picture import Block, Picture, Site, SiteBlocks, SizeClass
from ebpftrace.model.snapshot import BlockColumns

_SLICE = 4096
_WORDS = BLOCK.size // 8
_SIZE, _STACK, _BORN, _THREAD = range(4)  # words of a `struct block`
_ADDRESS = (1 << ADDRESS_BITS) - 1
_THREAD_BITS = (1 << 32) - 1
_NO_SITE = -1

Rows = Mapping[int, Mapping[int, int]]
"""By slot and stack: the index of a site."""


class _Young(NamedTuple):
    born: int
    address: int
    size: int
    thread: int


class BlockMap:
    """The block map, as the sites of pictures have it. Any thread may ask.

    Blocks of a target that has ended stay for some seconds, see `drain.sweep`.
    """

    def __init__(self, tracer: Tracer, book: SiteBook, spaces: Mapping[int, Space]) -> None:
        """`spaces` by slot."""
        self._tracer = tracer
        self._book = book
        self._spaces = spaces

    def of_site(self, site: Site, last: int) -> SiteBlocks | None:
        """Those of one site now; None where its slot is another program's by now."""
        if not self._is_there(site):
            return None
        slot, stack = site.at.slot, site.at.stack
        stacks = self._book.counted_as(slot, stack)
        return read_blocks(self._tracer.blocks, slot, stacks, time.monotonic_ns(), last)

    def columns(self, picture: Picture) -> Iterator[BlockColumns]:
        """All of them, each with the index of its site in `picture`."""
        rows: dict[int, dict[int, int]] = {}
        for index, site in enumerate(picture.sites):
            if self._is_there(site):
                rows.setdefault(site.at.slot, {})[site.at.stack] = index
        for slot, part, owner in self._book.parts():
            if owner in rows.get(slot, ()):
                rows[slot][part] = rows[slot][owner]
        return block_columns(self._tracer.blocks, rows, self._tracer.start_ns)

    def _is_there(self, site: Site) -> bool:
        """Slots are used again, numbers are not."""
        space = self._spaces.get(site.at.slot)
        return space is not None and number_in(site.at.id) == space.number


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
            yield _Young(born, names[at] & _ADDRESS, size, thread)


def block_columns(table: Table, rows: Rows, start_ns: int) -> Iterator[BlockColumns]:
    """All outstanding blocks, by one pass over the map in slices.

    Those of a slot or stack that is not in `rows` are of no site. Births are against `start_ns`
    (monotonic).
    """
    for keys, values in table.batches(_SLICE):
        names, words = keys.cast("Q").tolist(), values.cast("Q").tolist()
        yield BlockColumns(
            site=_sites_of(names, words[_STACK::_WORDS], rows),
            address=[name & _ADDRESS for name in names],
            size=words[_SIZE::_WORDS],
            born_ns=[born - start_ns for born in words[_BORN::_WORDS]],
            thread=[word & _THREAD_BITS for word in words[_THREAD::_WORDS]],
        )


def _sites_of(names: Sequence[int], stacks: Sequence[int], rows: Rows) -> list[int]:
    slot = min(names) >> ADDRESS_BITS
    if slot == max(names) >> ADDRESS_BITS:
        return list(map(rows.get(slot, {}).get, stacks, repeat(_NO_SITE)))
    return [
        rows.get(name >> ADDRESS_BITS, {}).get(stack, _NO_SITE)
        for name, stack in zip(names, stacks, strict=True)
    ]
