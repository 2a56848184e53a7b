"""One traced address space: a process as one program, its slot, its probes, its names."""

import functools
import logging
import time
from collections.abc import Sequence
from dataclasses import replace

from ebpftrace.drain.space import Space
from ebpftrace.errors import CannotAttach, HostRefuses, TargetGone
from ebpftrace.host import status
from ebpftrace.kernel.attach import Attachment
from ebpftrace.kernel.backends import Backend
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.kernel.windowed import WindowProbes
from ebpftrace.model.ids import Slot, Tid
from ebpftrace.model.picture import Target
from ebpftrace.probes.definitions import find
from ebpftrace.probes.plan import Plan, Probe, plan
from ebpftrace.probes.pool_places import defines
from ebpftrace.probes.pools import Pools
from ebpftrace.probes.ranges import Range
from ebpftrace.session.ending import Ending
from ebpftrace.session.forks import Forks
from ebpftrace.session.sources import Tree
from ebpftrace.symbols.line_frames import LineFrames
from ebpftrace.symbols.lines import Lines
from ebpftrace.symbols.perfmap import PerfMap
from ebpftrace.symbols.symbolizer import Symbolizer
from ebpftrace.target.loader import loader_of
from ebpftrace.target.modules import Module, open_modules
from ebpftrace.target.process import Process
from ebpftrace.target.relatives import shares_memory_with
from ebpftrace.target.root import TargetRoot
from ebpftrace.target.space import AddressSpace

log = logging.getLogger(__name__)

ANEW = "anew"
"""It has ended for this watch only: the next one attaches to it again."""
_MOST_NOTES = 50
_NO_POOLS = Pools()


