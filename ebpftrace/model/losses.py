"""Every way to lose or cut something: its name, and the sentence that explains it.

The order is the kernel's (`enum loss` of bpf/shared.h; a test compares the two).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Loss:
    """One reason. `fault` is False for what is a fact about the target rather than a loss.

    `hides`: more may be held than is counted.
    """

    name: str
    sentence: str
    fault: bool = True
    hides: bool = False


LOSSES: tuple[Loss, ...] = (
    Loss(
        "blocks_full",
        "allocations not tracked: the block map is full; raise --max-blocks",
        hides=True,
    ),
    Loss("cohorts_full", "allocations counted without a call site: the cohort map is full"),
    Loss("stacks_full", "allocations counted without a stack: raise --max-stacks"),
    Loss("rules_full", "unwind rules that found no room"),
    Loss(
        "in_flight_full",
        "calls not tracked: more threads inside the allocator than planned for",
        hides=True,
    ),
    Loss("ringbuf_full", "stacks or events delayed: the ring buffer was full"),
    Loss("map_busy", "map updates the kernel refused for the moment", hides=True),
    Loss(
        "probe_missed",
        "probe hits the kernel skipped, or that fell between two attachments",
        hides=True,
    ),
    Loss("return_missed", "returns the kernel did not report", hides=True),
    Loss(
        "call_lost",
        "calls whose return never came (longjmp, a switched stack, a dead thread)",
        hides=True,
    ),
    Loss("missed_free", "blocks that were freed unseen: their address was handed out again"),
    Loss("unmatched_free", "frees of blocks from before the attach", fault=False),
    Loss("nested", "allocator functions called by allocator functions", fault=False),
    Loss("nested_free", "frees by allocator functions of what was never counted", fault=False),
    Loss("out_param_unreadable", "posix_memalign results that could not be read", hides=True),
    Loss("stack_unreadable", "allocations whose stack could not be read to its end"),
    Loss("stack_truncated", "allocations whose stack is deeper than --stack-depth"),
    Loss("stack_guessed", "allocations whose stack rests on a guess: code without unwind tables"),
    Loss("stack_cut", "allocations whose stack ends early: no unwind rule there, or not yet"),
    Loss("shared_vm_child", "children that shared the target's memory, unseen", fault=False),
    Loss("filtered", "allocations outside --min-size and --max-size, not tracked", fault=False),
    Loss(
        "trace_full",
        "calls missing in the trace log: they came faster than it is written; log fewer with "
        "--min-size",
    ),
    Loss("mapping_lost", "calls of mmap and munmap not seen: the ring buffer was full"),
    Loss(
        "missed_unmap",
        "mappings that were unmapped unseen, by other means than the C library's functions",
        fault=False,
    ),
    Loss(
        "unmatched_unmap",
        "unmapped ranges from before the attach, or of a kind that is not counted",
        fault=False,
    ),
    Loss("process_missed", "processes that ended before they could be attached to"),
    Loss(
        "unrecorded_free",
        "frees of blocks that were allocated while draining, or before the attach",
        fault=False,
    ),
)

# Not detected by this version: null in JSON, never 0.
UNDETECTED = frozenset({"return_missed"})


class Losses(Mapping[str, int | None]):
    """Count by name since attach, in the order of LOSSES; None where it cannot be detected."""

    __slots__ = ("_counts",)

    def __init__(self, counts: Mapping[str, int | None] | None = None) -> None:
        given = counts or {}
        self._counts = {
            loss.name: given.get(loss.name, None if loss.name in UNDETECTED else 0)
            for loss in LOSSES
        }

    def __getitem__(self, name: str) -> int | None:
        return self._counts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)

    def faults(self) -> list[tuple[Loss, int]]:
        """What is really lost, with its count: empty on a good day."""
        return [(loss, n) for loss in LOSSES if loss.fault and (n := self._counts[loss.name])]

    def hiding(self) -> list[tuple[Loss, int]]:
        """Those by which more may be held than is counted, as far as there were any."""
        return [(loss, count) for loss, count in self.faults() if loss.hides]

    def facts(self) -> list[tuple[Loss, int]]:
        """What is worth knowing and no fault."""
        return [(loss, n) for loss in LOSSES if not loss.fault and (n := self._counts[loss.name])]
