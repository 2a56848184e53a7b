"""Makes `SiteBlocks` of blocks in columns: with a step of Python for each a million take 0.3 s."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from heapq import nlargest
from itertools import compress
from operator import itemgetter
from typing import NamedTuple

from ebpftrace.model.ids import Address, Tid
from ebpftrace.model.picture import Block, SiteBlocks, SizeClass
from ebpftrace.model.snapshot import BlockColumns


class _Young(NamedTuple):
    born: int
    address: int
    size: int
    thread: int


class Tally:
    """Of the blocks that were added; keeps the `last` youngest ones of them."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._classes: dict[int, list[int]] = {}
        self._youngest: list[_Young] = []

    def add(
        self,
        ours: Sequence[bool],
        sizes: Sequence[int],
        births: Sequence[int],
        where: Callable[[int], tuple[int, int]],
    ) -> None:
        """Those of the rows that are `ours`, one at least; columns of one length, births in ns.

        `where` gives address and thread of a row; few are asked for.
        """
        self._add_sizes(sorted(compress(sizes, ours)))
        if not self._last:
            return
        youngest = self._youngest
        least = youngest[-1].born if len(youngest) == self._last else -1
        if max(compress(births, ours)) <= least:
            return
        young = [
            (row, born)
            for row, (one, born) in enumerate(zip(ours, births, strict=True))
            if one and born > least
        ]
        for row, born in nlargest(self._last, young, key=itemgetter(1)):
            address, thread = where(row)
            youngest.append(_Young(born, address, sizes[row], thread))
        self._youngest = nlargest(self._last, youngest)

    def result(self, now_ns: int) -> SiteBlocks:
        """Ages are against `now_ns`, by the clock of the births; one that came later has none."""
        sizes = tuple(
            SizeClass(1 << bits >> 1, *self._classes[bits]) for bits in sorted(self._classes)
        )
        return SiteBlocks(
            sum(one.blocks for one in sizes),
            sum(one.bytes for one in sizes),
            sizes,
            tuple(
                Block(Address(address), size, max(0, now_ns - born) / 1e9, Tid(thread))
                for born, address, size, thread in self._youngest
            ),
        )

    def _add_sizes(self, sizes: list[int]) -> None:
        """Count `sizes`, ascending, by their number of bits: blocks and bytes."""
        start = 0
        while start < len(sizes):
            bits = sizes[start].bit_length()
            end = bisect_left(sizes, 1 << bits, start)
            found = self._classes.setdefault(bits, [0, 0])
            found[0] += end - start
            found[1] += sum(sizes[start:end])
            start = end


def of_site(columns: Iterable[BlockColumns], index: int, now_ns: int, last: int) -> SiteBlocks:
    """Those of one site, by one pass.

    `index`: of the site in its picture; `now_ns`: that picture's moment, since attach.
    """
    tally = Tally(last)
    for some in columns:
        if index in some.site:
            ours = [site == index for site in some.site]
            tally.add(ours, some.size, some.born_ns, partial(_where, some))
    return tally.result(now_ns)


def _where(columns: BlockColumns, row: int) -> tuple[int, int]:
    """Address and thread."""
    return columns.address[row], columns.thread[row]
