"""The numbers by which the kernel side knows families and functions, those of mappings among them."""

from ebpftrace.probes.families import FAMILY_NAMES, FUNCTIONS
from ebpftrace.probes.faults import COPY, FAULT, MEMORY
from ebpftrace.probes.functions import Function
from ebpftrace.probes.mappings import MAPPING_FUNCTIONS, MMAP, THREAD_STACK
from ebpftrace.probes.pools import FAMILY_ID, Pools

ALL_FAMILIES: dict[int, str] = {
    **FAMILY_NAMES,
    MMAP.id: MMAP.name,
    MEMORY.id: MEMORY.name,
    FAMILY_ID: Pools().family.name,
}
"""The name of every family by its number."""

ALL_FUNCTIONS: dict[int, Function] = {
    **FUNCTIONS,
    **{one.id: one for one in (*MAPPING_FUNCTIONS, THREAD_STACK, FAULT, COPY)},
}
"""Every function by its number, but for those of pools."""

SEEN = 124
"""No function: frees and resizes that fell into windows (FUNCTION_SEEN of bpf/shared.h)."""
UNHELD = 126
"""No function: frees of blocks that are not held, among all of them."""
PASSED = 127
"""No function: exits that were hit, and no call has ended there (FUNCTION_PASSED of bpf/shared.h)."""
