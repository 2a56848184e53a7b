"""The outstanding blocks, of one call site or all of them, read from the block map when somebody asks."""

from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import compress, repeat

from ebpftrace import kerneltime
from ebpftrace.drain.mappings import Mappings
from ebpftrace.drain.sites import SiteBook
from ebpftrace.drain.space import Space, number_in
from ebpftrace.kernel.layout import ADDRESS_BITS, BLOCK, slot_of
from ebpftrace.kernel.tables import Table
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.model.ids import Slot, StackId
from ebpftrace.model.picture import Picture, Site, SiteBlocks
from ebpftrace.model.snapshot import BlockColumns
from ebpftrace.model.tally import Tally

_SLICE, _LARGE_SLICE = 4096, 16_384
_WORDS = BLOCK.size // 8
_SIZE, _STACK, _BORN, _THREAD = range(4)  # words of a `struct block`
_ADDRESS = (1 << ADDRESS_BITS) - 1
_THREAD_BITS = (1 << 32) - 1
_NO_SITE = -1

Rows = Mapping[int, Mapping[int, int]]
"""By slot and stack: the index of a site."""


class BlockMap:
    """The block map, as the sites of pictures have it. Any thread may ask.

    Blocks of a target that has ended stay for some seconds, see `drain.sweep`.
    """

    def __init__(
        self, tracer: Tracer, book: SiteBook, spaces: Mapping[int, Space], mappings: Mappings
    ) -> None:
        """`spaces` by slot; `mappings`: of the family mmap, whose blocks are not in the map."""
        self._tracer = tracer
        self._book = book
        self._spaces = spaces
        self._mappings = mappings

    def of_site(self, site: Site, last: int) -> SiteBlocks | None:
        """Those of one site now; None where its slot is another program's by now."""
        if not self._is_there(site):
            return None
        slot, stack = site.at.slot, site.at.stack
        stacks = self._book.counted_as(slot, stack)
        now = kerneltime.now_ns()
        if site.at.family == "mmap":
            return _mapped_blocks(self._mappings, slot, stacks, now, last)
        return read_blocks(self._tracer.blocks, slot, stacks, now, last)

    def columns(self, picture: Picture) -> Iterator[BlockColumns]:
        """All of them, each with the index of its site in `picture`."""
        rows: dict[int, dict[int, int]] = {}
        for index, site in enumerate(picture.sites):
            if self._is_there(site):
                rows.setdefault(site.at.slot, {})[site.at.stack] = index
        for slot, part, owner in self._book.parts():
            if owner in rows.get(slot, ()):
                # A part that was found after the picture is a site of its own there.
                rows[slot].setdefault(part, rows[slot][owner])
        start_ns = self._tracer.start_ns
        yield from block_columns(self._tracer.blocks, rows, start_ns)
        yield from _mapped_columns(self._mappings, rows, start_ns)

    def _is_there(self, site: Site) -> bool:
        """Slots are used again, numbers are not."""
        space = self._spaces.get(site.at.slot)
        return space is not None and number_in(site.at.id) == space.number


def _mapped_blocks(
    mappings: Mappings, slot: Slot, stacks: Collection[StackId], now_ns: int, last: int
) -> SiteBlocks:
    """As `read_blocks`, of mappings: what was cut is a block a piece."""
    tally = Tally(last)
    held = list(mappings.pieces(slot, stacks))
    if held:
        sizes, births = [one.size for one in held], [one.born_ns for one in held]
        tally.add([True] * len(held), sizes, births, lambda n: (held[n].address, held[n].thread))
    return tally.result(now_ns)


def _mapped_columns(mappings: Mappings, rows: Rows, start_ns: int) -> Iterator[BlockColumns]:
    for slot in mappings.slots():
        held, known = list(mappings.pieces(slot)), rows.get(slot, {})
        if held and known:
            yield BlockColumns(
                site=[known.get(one.stack, _NO_SITE) for one in held],
                address=[one.address for one in held],
                size=[one.size for one in held],
                born_ns=[one.born_ns - start_ns for one in held],
                thread=[one.thread for one in held],
            )


