"""What of a snapshot is small, as maps of msgpack: keys as in JSON, or as the model's fields."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from itertools import islice
from math import isfinite
from typing import Any

from ebpftrace.model.picture import Cost, Target
from ebpftrace.model.snapshot import Host, MemoryFigures, MemoryGroup, ProcessFacts, Snapshot
from ebpftrace.snapshot.format.sections import MOST_ITEMS

# Of the command lines and environments of all processes together; Linux lets one have 2 MB.
_MOST_TEXT = 4 << 20


def moment(time: datetime) -> str:
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")


def facts(snapshot: Snapshot) -> dict[str, Any]:
    """The section `facts`."""
    picture = snapshot.picture
    return {
        "time": moment(picture.time),
        "since_attach_s": picture.since_attach_s,
        "watch": snapshot.watch,
        "tool": snapshot.tool,
        "trigger": snapshot.trigger._asdict(),
        "mode": picture.mode,
        "scale": picture.scale,
        "unseen_blocks": picture.unseen,
        "mode_changes": [
            {"at_s": one.at_s, "mode": one.level.mode, "scale": one.level.scale, "why": one.why}
            for one in picture.mode_changes
        ],
        "drain": None if picture.drain is None else picture.drain._asdict(),
        "final": picture.final,
        "filters": list(picture.filters),
        "waiting_for": list(picture.waiting_for),
        "targets": [_target(one) for one in picture.targets],
        "totals": picture.totals._asdict(),
        "mapped": None if picture.mapped is None else picture.mapped._asdict(),
        "growth_bytes_per_s": _finite(picture.growth),
        "error_bytes": _finite(picture.error),
        "stack_depth": picture.stack_depth,
        "naming": {**picture.naming._asdict(), "notes": list(picture.naming.notes)},
        "losses": dict(picture.losses),
        "cost": _cost(picture.cost),
        "host": None if snapshot.host is None else _host(snapshot.host),
        "blocks": snapshot.blocks is not None,
        "notes": list(snapshot.notes),
    }


def processes(given: Iterable[ProcessFacts]) -> dict[str, Any]:
    """The section `processes`; their mappings are another one."""
    left = [_MOST_TEXT]
    return {"processes": [_process(one, left) for one in given]}


def _process(one: ProcessFacts, left: list[int]) -> dict[str, Any]:
    return {
        "pid": one.pid,
        "slot": one.slot,
        "command_line": _bounded(one.command_line, left),
        "started": None if one.started is None else moment(one.started),
        "parent": one.parent,
        "users": list(one.users),
        "limits": {name: list(limit) for name, limit in one.limits.items()},
        "memory": None if one.memory is None else _memory(one.memory),
        "group": None if one.group is None else _group(one.group),
        "environment": None if one.environment is None else _bounded(one.environment, left),
    }


def _memory(memory: MemoryFigures) -> dict[str, Any]:
    return {
        "status": dict(memory.status),
        "status_at": memory.status_at,
        "rollup": None if memory.rollup is None else dict(memory.rollup),
        "rollup_at": memory.rollup_at,
    }


def _group(group: MemoryGroup) -> dict[str, Any]:
    return {
        "path": group.path,
        "version": group.version,
        "limits": dict(group.limits),
        "figures": dict(group.figures),
    }


def _host(host: Host) -> dict[str, Any]:
    return asdict(host)


def _target(target: Target) -> dict[str, Any]:
    return {field.name: _plain(getattr(target, field.name)) for field in fields(target)}


def _cost(cost: Cost) -> dict[str, Any]:
    return {field.name: _plain(getattr(cost, field.name)) for field in fields(cost)}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return _finite(value) if isinstance(value, float) else value


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _bounded(texts: Iterable[str], left: list[int]) -> list[str]:
    """As many as there is room for; an ellipsis stands for the rest."""
    kept: list[str] = []
    for text in islice(texts, MOST_ITEMS - 1):
        left[0] -= len(text.encode("utf-8", "replace")) + 1
        if left[0] < 0:
            return [*kept, "…"]
        kept.append(text)
    return kept
