"""The outstanding blocks of one call site, read from the block map when somebody asks."""

from collections.abc import Collection
from heapq import nlargest

from ebpftrace.kernel.layout import ADDRESS_BITS, BLOCK, BLOCK_KEY
from ebpftrace.kernel.tables import Table
from ebpftrace.model.ids import Address, Slot, StackId, Tid
from ebpftrace.model.picture import Block, SiteBlocks, SizeClass

_SLICE = 4096


def read_blocks(
    table: Table, slot: Slot, stacks: Collection[StackId], now_ns: int, last: int
) -> SiteBlocks:
    """The blocks counted under `stacks` of `slot`, by one pass over the map in slices.

    Ages are against `now_ns` (monotonic). Addresses are as the target sees them, without the bits
    that carry the slot.
    """
    classes: dict[int, list[int]] = {}
    youngest: list[tuple[int, int, int, int]] = []
    for keys, values in table.batches(_SLICE):
        for (key,), (size, stack, born, thread, _, _) in zip(
            BLOCK_KEY.iter_unpack(keys), BLOCK.iter_unpack(values), strict=True
        ):
            if stack in stacks and key >> ADDRESS_BITS == slot:
                found = classes.setdefault(size.bit_length(), [0, 0])
                found[0] += 1
                found[1] += size
                youngest.append((born, key & ((1 << ADDRESS_BITS) - 1), size, thread))
        youngest = nlargest(last, youngest)
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
