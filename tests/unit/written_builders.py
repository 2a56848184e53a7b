"""Snapshots that default everything but the point of a test, and what is done with their bytes."""

from datetime import datetime, timezone
from typing import Any

import msgpack

from ebpftrace.model.ids import Address, Pid, Slot
from ebpftrace.model.picture import Cohort, Point
from ebpftrace.model.snapshot import (
    BlockColumns,
    Host,
    Limit,
    MappedRange,
    MemoryFigures,
    MemoryGroup,
    ProcessFacts,
    Snapshot,
    Trigger,
)
from ebpftrace.snapshot.framing import checksum
from ebpftrace.snapshot.writing import pieces
from tests.unit.builders import counts, frame, picture, site, target

STARTED = datetime(2026, 11, 20, 11, 0, 0, 5, tzinfo=timezone.utc)


def snapshot(*sites: Any, **given: Any) -> Snapshot:
    values: dict[str, Any] = {
        "picture": picture(*(sites or (site("f"), site("g")))),
        "trigger": Trigger("interval", "A minute has passed."),
        "watch": "ab" * 16,
        "tool": "ebpftrace 0.1.0",
    }
    return Snapshot(**{**values, **given})


def mapping(**given: Any) -> MappedRange:
    values: dict[str, Any] = {
        "start": Address(0x7F0000000000),
        "end": Address(0x7F0000010000),
        "perms": "r-xp",
        "offset": 4096,
        "path": "/srv/app",
        "build_id": "ab12",
    }
    return MappedRange(**{**values, **given})


def process(**given: Any) -> ProcessFacts:
    values: dict[str, Any] = {
        "pid": Pid(42),
        "slot": Slot(1),
        "command_line": ("app", "--serve"),
        "started": STARTED,
        "parent": Pid(1),
        "users": (1000, 1000, 1000, 1000),
        "limits": {"Max open files": Limit(1024, None)},
        "memory": MemoryFigures({"VmRSS": 4096}, 3.5, {"Pss": 2048}, 1.5),
        "group": MemoryGroup("/app.service", 2, {"memory.max": None}, {"memory.current": 7}),
        "mappings": (mapping(), mapping(path="", build_id=None)),
        "environment": ("A=b",),
    }
    return ProcessFacts(**{**values, **given})


def full() -> Snapshot:
    """One that has everything."""
    cohorts = (Cohort(0, 1, 60), Cohort(5, 2, 40, 8))
    sites = (
        site("f", id="1-00000000000000ab", stack=0xAB, cohorts=cohorts, growth=-1.5),
        site("g", frames=(frame("g", line=3, column=1, source="x = malloc(8);"), frame("main"))),
        site("h", frames=(), family=None, allocator=None, guessed=True, oldest_at=None),
        site("i", counts=counts(7, 700, 3), growth=None, end="outermost"),
    )
    return snapshot(
        picture=picture(*sites, targets=(target(ended="exited", ended_by="SIGKILL"),)),
        host=Host("h", "6.1.0", "x86_64", "Debian 12", "b-1", 2, 4096, 1 << 33, None),
        processes=(process(), process(pid=Pid(43), memory=None, group=None, environment=None)),
        history=(Point(1.0, 10, None), Point(2.0, 20, 4096)),
        blocks=lambda: iter([block_columns([0, 1, -1]), block_columns([1])]),
        notes=("The environment was not asked for.",),
    )


def block_columns(sites: list[int]) -> BlockColumns:
    return BlockColumns(
        sites,
        [0x7F0000000010 + 16 * n for n in range(len(sites))],
        [24] * len(sites),
        [10**9 + n for n in range(len(sites))],
        [42] * len(sites),
    )


def blocks_of(given: Snapshot) -> list[BlockColumns]:
    assert given.blocks is not None
    return list(given.blocks())


def packed(given: Snapshot) -> bytes:
    return b"".join(pieces(given))


def parts(data: bytes) -> list[Any]:
    """The head and the sections of a file."""
    unpacker = msgpack.Unpacker(max_buffer_size=1 << 30)
    unpacker.feed(data)
    return list(unpacker)


def forged(name: str, size: int, frame: bytes) -> bytes:
    """A section whose checksum is right."""
    made: bytes = msgpack.packb([name, size, checksum(name, size, frame), frame])
    return made
