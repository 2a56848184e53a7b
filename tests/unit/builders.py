"""Builders that default everything but the point of a test."""

from datetime import datetime, timezone
from typing import Any

from ebpftrace.analysis.suppression_files import Line, Suppression
from ebpftrace.analysis.suppressions import Suppressions
from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import Pid, Slot, StackId
from ebpftrace.model.losses import Losses
from ebpftrace.model.picture import CallSite, Cost, Counts, Picture, Site, Target


def frame(function: str | None = "leak_here", **given: Any) -> Frame:
    values: dict[str, Any] = {
        "function": function,
        "file": None,
        "line": None,
        "column": None,
        "inlined": False,
        "module": "/srv/app",
        "build_id": "ab12",
        "offset": 0x1234,
        "address": 0x401234,
    }
    return Frame(**{**values, **given})


def counts(blocks: int = 1, size: int = 100, freed: int = 0) -> Counts:
    """`blocks` outstanding of `size` bytes in all, after `freed` more were allocated and freed."""
    return Counts(blocks + freed, size + freed, freed, freed, 0, 0)


def site(name: str = "leak_here", **given: Any) -> Site:
    values: dict[str, Any] = {
        "id": f"001{abs(hash(name)) % (1 << 64):016x}",
        "slot": Slot(1),
        "stack": StackId(7),
        "pid": Pid(42),
        "family": "glibc",
        "allocator": "malloc",
        "counts": counts(),
        "oldest_at": 0.0,
        "growth": 0.0,
        "cohorts": (),
        "error": None,
        "complete": True,
        "guessed": None,
        "end": None,
        "frames": (frame(name),),
    }
    values.update(given)
    at = CallSite(**{field: values[field] for field in CallSite._fields})
    return Site(at, **{field: values[field] for field in Site._fields if field != "at"})


def target(**given: Any) -> Target:
    values: dict[str, Any] = {
        "pid": Pid(42),
        "comm": "app",
        "exe": "/srv/app",
        "slot": Slot(1),
        "allocators": ("glibc",),
        "rss_bytes": 9_000_000,
        "rss_growth_bytes": 40_960,
    }
    return Target(**{**values, **given})


def picture(*sites: Site, **given: Any) -> Picture:
    columns = zip(*(one.counts for one in sites), strict=True)
    values: dict[str, Any] = {
        "time": datetime(2026, 11, 20, 12, 0, 0, 123_000, tzinfo=timezone.utc),
        "since_attach_s": 12.0,
        "targets": (target(),),
        "totals": Counts(*(sum(column) for column in columns)),
        "growth": 0.0,
        "sites": sites,
        "losses": Losses(),
        "cost": Cost(),
    }
    return Picture(**{**values, **given})


def suppressions(*parts: str) -> Suppressions:
    """Each hides what has the part in any of its frames."""
    return Suppressions(Suppression(f"leak:{part}", (Line("leak", f"*{part}*"),)) for part in parts)