def read_blocks(
    table: Table, slot: Slot, stacks: Collection[StackId], now_ns: int, last: int
) -> SiteBlocks:
    """The blocks counted under `stacks` of `slot`, by one pass over the map in slices.

    Ages are against `now_ns` (monotonic). Addresses are as the target sees them, without the bits
    that carry the slot. Meant to run beside a thread that draws: it makes others wait for less than
    a millisecond.
    """
    tally = Tally(last)
    for keys, values in table.batches(_SLICE):
        names, words = keys.cast("Q"), values.cast("Q")
        ours = _ours(names, words, slot, stacks)
        if any(ours):
            sizes, births = words[_SIZE::_WORDS].tolist(), words[_BORN::_WORDS].tolist()
            tally.add(ours, sizes, births, partial(_where, names, words))
    return tally.result(now_ns)


def _where(names: memoryview, words: memoryview, at: int) -> tuple[int, int]:
    """Address and thread of an entry."""
    return names[at] & _ADDRESS, words[at * _WORDS + _THREAD] & _THREAD_BITS


def _ours(
    names: memoryview, words: memoryview, slot: Slot, stacks: Collection[StackId]
) -> list[bool]:
    """Which of the entries are of the site. Two address spaces may have the same stack."""
    ours = list(map(stacks.__contains__, words[_STACK::_WORDS].tolist()))
    keys = names.tolist()
    found = list(compress(keys, ours))
    if not found or min(found) >> ADDRESS_BITS == slot == max(found) >> ADDRESS_BITS:
        return ours
    return [one and slot_of(key) == slot for one, key in zip(ours, keys, strict=True)]


def block_columns(table: Table, rows: Rows, start_ns: int) -> Iterator[BlockColumns]:
    """All outstanding blocks, by one pass over the map in slices.

    Those of a slot or stack that is not in `rows` are of no site. Births are against `start_ns`
    (monotonic).
    """
    for keys, values in _ahead(table.batches(_LARGE_SLICE)):
        names, words = memoryview(keys).cast("Q"), memoryview(values).cast("Q")
        stacks, births = words[_STACK::_WORDS].tolist(), words[_BORN::_WORDS].tolist()
        yield BlockColumns(
            site=_sites_of(names, stacks, rows),
            address=_addresses(keys),
            size=array("Q", words[_SIZE::_WORDS].tobytes()),
            born_ns=[born - start_ns for born in births],
            thread=array("I", words.cast("B").cast("I")[2 * _THREAD :: 2 * _WORDS].tobytes()),
        )


def _ahead(batches: Iterator[tuple[memoryview, memoryview]]) -> Iterator[tuple[bytes, bytes]]:
    """Copies of them, each read while the one before is worked on: a third of the time."""

    def read() -> tuple[bytes, bytes] | None:
        return next(((bytes(keys), bytes(values)) for keys, values in batches), None)

    with ThreadPoolExecutor(1, "blocks") as reader:
        batch = reader.submit(read).result()
        while batch is not None:
            following = reader.submit(read)
            yield batch
            batch = following.result()


def _addresses(keys: bytes) -> "array[int]":
    """The keys without the slot, which is in the last two bytes of each."""
    plain = bytearray(keys)
    plain[6::8] = plain[7::8] = bytes(len(plain) // 8)
    return array("Q", bytes(plain))


def _sites_of(names: memoryview, stacks: Sequence[int], rows: Rows) -> list[int]:
    if min(names) >> ADDRESS_BITS == max(names) >> ADDRESS_BITS:
        return list(map(rows.get(slot_of(names[0]), {}).get, stacks, repeat(_NO_SITE)))
    return [
        rows.get(slot_of(name), {}).get(stack, _NO_SITE)
        for name, stack in zip(names, stacks, strict=True)
    ]
