"""The immutable picture that every view takes: what is outstanding, where, and what was lost.

Bytes are what the target asked for, not what its allocator used. Counters are since attach and never
go back. A value that is not known is None, never 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import Address, Pid, Slot, StackId, Tid
from ebpftrace.model.losses import Losses
from ebpftrace.model.modes import ModeChange

MAPPINGS = "mmap"
"""The family of what a program maps for itself."""
_CUT = ("stack_cut", "stack_unreadable", "stacks_full")


class Counts(NamedTuple):
    """Blocks and bytes by what happened to them.

    `adopted` are blocks from before the attach that were seen for the first time in a realloc.
    """

    allocated_blocks: int = 0
    allocated_bytes: int = 0
    freed_blocks: int = 0
    freed_bytes: int = 0
    adopted_blocks: int = 0
    adopted_bytes: int = 0

    @property
    def blocks(self) -> int:
        """Outstanding blocks."""
        return self.allocated_blocks + self.adopted_blocks - self.freed_blocks

    @property
    def bytes(self) -> int:
        """Outstanding bytes."""
        return self.allocated_bytes + self.adopted_bytes - self.freed_bytes

    def without(self, others: "Counts") -> "Counts":
        """What is left without the `others`, which are part of it."""
        return Counts(*(one - other for one, other in zip(self, others, strict=True)))


class CallSite(NamedTuple):
    """Where allocations come from: a stack, the allocator function it ended in, an address space.

    `frames` run from the allocation outward; empty, as `family` and `allocator` are None, until the
    stack has come. `complete`: they reach the start of the thread. `guessed`: a frame on the way is
    of code without unwind information, found by the frame pointer that it may have. `end` says why
    they end there: outermost, no_rule, unsupported, unreadable, truncated.
    """

    id: str
    slot: Slot
    stack: StackId
    pid: Pid
    family: str | None
    allocator: str | None
    complete: bool
    guessed: bool | None
    frames: tuple[Frame, ...]
    end: str | None = None


class Stacks(NamedTuple):
    """How the stacks of all `allocations` (and adoptions) that were seen were walked, in numbers of them.

    `whole` ones lead to the start of their thread, and rest on no guess. `depth` frames are followed
    at most.
    """

    depth: int
    allocations: int
    whole: int
    guessed: int
    truncated: int
    cut: int


class Naming(NamedTuple):
    """How far the look-up of files and lines is.

    `wanted` places in the code are, or were, to be looked up; `pending` of them still are. `notes`
    say in sentences what keeps some without.
    """

    wanted: int = 0
    pending: int = 0
    notes: tuple[str, ...] = ()


_NOTHING_NAMED = Naming()


class Cohort(NamedTuple):
    """The outstanding blocks of those that were born in one epoch (`model.epochs`).

    `adopted_bytes` are of all blocks that were adopted in it, also of those that were freed since.
    """

    epoch: int
    blocks: int
    bytes: int
    adopted_bytes: int = 0


class Site(NamedTuple):
    """A call site and what became of its allocations so far.

    `oldest_at` is the start, in seconds since attach, of the epoch in which the oldest outstanding
    block was born. `growth` is in bytes per second over the last five to ten seconds, adopted
    blocks left out. `cohorts` are those that hold something, by epoch. `error`, where births were only
    seen in windows and all numbers are estimates: half of an interval of 95 % around the bytes held; else None.
    """

    at: CallSite
    counts: Counts
    oldest_at: float | None
    growth: float | None
    cohorts: tuple[Cohort, ...] = ()
    error: float | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """One traced address space.

    `ended` says how, once it has: exited, exec (another program took its place), lost (it lives,
    but its probes could not be kept). `ended_by` says by what, of one that exited: `status 0`,
    `SIGSEGV`, `SIGKILL, out of memory`. `backend` is how the kernel holds the probes: session,
    multi, perf. `blind_s` is how long no probe was in place because the thread that held them had
    ended. `missed_s`: for how long it ran before its probes counted, of one that came while the watch
    went on; None of one that ran before. `programs`: it stands for so many that ended long ago, without
    what they do not have in common.
    """

    pid: Pid
    comm: str
    exe: str
    slot: Slot
    allocators: tuple[str, ...]
    rss_bytes: int | None
    rss_growth_bytes: int | None
    ended: str | None = None
    backend: str | None = None
    blind_s: float = 0.0
    ended_by: str | None = None
    missed_s: float | None = None
    programs: int = 1

    @property
    def folded(self) -> bool:
        """Does it stand for programs that ended long ago?"""
        return not (self.pid or self.slot)

    @property
    def alive(self) -> bool:
        """Does it still run, as the program that was attached to?"""
        return self.ended is None


@dataclass(frozen=True, slots=True)
class Cost:
    """What watching costs. Percentages are of one processor; memory is in bytes.

    `slowed_to_s`: seconds from one picture to the next, where those that were asked for would cost the
    tool more than it may; else None. `forecast_percent`: what each level of watching would cost the targets.
    """

    hits_per_s: float | None = None
    target_cpu_percent: float | None = None
    tool_cpu_percent: float | None = None
    tool_rss_bytes: int | None = None
    kernel_bytes: int | None = None
    map_fill_percent: Mapping[str, float] = field(default_factory=dict)
    slowed_to_s: float | None = None
    forecast_percent: Mapping[str, float] = field(default_factory=dict)


class Drain(NamedTuple):
    """Allocations are not recorded since `since_s` (since attach; None: they are again), which makes
    `unrecorded_s` in all.
    """

    since_s: float | None
    unrecorded_s: float


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything known at one moment. `filters` are the kernel-side ones, in words, as is what the watch
    is `waiting_for`.

    `mapped` is the part of the totals that the program has mapped for itself (family mmap); None where
    that was not watched. In mode growth it is no part of them: they are what was touched of it, and of all else.

    From one picture to the next, sites keep their order and new ones come last. One that became part
    of another is left out.
    """

    time: datetime
    since_attach_s: float
    targets: tuple[Target, ...]
    totals: Counts
    growth: float | None
    sites: tuple[Site, ...]
    losses: Losses
    cost: Cost
    mode: str = "full"
    final: bool = False
    filters: tuple[str, ...] = ()
    stack_depth: int = 127
    naming: Naming = _NOTHING_NAMED
    mapped: Counts | None = None
    waiting_for: tuple[str, ...] = ()
    drain: Drain | None = None
    error: float | None = None
    """Of the bytes held in all, as of a site."""
    scale: int = 1
    """In the mode `sample`, how many births one that is recorded stands for."""
    unseen: int = 0
    """Allocations and adoptions in the totals for which others stand."""
    mode_changes: tuple[ModeChange, ...] = ()
    """Since attach, the last hundred."""
    watch: str = ""
    """What tells the pictures of this watch from others'; empty where who keeps them knows it."""

    def is_apart(self, site: Site) -> bool:
        """Is it no part of the totals? In mode growth mappings are not: what is touched of them is counted."""
        return self.mode == "growth" and site.at.family == MAPPINGS

    def apart(self) -> frozenset[int]:
        """Indexes of such sites."""
        if self.mode != "growth":
            return frozenset()
        return frozenset(at for at, site in enumerate(self.sites) if self.is_apart(site))

    def counted(self) -> Sequence[Site]:
        """The sites that are part of the totals."""
        if self.mode != "growth":
            return self.sites
        return [site for site in self.sites if not self.is_apart(site)]

    @property
    def heap(self) -> Counts:
        """The totals without mappings: what allocators gave."""
        if self.mapped is None or self.mode == "growth":
            return self.totals
        return self.totals.without(self.mapped)

    @property
    def stacks(self) -> Stacks:
        """How whole the stacks are; those that were not kept at all count as cut."""
        guessed, truncated = (
            self.losses[name] or 0 for name in ("stack_guessed", "stack_truncated")
        )
        cut = sum(self.losses[name] or 0 for name in _CUT)
        allocations = self.totals.allocated_blocks + self.totals.adopted_blocks - self.unseen
        whole = max(0, allocations - guessed - truncated - cut)
        return Stacks(self.stack_depth, allocations, whole, guessed, truncated, cut)


class Point(NamedTuple):
    """`at` in seconds since attach. `tracked`: outstanding bytes.

    `resident`: of all targets of which it is known, in bytes; None if of none.
    """

    at: float
    tracked: int
    resident: int | None


class Block(NamedTuple):
    """One outstanding allocation; `age_s` survives a realloc."""

    address: Address
    size: int
    age_s: float
    thread: Tid


class SizeClass(NamedTuple):
    """Outstanding blocks of `floor` bytes, a power of two or 0, up to twice that."""

    floor: int
    blocks: int
    bytes: int


class SiteBlocks(NamedTuple):
    """The outstanding blocks of one site at the moment that they were read.

    `sizes` ascend and leave out what is empty; `last` are the youngest, the youngest first.
    """

    blocks: int
    bytes: int
    sizes: tuple[SizeClass, ...]
    last: tuple[Block, ...]


class SourceLines(NamedTuple):
    """Part of a source file: `lines` from number `first` on, clean, with their indentation.

    `here` is a path by which this tool's user opens the same file; None where there is none, as for a
    file in a container.
    """

    path: str
    first: int
    lines: tuple[str, ...]
    here: str | None = None
