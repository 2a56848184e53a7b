"""What changed between snapshots, as one object of JSON: schema `ebpftrace.diff/1`.

    schema, same_watch (are all of one attach?), elapsed_s (from the first to the last, within a watch)
    snapshots  of each: file, time, since_attach_s, watch, tool, trigger (kind, sentence), host (its
               name), mode, filters, targets (pid, comm, exe, ended, ended_by), losses, and in blocks and bytes
               totals and unlisted: what is held in no call site
    change     of the totals: blocks, bytes, bytes_per_s
    kinds      new, grown, shrunk, gone, same, by the first and the last; of each: sites, change, and
               held: blocks and bytes in each snapshot
    empty_sites  that hold nothing in any
    suppressed sites, change, held, by: of each name, the sites, change and held that it hides
    sites      the first --top of those that hold something in any and are not suppressed. Of each:
               kind, held, change, grew_in_steps (from one snapshot to the next), pids (of each
               snapshot), stacks (of each: how many are counted here), and of its largest stack
               allocator, family, complete, guessed, end, responsible, frames, as in a picture
    others     the rest of them: sites, change
    threshold  null without --threshold; bytes, passed, total_bytes (the growth of all, null if it is
               within), sites (how many grew by more)
    notes      sentences on what to know before figures are compared

Every key is always there; what is not known is null. `held` is a list by snapshot, a `change` has
blocks, bytes and bytes_per_s, the latter null between different watches. Keys may be added within
version 1, never renamed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from ebpftrace.analysis.between import differences, elapsed, same_watch
from ebpftrace.analysis.diff import Beyond, Change, Diff, Held, Shown, Total, largest, total_of
from ebpftrace.analysis.responsible import Rules, responsible
from ebpftrace.export import jsonl
from ebpftrace.model.snapshot import Snapshot

SCHEMA = "ebpftrace.diff/1"


def write(
    snapshots: Sequence[Snapshot],
    files: Sequence[str],
    found: Diff,
    shown: Shown,
    passed: tuple[int, Beyond] | None,
    out: TextIO,
) -> None:
    """Write one line and flush it; `files` are clean, and what the user calls each snapshot.

    `passed`: the threshold in bytes, and what grew by more.
    """
    jsonl.emit(as_object(snapshots, files, found, shown, passed), out)


def as_object(
    snapshots: Sequence[Snapshot],
    files: Sequence[str],
    found: Diff,
    shown: Shown,
    passed: tuple[int, Beyond] | None,
) -> dict[str, Any]:
    """See the module."""
    seconds = elapsed(snapshots)
    listed = largest(found.changes, shown.sort, shown.top)
    count = len(snapshots)
    rest = total_of(found.changes, count).change.since(total_of(listed, count).change)
    notes = (*differences(snapshots, found.rebuilt), *(n for one in snapshots for n in one.notes))
    return {
        "schema": SCHEMA,
        "same_watch": same_watch(snapshots),
        "elapsed_s": None if seconds is None else round(seconds, 3),
        "snapshots": [
            _snapshot(*one) for one in zip(snapshots, files, found.unlisted, strict=True)
        ],
        "change": _change(found.change, seconds),
        "kinds": {kind: _total(total, seconds) for kind, total in found.kinds.items()},
        "empty_sites": found.empty,
        "suppressed": _suppressed(found.hidden, count, seconds),
        "sites": [_site(one, seconds, shown.rules) for one in listed],
        "others": {"sites": len(found.changes) - len(listed), "change": _change(rest, seconds)},
        "threshold": None if passed is None else _threshold(*passed),
        "notes": list(dict.fromkeys(notes)),
    }


def _snapshot(snapshot: Snapshot, file: str, unlisted: Held) -> dict[str, Any]:
    picture = snapshot.picture
    return {
        "file": file,
        "time": jsonl.moment(picture.time),
        "since_attach_s": round(picture.since_attach_s, 3),
        "watch": snapshot.watch or None,
        "tool": snapshot.tool or None,
        "trigger": snapshot.trigger._asdict(),
        "host": None if snapshot.host is None else snapshot.host.name,
        "mode": picture.mode,
        "filters": list(picture.filters),
        "targets": [
            {
                "pid": one.pid,
                "comm": one.comm,
                "exe": one.exe,
                "ended": one.ended,
                "ended_by": one.ended_by,
            }
            for one in picture.targets
        ],
        "totals": {"blocks": picture.totals.blocks, "bytes": picture.totals.bytes},
        "unlisted": _held(unlisted),
        "losses": dict(picture.losses),
    }


def _held(held: Held) -> dict[str, int]:
    return {"blocks": held.blocks, "bytes": held.bytes}


def _change(change: Held, seconds: float | None) -> dict[str, Any]:
    rate = None if seconds is None else round(change.bytes / seconds, 1)
    return {**_held(change), "bytes_per_s": rate}


def _total(total: Total, seconds: float | None) -> dict[str, Any]:
    return {
        "sites": total.sites,
        "change": _change(total.change, seconds),
        "held": [_held(one) for one in total.held],
    }


def _suppressed(hidden: Mapping[str, Total], count: int, seconds: float | None) -> dict[str, Any]:
    columns = zip(*(one.held for one in hidden.values()), strict=True)
    held = tuple(Held(*map(sum, zip(*column, strict=True))) for column in columns)
    sites = sum(one.sites for one in hidden.values())
    return {
        **_total(Total(sites, held or (Held(),) * count), seconds),
        "by": [{"name": name, **_total(one, seconds)} for name, one in hidden.items()],
    }


def _site(one: Change, seconds: float | None, rules: Rules) -> dict[str, Any]:
    at = one.largest.at
    return {
        "kind": one.kind,
        "held": [_held(held) for held in one.held],
        "change": _change(one.change, seconds),
        "grew_in_steps": one.grew_in,
        "pids": [sorted({site.at.pid for site in sites}) for sites in one.sites],
        "stacks": [len(sites) for sites in one.sites],
        "allocator": at.allocator,
        "family": at.family,
        "complete": at.complete,
        "guessed": at.guessed,
        "end": at.end,
        "responsible": responsible(at.frames, rules),
        "frames": [jsonl.frame_object(frame) for frame in at.frames],
    }


def _threshold(threshold: int, passed: Beyond) -> dict[str, Any]:
    return {
        "bytes": threshold,
        "passed": bool(passed),
        "total_bytes": passed.total,
        "sites": len(passed.sites),
    }
