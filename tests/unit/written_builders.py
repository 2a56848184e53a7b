"""Snapshots of which all that is written matters, and what is done with their bytes."""

from datetime import datetime, timezone
from typing import Any

import msgpack

from ebpftrace.model.ids import Address, Pid
from ebpftrace.model.picture import Cohort, Point
from ebpftrace.model.snapshot import BlockColumns, MappedRange, ProcessFacts, Snapshot
from ebpftrace.snapshot.format.framing import checksum
from ebpftrace.snapshot.format.writing import pieces
from tests.unit import snapshot_builders as builders
from tests.unit.builders import counts, frame, picture, site, target
from tests.unit.snapshot_builders import facts, group, host, memory


def snapshot(*sites: Any, **given: Any) -> Snapshot:
    """As little of it as there may be."""
    shown = given.pop("picture", None) or picture(*(sites or (site("f"), site("g"))))
    return builders.snapshot(shown, **{"host": None, "processes": (), **given})


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
    """With everything."""
    values: dict[str, Any] = {
        "started": datetime(2026, 11, 20, 11, 0, 0, 5, tzinfo=timezone.utc),
        "users": (1000, 1000, 1000, 1000),
        "memory": memory(rollup={"Pss": 2048}, rollup_at=1.5),
        "group": group(limits={"memory.max": None}),
        "mappings": (mapping(), mapping(path="", build_id=None)),
        "environment": ("A=b",),
    }
    return facts(**{**values, **given})


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
        host=host(boot="b-1", available_bytes=None),
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
