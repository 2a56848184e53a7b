"""The outstanding blocks of one call site, read from the block map when somebody asks."""

from ebpftrace.kernel.layout import ADDRESS_BITS, BLOCK, BLOCK_KEY
from ebpftrace.kernel.tables import Table
from ebpftrace.model.ids import Address, Tid
from ebpftrace.model.picture import Block, Site

_SLICE = 4096


def read_blocks(table: Table, site: Site, now_ns: int, limit: int) -> tuple[Block, ...]:
    """Up to `limit` blocks of `site`, by one pass over the map in slices; ages against `now_ns`
    (monotonic). Addresses are as the target sees them, without the bits that carry the slot.
    """
    found: list[Block] = []
    for keys, values in table.batches(_SLICE):
        for (key,), (size, stack, born, thread, _, _) in zip(
            BLOCK_KEY.iter_unpack(keys), BLOCK.iter_unpack(values), strict=True
        ):
            if stack == site.at.stack and key >> ADDRESS_BITS == site.at.slot:
                address = Address(key & ((1 << ADDRESS_BITS) - 1))
                found.append(Block(address, size, (now_ns - born) / 1e9, Tid(thread)))
                if len(found) == limit:
                    return tuple(found)
    return tuple(found)
