"""What the capture can be told; what only the views need is not here."""

from dataclasses import dataclass

from ebpftrace.kernel.backends import Backend
from ebpftrace.model import modes
from ebpftrace.probes.pools import Pools
from ebpftrace.session.wanted import Wanted

_NOTHING_ELSE = Wanted()
_NO_POOLS = Pools()


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """Times in seconds, sizes in bytes, `stack_depth` in frames; None: chosen for this host."""

    interval: float = 1.0
    mode: modes.Wanted = "full"
    budget_percent: float | None = None
    """Of one processor, that may be added to the targets; None: no limit."""
    dashboard: bool = False
    """Does somebody look at every picture? Then they may cost more."""
    first_interval: float | None = None
    """From the picture at the moment of arming to the next one; None: as all others."""
    stack_depth: int = 127
    max_blocks: int | None = None
    max_stacks: int | None = None
    min_size: int = 0
    max_size: int | None = None
    backend: Backend | None = None
    """How the probes are held; None: the best way that this host has."""
    dwarf: bool = True
    """Are files, lines and inlined functions looked up in debug information?"""
    debuginfod: bool = False
    """May debug files that are missing be fetched from the servers of DEBUGINFOD_URLS?"""
    facts: bool = False
    """Are the facts of the processes read before each picture, so that the last ones are kept?"""
    environment: bool = False
    """And their environment, which often holds secrets?"""
    wanted: Wanted = _NOTHING_ELSE
    """What is watched beside the processes that are given."""
    pools: Pools = _NO_POOLS
    """Functions that give and take blocks, as the user named them."""
    trace_log: bool = False
    """Is every single call sent, for `session.tracing`?"""
    drain_after: float | None = None
    """Seconds since attach from which on allocations are not recorded any more."""

    @property
    def may_watch_faults(self) -> bool:
        """Is growth what is watched, or may it come to that? Not where the user asks about blocks."""
        of_blocks = self.pools or self.min_size or self.max_size is not None or self.trace_log
        if of_blocks or self.drain_after is not None:
            return False
        return self.mode in ("growth", "auto")

    def filters(self) -> tuple[str, ...]:
        """The filters that act in the kernel, as the header names them."""
        named = []
        if self.min_size:
            named.append(f"--min-size {self.min_size}")
        if self.max_size is not None:
            named.append(f"--max-size {self.max_size}")
        return tuple(named)
