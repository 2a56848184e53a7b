"""Keeping the probes of every target in place and harmless while it lives.

Runs on the poller's thread. Probes are held through one thread, or by links through the leader: when
that one ends they are placed anew. Children that are forked off are freed of breakpoints.
"""

import logging
import time
from collections.abc import Iterable

from ebpftrace import kerneltime
from ebpftrace.errors import CannotAttach, TargetGone
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.session.forks import CLONE_VM
from ebpftrace.session.removals import Removals
from ebpftrace.session.traced import Traced
from ebpftrace.target.relatives import shares_memory_with

log = logging.getLogger(__name__)


class Upkeep:
    """`children` were forked off; `shared_children`: children that shared a target's memory while links did not see them.

    `blind_hits`: an estimate of the hits for which no probe was in place: the rate before, times
    the time.
    """

    def __init__(self, tracer: Tracer, removals: Removals) -> None:
        self._tracer = tracer
        self._removals = removals
        self._looked_ns = kerneltime.now_ns()
        self.children = self.shared_children = 0
        self.blind_hits = 0

    def thread_ended(self, traced: Traced, thread: int, ended_ns: int, hits_per_s: float) -> bool:
        """Go on by another thread where the probes ended with `thread`; False: they are lost."""
        if traced.ending.settled:
            if traced.blind_since is not None:
                self._was_blind(traced, traced.blind_since, ended_ns, hits_per_s)
                traced.blind_since = None
            return True
        if traced.thread != thread:
            return True
        before = traced.attachment
        if not traced.process.ended() and not self._by_perf(traced):
            return False
        if traced.attachment is before:  # it has ended meanwhile: other threads went on for a while
            if self._tracer.knows_ends:  # else it may have been the last one
                traced.blind_since = ended_ns
            return True
        if traced.thread == thread:  # another program's first one, by an exec
            return True
        self._was_blind(traced, ended_ns, kerneltime.now_ns(), hits_per_s)
        return True

    def _was_blind(self, traced: Traced, since_ns: int, until_ns: int, hits_per_s: float) -> None:
        blind = max(0, until_ns - since_ns) / 1e9
        traced.blind_s += blind
        self.blind_hits += max(1, round(blind * hits_per_s))
        log.info("pid %d: without probes for %.4f s", traced.process.pid, blind)

    def look(self, living: Iterable[Traced], hits_per_s: float) -> list[Traced]:
        """What the tracepoint does not tell where we see other pids than the kernel; those whose probes are lost."""
        since, self._looked_ns = self._looked_ns, kerneltime.now_ns()
        return [
            traced
            for traced in living
            if traced.attachment is not None
            and traced.anchor_ended()
            and not self.thread_ended(traced, traced.attachment.thread, since, hits_per_s)
        ]

    def forked(self, traced: Traced, flags: int) -> None:
        """A child has come, by clone with these flags."""
        self.children += 1
        if traced.by_links:
            self.shared_children += bool(flags & CLONE_VM)
            traced.forks.forked(flags, time.monotonic())

    def tick(self, living: Iterable[Traced]) -> list[Traced]:
        """Do what is due; returns the targets whose probes were lost by it."""
        now = time.monotonic()
        lost = []
        for traced in living:
            try:
                if self._tend(traced, now):
                    lost.append(traced)
            except CannotAttach:  # it has ended, or the worker has: both are seen elsewhere
                log.debug("pid %d", traced.process.pid, exc_info=True)
        return lost

    def due_in(self, living: Iterable[Traced]) -> float:
        """Seconds until `tick` may have something to do, if no event comes."""
        now, least = time.monotonic(), float("inf")
        for traced in living:
            renewal = traced.attachment.renewal if traced.attachment else None
            if renewal is not None and not renewal.going_on:
                least = min(least, traced.forks.due_in(now))
        return least

    def _tend(self, traced: Traced, now: float) -> bool:
        """What forks have made due for one target; True if its probes were lost by it."""
        renewal = traced.attachment.renewal if traced.attachment else None
        if renewal is None:
            return False
        if traced.forks.look_due(now) and shares_memory_with(traced.process) != []:
            log.info("pid %d: a child shares its memory for good", traced.process.pid)
            return not self._by_perf(traced)
        took = renewal.over()
        if took is not None:
            traced.forks.renewed(took)
        if not renewal.going_on and traced.forks.renewal_due(now):
            renewal.begin()
        return False

    def _by_perf(self, traced: Traced) -> bool:
        """Hold the probes by perf events of a living thread from now on; False: they are lost."""
        try:
            old = traced.move(self._tracer, "perf")
        except TargetGone:
            log.debug("pid %d: ended with the thread of its probes", traced.process.pid)
            return True
        except CannotAttach as error:
            log.warning("pid %d is traced no longer: %s", traced.process.pid, error)
            return False
        self._removals.add(old)
        return True
