"""A picture with all that explains it later: without the process, its files, or the host.

What is not known is None. Texts of a target are clean (`text.clean`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from ebpftrace.model.ids import Address, Pid, Slot
from ebpftrace.model.picture import Picture, Point


class Trigger(NamedTuple):
    """Why a snapshot was taken: a word, which file names show, and a sentence.

    Words: start, interval, asked (a signal, a key), rss, tracked, pressure, high, oom, exec, end,
    final.
    """

    kind: str
    sentence: str


class MappedRange(NamedTuple):
    """One mapping, as /proc/PID/maps has it; `build_id` where its file is an ELF file with one."""

    start: Address
    end: Address
    perms: str
    offset: int
    path: str
    build_id: str | None = None


class Limit(NamedTuple):
    """A resource limit, in its own unit; None: unlimited."""

    soft: int | None
    hard: int | None


@dataclass(frozen=True, slots=True)
class MemoryGroup:
    """A process's memory control group. `path` as /proc/PID/cgroup has it, `version` 1 or 2.

    `limits` by the names of the group's files (memory.max), None for no limit; of each the smallest
    of the group and those above it. `figures`: memory.current, events, and what memory.stat says.
    """

    path: str
    version: int
    limits: Mapping[str, int | None]
    figures: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class MemoryFigures:
    """Bytes, by the names that the kernel gives them.

    `status`: the memory fields of /proc/PID/status (VmRSS, RssAnon, VmSwap); `rollup`: those of
    smaps_rollup, None where it was never read. The moments of reading are in seconds since attach:
    of a process that has ended they are the last before its end.
    """

    status: Mapping[str, int]
    status_at: float
    rollup: Mapping[str, int] | None = None
    rollup_at: float | None = None


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What a traced process was. `slot` is that of its target in the picture.

    `environment` is there only if it was asked for. `limits` by the names of /proc/PID/limits.
    """

    pid: Pid
    slot: Slot
    command_line: tuple[str, ...]
    started: datetime | None
    parent: Pid | None
    users: tuple[int, ...]
    limits: Mapping[str, Limit]
    memory: MemoryFigures | None
    group: MemoryGroup | None
    mappings: tuple[MappedRange, ...]
    environment: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Host:
    """Where it ran. Sizes in bytes; `boot` is the kernel's boot id."""

    name: str
    kernel: str
    machine: str
    distribution: str
    boot: str | None
    processors: int
    page_size: int
    memory_bytes: int | None
    available_bytes: int | None


class BlockColumns(NamedTuple):
    """Some of the outstanding blocks, in columns of one length.

    `site` is an index into the sites of the picture, -1 for a site that came after it. `born_ns` is
    since attach, and survives a realloc.
    """

    site: Sequence[int]
    address: Sequence[int]
    size: Sequence[int]
    born_ns: Sequence[int]
    thread: Sequence[int]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`watch` is one and the same for all snapshots between an attach and its end.

    `tool`: name and version of what took it. `history` ascends, in seconds since attach. `blocks`
    makes a new pass over single blocks with each call; where they were read from a running target
    they are some moments younger than the picture. None: they were not kept.
    """

    picture: Picture
    trigger: Trigger
    watch: str
    tool: str
    host: Host | None = None
    processes: tuple[ProcessFacts, ...] = ()
    history: tuple[Point, ...] = ()
    blocks: Callable[[], Iterator[BlockColumns]] | None = None
    notes: tuple[str, ...] = field(default=())
    """Sentences on what it does not hold."""
    file: str | None = field(default=None, compare=False)
    """Where it was read from; None where that is not one file that the user can be told."""
