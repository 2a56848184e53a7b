"""What a program held at its end, as one line of JSON: schema `ebpftrace.exit/1`.

schema      ebpftrace.exit/1
command     as it was given
pid, comm, exe, allocators   of the last program that the process ran
ended       exited; null: it still runs; exec, lost: it was not watched to its end
ended_by    `status 0`, `SIGSEGV`, or null
counts      of the heap of that program: blocks, bytes, allocated_*, freed_*, adopted_*
mapped      the same of what it had mapped for itself
suppressed  as in `ebpftrace.picture/1`
threshold_bytes, too_much    more than the threshold, but for what is suppressed?
before      programs that were replaced by exec: pid, comm, exe, counts
followed    processes that were started and watched: as those before, with ended, ended_by, missed_s, programs
children    processes that were started and not watched
"""

from collections.abc import Sequence
from typing import Any

from ebpftrace.analysis.exiting import AtExit
from ebpftrace.analysis.summing import counts_of
from ebpftrace.export import jsonl
from ebpftrace.model.picture import Target

SCHEMA = "ebpftrace.exit/1"


def as_object(found: AtExit, command: Sequence[str], children: int) -> dict[str, Any]:
    """See the module; the words of `command` are clean."""
    return {
        "schema": SCHEMA,
        "mode": found.picture.mode,
        "command": list(command),
        **_program(found.target),
        "allocators": list(found.target.allocators),
        "ended": found.target.ended,
        "ended_by": found.target.ended_by,
        "counts": jsonl.counts_object(found.held, only_grown=found.picture.mode == "growth"),
        "mapped": jsonl.counts_object(counts_of(found.mapped)),
        "suppressed": jsonl.suppressed_object(found.suppressed),
        "threshold_bytes": found.threshold,
        "too_much": found.too_much,
        "hidden_by": found.hidden_by,
        "before": [
            {**_program(one.target), "counts": jsonl.counts_object(one.counts)}
            for one in found.before
        ],
        "followed": [
            {**jsonl.target_object(one.target), "counts": jsonl.counts_object(one.counts)}
            for one in found.followed
        ],
        "children": children,
    }


def _program(target: Target) -> dict[str, Any]:
    return {"pid": target.pid, "comm": target.comm, "exe": target.exe}
