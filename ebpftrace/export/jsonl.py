"""One picture as one line of JSON: schema `ebpftrace.picture/1` (snapshot/jsonl/schema.py).

Every key is always there; what is not known is null. `snapshot.jsonl` reads it.
"""

import json
from datetime import datetime
from typing import Any, TextIO

from ebpftrace.analysis.responsible import Rules, responsible
from ebpftrace.analysis.selection import Selection, select
from ebpftrace.analysis.suppressed import Suppressed
from ebpftrace.analysis.trend import trend_of_site
from ebpftrace.model.epochs import length_of, start_of
from ebpftrace.model.frames import Frame
from ebpftrace.model.picture import Counts, Picture, Site, Target
from ebpftrace.snapshot.jsonl.schema import SCHEMA


def write(picture: Picture, selection: Selection, out: TextIO) -> None:
    """Write one line and flush it."""
    emit(as_object(picture, selection), out)


def emit(made: dict[str, Any], out: TextIO) -> None:
    """Write JSON types as one line and flush it, as ASCII where `out` does not take UTF-8."""
    in_utf8 = (out.encoding or "utf-8").lower().replace("-", "") == "utf8"
    # As one text: what is written in parts is made in Python, in ten times the time.
    out.write(json.dumps(made, ensure_ascii=not in_utf8, separators=(",", ":")) + "\n")
    out.flush()


def as_object(picture: Picture, selection: Selection) -> dict[str, Any]:
    """The picture as JSON types; `sites` are the selected ones, `others` sums up the rest.

    `suppressed` ones are in neither.
    """
    chosen = select(picture, selection)
    cost = picture.cost
    return {
        "schema": SCHEMA,
        "final": picture.final,
        "time": moment(picture.time),
        "since_attach_s": round(picture.since_attach_s, 3),
        "mode": picture.mode,
        "filters": list(picture.filters),
        "targets": [_target(target) for target in picture.targets],
        "totals": counts_object(picture.totals),
        "growth_bytes_per_s": _rounded(picture.growth, 1),
        "sites": [_site(site, picture.since_attach_s, selection.rules) for site in chosen.sites],
        "others": {
            "sites": chosen.others.sites,
            "blocks": chosen.others.blocks,
            "bytes": chosen.others.bytes,
        },
        "suppressed": suppressed_object(chosen.suppressed),
        "stacks": picture.stacks._asdict(),
        "naming": {**picture.naming._asdict(), "notes": list(picture.naming.notes)},
        "losses": dict(picture.losses),
        "cost": {
            "hits_per_s": _rounded(cost.hits_per_s, 1),
            "target_cpu_percent": _rounded(cost.target_cpu_percent, 2),
            "tool_cpu_percent": _rounded(cost.tool_cpu_percent, 2),
            "tool_rss_bytes": cost.tool_rss_bytes,
            "kernel_bytes": cost.kernel_bytes,
            "map_fill_percent": {n: round(v, 3) for n, v in cost.map_fill_percent.items()},
        },
    }


def moment(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def frame_object(frame: Frame) -> dict[str, Any]:
    """A frame, in the order in which a stack has them: from the allocation outward."""
    return {
        "function": frame.function,
        "file": frame.file,
        "line": frame.line,
        "column": frame.column,
        "inlined": frame.inlined,
        "module": frame.module,
        "build_id": frame.build_id,
        "offset": frame.offset,
        "address": frame.address,
        "source": frame.source,
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _target(target: Target) -> dict[str, Any]:
    return {
        "pid": target.pid,
        "comm": target.comm,
        "exe": target.exe,
        "alive": target.alive,
        "ended": target.ended,
        "ended_by": target.ended_by,
        "slot": target.slot,
        "allocators": list(target.allocators),
        "rss_bytes": target.rss_bytes,
        "rss_growth_bytes": target.rss_growth_bytes,
        "backend": target.backend,
        "blind_s": round(target.blind_s, 4),
    }


def counts_object(counts: Counts) -> dict[str, Any]:
    return {"blocks": counts.blocks, "bytes": counts.bytes, **counts._asdict()}


def _site(site: Site, now: float, rules: Rules) -> dict[str, Any]:
    return {
        "id": site.at.id,
        "pid": site.at.pid,
        "family": site.at.family,
        "allocator": site.at.allocator,
        **counts_object(site.counts),
        "oldest_s": None if site.oldest_at is None else round(now - site.oldest_at, 3),
        "growth_bytes_per_s": _rounded(site.growth, 1),
        "trend": _trend(site, now),
        "cohorts": [
            [start_of(one.epoch), length_of(one.epoch), one.blocks, one.bytes, one.adopted_bytes]
            for one in site.cohorts
        ],
        "complete": site.at.complete,
        "guessed": site.at.guessed,
        "end": site.at.end,
        "responsible": responsible(site.at.frames, rules),
        "frames": [frame_object(frame) for frame in site.at.frames],
    }


def suppressed_object(hidden: Suppressed) -> dict[str, Any]:
    return {**hidden._asdict(), "by": [one._asdict() for one in hidden.by]}


def _trend(site: Site, now: float) -> dict[str, Any]:
    word, rate, low, high = trend_of_site(site, now)
    return {
        "word": word,
        "bytes_per_s": _rounded(rate, 1),
        "low": _rounded(low, 1),
        "high": _rounded(high, 1),
    }
