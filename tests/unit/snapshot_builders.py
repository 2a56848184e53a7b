"""Snapshots that default everything but the point of a test."""

from datetime import datetime, timezone
from typing import Any

from ebpftrace.model.ids import Pid, Slot
from ebpftrace.model.picture import Picture
from ebpftrace.model.snapshot import (
    Host,
    Limit,
    MemoryFigures,
    MemoryGroup,
    ProcessFacts,
    Snapshot,
    Trigger,
)
from tests.unit.builders import picture

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def memory(**given: Any) -> MemoryFigures:
    values: dict[str, Any] = {
        "status": {"VmRSS": 30 * MIB, "RssAnon": 20 * MIB, "RssFile": 10 * MIB, "VmSwap": 0},
        "status_at": 12.0,
    }
    return MemoryFigures(**{**values, **given})


def group(**given: Any) -> MemoryGroup:
    values: dict[str, Any] = {
        "path": "/system.slice/app.service",
        "version": 2,
        "limits": {"memory.max": 32 * MIB},
        "figures": {"memory.current": 31 * MIB},
    }
    return MemoryGroup(**{**values, **given})


def facts(**given: Any) -> ProcessFacts:
    values: dict[str, Any] = {
        "pid": Pid(42),
        "slot": Slot(1),
        "command_line": ("/srv/app", "--port", "80"),
        "started": datetime(2026, 11, 20, 11, 0, 0, tzinfo=timezone.utc),
        "parent": Pid(1),
        "users": (33,),
        "limits": {"Max open files": Limit(1024, 4096), "Max address space": Limit(None, None)},
        "memory": memory(),
        "group": group(),
        "mappings": (),
    }
    return ProcessFacts(**{**values, **given})


def host(**given: Any) -> Host:
    values: dict[str, Any] = {
        "name": "web1",
        "kernel": "6.1.0-13-amd64",
        "machine": "x86_64",
        "distribution": "Debian GNU/Linux 12",
        "boot": None,
        "processors": 4,
        "page_size": 4096,
        "memory_bytes": 16 * GIB,
        "available_bytes": 3 * GIB,
    }
    return Host(**{**values, **given})


def snapshot(shown: Picture | None = None, **given: Any) -> Snapshot:
    values: dict[str, Any] = {
        "trigger": Trigger("end", "The process ended."),
        "watch": "a1",
        "tool": "ebpftrace 0.1.0",
        "host": host(),
        "processes": (facts(),),
    }
    return Snapshot(picture() if shown is None else shown, **{**values, **given})
