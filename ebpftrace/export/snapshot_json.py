"""A snapshot as one object of JSON: its picture as `jsonl` has it, and one more key, `snapshot`.

    file       the file, as it was named
    trigger    kind (start, interval, asked, rss, tracked, pressure, high, oom, end, final) and sentence
    watch      one and the same between an attach and its end; null for a recording
    tool       name and version of what took it; null for a recording
    host       null, or name, kernel, machine, distribution, boot (an id, or null), processors,
               page_size_bytes, memory_bytes, available_bytes
    processes  of each: pid, slot (of its target), command_line, started, parent, users,
               limits: by name of /proc/PID/limits soft and hard, null for none;
               memory: null, or status_bytes by name, status_at_s, rollup_bytes or null, rollup_at_s;
               group: null, or path, version, limits_bytes by name of file or null, figures by name;
               mappings: start, end, perms, offset, path, build_id;
               environment: null where it was not asked for
    history    of each point: at_s, tracked_bytes, resident_bytes
    notes      sentences on what it does not hold

Seconds `_at_s` and `at_s` are since attach. What is not known is null.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from ebpftrace.analysis.selection import Selection
from ebpftrace.export import jsonl
from ebpftrace.model.snapshot import Host, MemoryFigures, MemoryGroup, ProcessFacts, Snapshot


def write(snapshot: Snapshot, file: str, selection: Selection, out: TextIO) -> None:
    """Write one line and flush it; `file` is clean, and what the user calls the snapshot."""
    jsonl.emit_pieces(pieces(snapshot, file, selection, jsonl.encoder(out)), out)


def pieces(
    snapshot: Snapshot, file: str, selection: Selection, encode: jsonl.Encode
) -> Iterator[str]:
    """The text of the object."""
    return jsonl.pieces(snapshot.picture, selection, encode, snapshot=_about(snapshot, file))


def _about(snapshot: Snapshot, file: str) -> dict[str, Any]:
    return {
        "file": file,
        "trigger": snapshot.trigger._asdict(),
        "watch": snapshot.watch or None,
        "tool": snapshot.tool or None,
        "host": None if snapshot.host is None else _host(snapshot.host),
        "processes": [_process(facts) for facts in snapshot.processes],
        "history": [
            {"at_s": round(at, 3), "tracked_bytes": tracked, "resident_bytes": resident}
            for at, tracked, resident in snapshot.history
        ],
        "notes": list(snapshot.notes),
    }


def _host(host: Host) -> dict[str, Any]:
    return {
        "name": host.name,
        "kernel": host.kernel,
        "machine": host.machine,
        "distribution": host.distribution,
        "boot": host.boot,
        "processors": host.processors,
        "page_size_bytes": host.page_size,
        "memory_bytes": host.memory_bytes,
        "available_bytes": host.available_bytes,
    }


def _process(facts: ProcessFacts) -> dict[str, Any]:
    environment = facts.environment
    return {
        "pid": facts.pid,
        "slot": facts.slot,
        "command_line": list(facts.command_line),
        "started": None if facts.started is None else jsonl.moment(facts.started),
        "parent": facts.parent,
        "users": list(facts.users),
        "limits": {name: limit._asdict() for name, limit in facts.limits.items()},
        "memory": None if facts.memory is None else _memory(facts.memory),
        "group": None if facts.group is None else _group(facts.group),
        "mappings": [mapping._asdict() for mapping in facts.mappings],
        "environment": None if environment is None else list(environment),
    }


def _memory(memory: MemoryFigures) -> dict[str, Any]:
    return {
        "status_bytes": dict(memory.status),
        "status_at_s": round(memory.status_at, 3),
        "rollup_bytes": _copied(memory.rollup),
        "rollup_at_s": None if memory.rollup_at is None else round(memory.rollup_at, 3),
    }


def _copied(figures: Mapping[str, int] | None) -> dict[str, int] | None:
    return None if figures is None else dict(figures)


def _group(group: MemoryGroup) -> dict[str, Any]:
    return {
        "path": group.path,
        "version": group.version,
        "limits_bytes": dict(group.limits),
        "figures": dict(group.figures),
    }
