"""Memory that the kernel gives at a page fault, as data: no function, and yet sites have it for their allocator."""

from ebpftrace.probes.families import Family
from ebpftrace.probes.functions import Function, Shape

_PAGE = Shape("birth")
# The numbers are those of bpf/shared.h, where the kernel side goes by them.
FAULT = Function(125, "page fault", _PAGE)
"""The first touch of a page."""
COPY = Function(126, "copy on write", _PAGE)
"""A write to one that was mapped and could only be read."""

MEMORY = Family(62, "memory", (), (FAULT, COPY), zero_realloc_frees=False)
