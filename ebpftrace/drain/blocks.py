"""The outstanding blocks of one call site, read from the block map when somebody asks."""

from collections.abc import Collection

from ebpftrace.kernel.layout import ADDRESS_BITS, BLOCK, BLOCK_KEY
from ebpftrace.kernel.tables import Table
from ebpftrace.model.ids import Address, Slot, StackId, Tid
from ebpftrace.model.picture import Block

_SLICE = 4096


def read_blocks(
    table: Table, slot: Slot, stacks: Collection[StackId], now_ns: int, limit: int
) -> tuple[Block, ...]:
    """Up to `limit` blocks counted under `stacks` of `slot`, by one pass over the map in slices.

    Ages are against `now_ns` (monotonic). Addresses are as the target sees them, without the bits
    that carry the slot.
    """
    found: list[Block] = []
    for keys, values in table.batches(_SLICE):
        for (key,), (size, stack, born, thread, _, _) in zip(
            BLOCK_KEY.iter_unpack(keys), BLOCK.iter_unpack(values), strict=True
        ):
            if stack in stacks and key >> ADDRESS_BITS == slot:
                address = Address(key & ((1 << ADDRESS_BITS) - 1))
                found.append(Block(address, size, (now_ns - born) / 1e9, Tid(thread)))
                if len(found) == limit:
                    return tuple(found)
    return tuple(found)
