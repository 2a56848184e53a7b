"""Processes that come while a watch goes on: the children of what is traced, and what is wanted by name or group.

Owns which of them are to be attached to, and since when they ran. On the poller's thread.
"""

import logging
import time
from collections.abc import Callable, Sequence

from ebpftrace import kerneltime
from ebpftrace.errors import CannotAttach, TargetGone
from ebpftrace.kernel import layout
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.model.ids import Pid
from ebpftrace.session.arrivals import GRACE_S, Arrival, Arrivals
from ebpftrace.session.events import Life, Program, Told
from ebpftrace.session.finding import Finder
from ebpftrace.session.forks import CLONE_VM
from ebpftrace.session.roster import Roster
from ebpftrace.session.wanted import Wanted
from ebpftrace.target.glimpse import Glimpse, since_boot_s

log = logging.getLogger(__name__)

_FULL_S = 60.0


class Newcomers:
    """True as long as one may still come."""

    def __init__(
        self,
        wanted: Wanted,
        tracer: Tracer,
    ) -> None:
        """Made before anything is attached to."""
        self._wanted = wanted
        self._finder = Finder(wanted) if wanted else None
        self._arrivals = Arrivals(self._arrive)
        self._said_full = float("-inf")
        tracer.follows = wanted.follow
        if wanted:
            tracer.switches.tell_execs()
        if wanted.follow and not tracer.knows_children:
            log.warning(
                "This kernel has no types (CONFIG_DEBUG_INFO_BTF): which children are forked off is not "
                "known, and --follow does nothing."
            )

    def now_of(self, roster: Roster, attach: Callable[[Pid, float], None]) -> None:
        """A watch begins. `attach` to what a process runs now, which it has been since then (monotonic);
        CannotAttach.
        """
        self._roster = roster
        self._attach = attach

    def __bool__(self) -> bool:
        return bool(self._wanted or self._arrivals)

    @property
    def missed(self) -> int:
        """Processes that ended before they could be attached to."""
        return self._arrivals.missed

    def waiting_for(self) -> tuple[str, ...]:
        """In words, what is wanted and does not run."""
        if not self._wanted:
            return ()
        living = [traced.process for traced in self._roster.living()]
        return tuple(self._wanted.missing([(one.pid, one.comm, one.exe) for one in living]))

    def were_refused(self, failures: Sequence[CannotAttach], warn: Callable[[str], None]) -> None:
        """What could not be attached to at the start. CannotAttach where nothing is traced or waited for."""
        if failures and not (self._roster.traced or self._wanted):
            raise failures[0]
        for failure in failures:
            # Of a server that replaces its workers just now nobody asked for each of them.
            if not (self._wanted and isinstance(failure, TargetGone)):
                warn(str(failure))
                self._arrivals.know(str(failure))

    def take(self, told: Told) -> None:
        """What the kernel has told since the last time: one that was forked off may have run a program and ended."""
        for fork in told.forks:
            self._forked(fork)
        for program in told.programs:
            if program.kind == layout.EVENT_EXEC and not (program.slot or program.held):
                self._exec(program)
        for life in told.lives:
            if life.kind == layout.EVENT_THREAD_EXIT and not life.slot:
                self._arrivals.ended(Pid(life.thread))

    def _forked(self, life: Life) -> None:
        """What is watched has forked off a child, which may not be known."""
        child, began = Pid(life.thread), kerneltime.ours_s(life.moment)
        shares = bool(life.called & CLONE_VM)  # as long as it does its blocks are its parent's
        if child and self._wanted.follow:
            arrival = Arrival(child, began, began)
            self._arrivals.add(arrival, in_s=None if shares else GRACE_S)
        elif child and not shares and self._is_wanted(life.slot):
            self._arrivals.add(Arrival(child, began, began, checked=False), in_s=GRACE_S)

    def _exec(self, program: Program) -> None:
        """A process that is not traced runs another program."""
        pid, since = Pid(program.process), kerneltime.ours_s(program.moment)
        if self._arrivals.exec(pid, since) or self._finder is None:
            return
        seen = self._finder.met(pid)
        if seen is not None:
            self._arrivals.add(Arrival(pid, _began(seen), since))

    def replaced(self, pid: Pid, moment_ns: int | None) -> None:
        """What is traced runs another program."""
        since = time.monotonic() if moment_ns is None else kerneltime.ours_s(moment_ns)
        self._arrivals.add(Arrival(pid, since, since))

    def tick(self) -> None:
        """Look for others, and attach to those whose turn it is."""
        for seen in self._finder.look() if self._finder is not None else ():
            if seen.pid not in self._arrivals and not self._roster.runs(seen.pid):
                began = _began(seen)
                self._arrivals.add(Arrival(seen.pid, began, began))
        if not self._roster.is_full:
            self._arrivals.tick()
        elif self._arrivals and time.monotonic() >= self._said_full + _FULL_S:
            self._said_full = time.monotonic()
            log.warning("As many programs are traced as can be at once; further ones wait.")

    def due_in(self) -> float:
        """Seconds until `tick` may have something to attach to, if nothing comes."""
        return float("inf") if self._roster.is_full else self._arrivals.due_in()

    def _is_wanted(self, slot: int) -> bool:
        """Is what lives in that slot, whatever else was a reason to trace it?"""
        finder = self._finder
        if finder is None:
            return False
        return any(finder.met(each.process.pid) is not None for each in self._roster.at(slot))

    def _arrive(self, arrival: Arrival) -> None:
        if self._roster.runs(arrival.pid):
            return
        if not arrival.checked and self._finder is not None:
            if self._finder.has_ended(arrival.pid):
                if arrival.fresh > arrival.since:  # who knows what it ran at last
                    return
                raise TargetGone(f"Process {arrival.pid} has ended.")
            if self._finder.met(arrival.pid) is None:
                return
        self._attach(arrival.pid, arrival.since)


def _began(seen: Glimpse) -> float:
    """By the monotonic clock."""
    return time.monotonic() - max(0.0, since_boot_s() - seen.started_s)