class Traced:
    """Built in two steps, so that planning can run while the programs compile."""

    def __init__(
        self,
        process: Process,
        pools: Pools = _NO_POOLS,
        *,
        held: bool = False,
        since: float | None = None,
        only_mappings: bool = False,
    ) -> None:
        """Read maps and symbols and plan the probes. CannotAttach where there is nothing to.

        `held`: whatever else it executes is to be stopped for us. `since`: when what it runs began, by
        the monotonic clock, if that was while the watch went on. `only_mappings`: as in `plan`, for who
        watches its page faults.
        """
        self.process = process
        self._held = held
        self._pools = pools
        self.only_mappings = only_mappings
        self._since = since
        self.missed_s: float | None = None
        """From then to when its probes counted."""
        self.number = 0
        self.swept = False
        """Has it ended, and is nothing of it left in the kernel?"""
        modules = open_modules(process)
        self.space = AddressSpace(process, modules)
        try:
            self.plan: Plan = plan(process, modules, pools=pools, only_mappings=only_mappings)
        except BaseException as error:
            self.space.close()
            if isinstance(error, CannotAttach):
                process.check()  # of one that has ended nothing is as in the files
            raise
        self.loader = loader_of(process, modules)
        """What tells of libraries that come and go, if its probe can be placed."""
        self._root = TargetRoot.open(process)
        self._perf_map = None if self._root is None else PerfMap.of(process, self._root)
        self._symbolizer = Symbolizer(self.space, perf_map=self._perf_map)
        self._users = status.of(process.pid).uids
        self._first_rss = process.rss_bytes()
        self._last_rss = self._first_rss
        self.slot = Slot(0)
        self.sampled = False
        """Are births only recorded in windows?"""
        self.attachment: Attachment | None = None
        self.forks = Forks()
        self.ending = Ending(process)
        self.ended: str | None = None
        self.ended_by: str | None = None
        self.backend: Backend | None = None
        self.blind_s = 0.0
        self.blind_since: int | None = None
        """Monotonic, ns: its probes ended then, before it, and nobody could place others any more."""

    def attach(self, tracer: Tracer, slot: Slot) -> None:
        """Place the probes, all or none, and let them count. CannotAttach, TargetGone."""
        self.slot = slot
        layered, pools = self.plan.layered, self.plan.has_pools
        tracer.prepare_slot(slot, self._code(), layered=layered, pools=pools)
        self._tell_mappings(tracer)
        made = self._place(tracer, self._fitting(tracer.backend), second=False)
        try:
            self.process.check()  # the pid was ours the whole time
        except CannotAttach:
            made.close()
            raise
        tracer.watch(self.process.pid, slot, held=self._held)
        self._count_by(tracer, made)
        if self._held:
            self.missed_s = 0.0
        elif self._since is not None:
            self.missed_s = max(0.0, time.monotonic() - self._since)
        self.grows_from_here()

    def again(self, *, only_mappings: bool) -> "Traced":
        """The same program, planned anew, for a watch that begins now. CannotAttach, TargetGone."""
        process = Process.open(self.process.pid)
        try:
            self.process.check()  # so it is the same
            return Traced(process, self._pools, since=self._since, only_mappings=only_mappings)
        except BaseException:
            process.close()
            raise

    @property
    def came(self) -> bool:
        """Did it come while the watch went on?"""
        return self._since is not None

    def _code(self) -> tuple[Range, ...]:
        # One that is held is watched from its first allocation on.
        loaded = self.space.loaded
        return self.plan.libraries(loaded) if self._held else self.plan.code_ranges(loaded)

    def _tell_mappings(self, tracer: Tracer) -> None:
        tracer.tell_mappings(self.slot, self.plan.whose, self.plan.libraries(self.space.loaded))

    def extend(self, tracer: Tracer, modules: Sequence[Module]) -> tuple[Probe, ...]:
        """Place probes in `modules`, mapped since the plan was made, beside those that are there.

        And where functions are that the plan could not decide.

        Returns them; () where there is nothing to probe. All or none: CannotAttach, TargetGone.
        """
        made = self.attachment
        if self.only_mappings:  # whose functions are in the C library
            return ()
        if made is None or not (self.plan.undecided or any(map(self._gives, modules))):
            return ()
        try:
            whole = plan(self.process, self.space.loaded, pools=self._pools)
        except CannotAttach:  # all of it was unmapped, or the process is ending
            return ()
        new = whole.beside(self.plan)
        if new.probes:
            thread, backend = made.thread, made.backend
            staying = self._staying(new.probes, backend)
            more = tracer.attach(
                staying, self.slot, self.process.pid, thread, backend, second=made.second
            )
            made.take_in(more)
        self.plan = self.plan.extended(new)
        return new.probes

    def _staying(self, probes: Sequence[Probe], backend: Backend) -> Sequence[Probe]:
        """What is in place all the time. Perf events come and go too slowly for windows."""
        if not self.sampled or backend == "perf":
            return probes
        return [probe for probe in probes if not probe.of_birth]

    def windowed(self, tracer: Tracer) -> WindowProbes | None:
        """The others, ready to be placed; None where there are none."""
        probes = [probe for probe in self.plan.probes if probe.of_birth]
        return self.ready(tracer, probes) if self.sampled else None

    def ready(self, tracer: Tracer, probes: Sequence[Probe]) -> WindowProbes | None:
        """These, ready to be placed; None where there are none, or links do not hold what is in place."""
        made = self.attachment
        if made is None or not self.by_links or not probes:
            return None
        return tracer.in_windows(probes, self.slot, self.process.pid, made)

    def deaths(self) -> list[Probe]:
        """Where blocks are freed, whatever is probed; none where no probe can be placed."""
        if not self.plan.probes:
            return []
        try:
            whole = plan(self.process, self.space.loaded, pools=self._pools)
        except CannotAttach:
            return []
        return [probe for probe in whole.probes if probe.of_death]

    def _gives(self, module: Module) -> bool:
        return bool(find(module)) or (bool(self._pools) and defines(module, self._pools))

    def note(self, sentence: str) -> None:
        """Say this of it, too, beside what its plan says; at most 50 of them."""
        if len(self.plan.notes) < _MOST_NOTES:
            self.plan = replace(self.plan, notes=(*self.plan.notes, sentence))

    def leave_out_probes(self, sentence: str) -> None:
        """Place none, and say why."""
        self.plan = replace(self.plan, probes=(), notes=(*self.plan.notes, sentence))
        self.loader = None

    def code_moved(self, tracer: Tracer) -> None:
        """Libraries have come or gone: allocator code is elsewhere."""
        if self.ended is None and self.slot:
            layered, pools = self.plan.layered, self.plan.has_pools
            tracer.code_is_at(self.slot, self._code(), layered=layered, pools=pools)
            self._tell_mappings(tracer)

    def grows_from_here(self) -> None:
        """Once allocations count: what came while the probes were made and placed is no growth of theirs."""
        rss = self.process.rss_bytes()
        if rss is not None:
            self._first_rss = self._last_rss = rss

    def _fitting(self, best: Backend) -> Backend:
        """Links are held through the leader, and do not see children that share the memory."""
        if int(self.process.anchor()) != self.process.pid or shares_memory_with(self.process) != []:
            return "perf"  # or the kernel does not say whether there are any
        return best

    def move(self, tracer: Tracer, backend: Backend) -> Attachment | None:
        """Hold the probes in another way, or by another thread.

        Returns the old attachment, which the caller removes. TargetGone where no thread is left.
        """
        old = self.attachment
        if old is None:
            return None
        self._count_by(tracer, self._place(tracer, backend, second=not old.second))
        if old.thread not in (self.process.pid, self.thread):
            tracer.unwatch(old.thread)  # the pid stays watched: its exec is told by that number
        return old

    def _place(self, tracer: Tracer, backend: Backend, *, second: bool) -> Attachment:
        thread = self.process.anchor()
        place = functools.partial(
            tracer.attach,
            self._staying(self.plan.probes, backend),
            self.slot,
            self.process.pid,
            thread,
            backend,
            second=second,
        )
        if self.loader is None:
            return place()
        try:
            return place(loader=self.loader)
        except (TargetGone, HostRefuses):
            raise
        except CannotAttach as error:
            log.info("pid %d: not with the loader: %s", self.process.pid, error)
            made, self.loader = place(), None
            return made

    def _count_by(self, tracer: Tracer, made: Attachment) -> None:
        tracer.watch(made.thread, self.slot, held=self._held)
        tracer.count_by(self.slot, made)
        self.attachment, self.backend = made, made.backend

    @property
    def thread(self) -> Tid | None:
        """The thread whose end takes the probes along."""
        return self.attachment.thread if self.attachment else None

    @property
    def by_links(self) -> bool:
        """Are the probes held by links, which children keep and which end with the leader?"""
        return self.attachment is not None and self.attachment.backend != "perf"

    def end(self, tracer: Tracer, how: str) -> None:
        """Stop counting; keep the last figures and the names."""
        if self.ended is None:
            self.ended = how
            self.ended_by = self.ending.words() if how == "exited" else None
            self.space.freeze()
            if how == "exec" and self._perf_map is not None:
                self._perf_map.freeze()
            tracer.retire_slot(self.slot)
            if how in ("exec", ANEW) and tracer.follows:
                # What it forks off until it is traced again.
                tracer.watch(self.process.pid, Slot(0))
            else:
                tracer.unwatch(self.process.pid)

    def take_attachment(self) -> Attachment | None:
        """The probes, which the caller removes."""
        attachment, self.attachment = self.attachment, None
        return attachment

    def close(self) -> None:
        """Remove the probes and give up every descriptor."""
        if self.attachment is not None:
            self.attachment.close()
        self.space.close()
        if self._perf_map is not None:
            self._perf_map.close()
        if self._root is not None:
            self._root.close()
        self.process.close()

    def anchor_ended(self) -> bool:
        """Has the thread that holds the probes ended while the process lives on?"""
        if self.attachment is None or self.process.ended():
            return False
        return not self.process.has_thread(self.attachment.thread)

    def drawn_as(self, number: int, lines: Lines | None) -> Space:
        """As views see it; its names are still right when the process has ended."""
        frames, pid = self._symbolizer.frames, self.process.pid
        if lines is None:
            return Space(number, pid, frames)
        refining = LineFrames(self._symbolizer, self.space, lines, self._root, self._users)
        return Space(number, pid, frames, refining.refined, refining.arrived)

    def tree(self) -> Tree | None:
        """Where its sources are; None where it had ended, or could not be looked at."""
        return None if self._root is None else Tree(self._root, self._users)

    def as_target(self) -> Target:
        """How it stands now."""
        rss = None
        if self.ended is None:
            rss = self.process.rss_bytes()
            self.ending.look()
        self._last_rss = rss if rss is not None else self._last_rss
        grown = None
        if self._last_rss is not None and self._first_rss is not None:
            grown = self._last_rss - self._first_rss
        return Target(
            pid=self.process.pid,
            comm=self.process.comm,
            exe=self.process.exe,
            slot=self.slot,
            allocators=self.plan.families,
            rss_bytes=self._last_rss,
            rss_growth_bytes=grown,
            ended=self.ended,
            backend=self.backend,
            blind_s=self.blind_s,
            ended_by=self.ended_by,
            missed_s=self.missed_s,
        )
