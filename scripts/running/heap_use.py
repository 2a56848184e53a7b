"""What a program has asked of its heap, as `ebpftrace run` and as Valgrind say it at its end."""

import json
import re
from typing import NamedTuple

from ebpftrace.errors import EbpftraceError
from ebpftrace.export.exit_json import SCHEMA
from ebpftrace.model.losses import LOSSES

_IN_USE = re.compile(r"in use at exit: ([\d,]+) bytes in ([\d,]+) blocks")
_USAGE = re.compile(r"total heap usage: ([\d,]+) allocs, ([\d,]+) frees, ([\d,]+) bytes allocated")
# Counted all the same, with a shorter stack.
_OF_STACKS = ("stacks_full", "stack_unreadable", "stack_truncated", "stack_guessed", "stack_cut")
# No fault in a process that was running already; here every block has been seen from its birth on.
_UNSEEN = ("unmatched_free",)


class HeapUse(NamedTuple):
    """`bytes` in `blocks` at exit; calls that gave a block and that took one; bytes of all of these.

    Both count a realloc of a block as one that takes it and one that gives another: Valgrind in
    MC_(realloc) of memcheck/mc_malloc_wrappers.c.
    """

    bytes: int
    blocks: int
    allocations: int
    frees: int
    allocated: int

    def minus(self, other: "HeapUse") -> "HeapUse":
        return HeapUse(*(one - two for one, two in zip(self, other, strict=True)))


class Unreadable(EbpftraceError):
    """A tool did not say what it has to, or it did not see the program to its end."""


def of_valgrind(log: str) -> HeapUse:
    """Of its log; Unreadable."""
    in_use, usage = _IN_USE.search(log), _USAGE.search(log)
    if in_use is None or usage is None:
        last = log.strip().rpartition("\n")[2]
        raise Unreadable(f"Valgrind has told nothing of the heap. {last}".strip())
    size, blocks, allocations, frees, allocated = (
        int(said.replace(",", "")) for said in (*in_use.groups(), *usage.groups())
    )
    return HeapUse(size, blocks, allocations, frees, allocated)


def of_ebpftrace(lines: str) -> HeapUse:
    """Of what `run --json` has written; Unreadable, also where a fault was counted."""
    said = [json.loads(line) for line in lines.splitlines()]
    if not said or said[-1].get("schema") != SCHEMA or said[-1]["ended"] != "exited":
        raise Unreadable("ebpftrace run has not seen the program to its end.")
    losses = said[-2]["losses"]
    lost = {loss.name: losses[loss.name] for loss in LOSSES if loss.fault and losses[loss.name]}
    for name in _OF_STACKS:
        lost.pop(name, None)
    lost.update({name: losses[name] for name in _UNSEEN if losses[name]})
    if lost:
        raise Unreadable(f"ebpftrace run has lost something: {lost}.")
    counts = said[-1]["counts"]
    return HeapUse(
        counts["bytes"],
        counts["blocks"],
        counts["allocated_blocks"],
        counts["freed_blocks"],
        counts["allocated_bytes"],
    )
