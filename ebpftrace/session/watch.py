"""What a session does on the poller's thread: take events, keep every target attached to, draw pictures."""

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from uuid import uuid4

from ebpftrace import kerneltime
from ebpftrace.collector import settle
from ebpftrace.drain.blocks import BlockMap
from ebpftrace.drain.closing import EpochCloser
from ebpftrace.drain.drawing import Drawing
from ebpftrace.drain.sites import SiteBook
from ebpftrace.drain.stacks import StackBook
from ebpftrace.drain.sweep import Sweeper
from ebpftrace.errors import CannotAttach
from ebpftrace.kernel import layout
from ebpftrace.model.ids import Pid
from ebpftrace.model.modes import GROWTH
from ebpftrace.model.picture import Picture
from ebpftrace.session.assembly import Assembly
from ebpftrace.session.cost import CostMeter
from ebpftrace.session.draining import Draining
from ebpftrace.session.entering import Entering
from ebpftrace.session.events import Life, Program, Told
from ebpftrace.session.facts import Facts
from ebpftrace.session.glances import Glances
from ebpftrace.session.growing import Growing
from ebpftrace.session.kept import Kept
from ebpftrace.session.libraries import Libraries
from ebpftrace.session.mapped import MappedMemory
from ebpftrace.session.roster import Roster
from ebpftrace.session.sampling import Sampling
from ebpftrace.session.sources import Sources
from ebpftrace.session.traced import ANEW, Traced
from ebpftrace.session.tracing import Calls
from ebpftrace.session.unwinding import Unwinding
from ebpftrace.session.upkeep import Upkeep
from ebpftrace.target.launching import Launch
from ebpftrace.target.process import Process

log = logging.getLogger(__name__)

_PROGRAMS_END_S = 0.002  # some microseconds, unless they are preempted
_LISTEN_MS = 50


class Watch:
    """`attach_all` or `enter` on the thread that opens the session; then `listen`, `on_events`, `on_idle` and
    `draw` on the poller's. `roster`, `blocks`, `sources`, `facts`, `draining` and `calls` may be asked by others.
    """

    def __init__(self, kept: Kept, before: "Watch | None" = None) -> None:
        """`before`: the one that has ended for this one."""
        self.id = uuid4().hex
        """What tells its pictures and snapshots from others'."""
        tracer = self._tracer = kept.tracer
        self._options = options = kept.options
        self.modes = kept.modes
        self._of_growth = kept.modes.level == GROWTH
        self._lines = kept.lines
        self._removals = kept.removals
        self._book = SiteBook(tracer.cohorts)
        sweeper = Sweeper(tracer.blocks, self._book)
        self.roster: Roster = Roster(
            tracer, self._lines, self._removals, sweeper, before.roster if before else None
        )
        self.calls = Calls(tracer, self.roster.traced)
        spaces = self.roster.spaces
        stacks = StackBook()
        self._drawing = Drawing(self._book, stacks, spaces, options.pools.functions)
        self.draining = Draining(tracer, options.drain_after)
        self._growing = Growing(tracer, self._book, active=self._of_growth)
        self._mapped = MappedMemory(
            tracer,
            self._book,
            self.roster,
            stacks,
            self.draining.records,
            in_totals=not self._of_growth,
        )
        self._unwinding = Unwinding(tracer, self._book, stacks, spaces)
        self.blocks = BlockMap(tracer, self._book, spaces, self._mapped.intervals)
        self.facts = Facts(
            self._since_attach, always=options.facts, environment=options.environment
        )
        self.sources = Sources()
        self._cost = CostMeter(tracer, kept.polling, self._lines)
        self._upkeep = Upkeep(tracer, self._removals)
        self._newcomers = kept.newcomers
        self._newcomers.now_of(self.roster, self._attach_to)
        self._sampling = Sampling(tracer, self._book, self._removals, self._cost)
        self._glances = Glances(tracer, self._cost)
        self.modes.now_of(self._sampling, self._cost, self._glances, tracer.prices)
        self._closer = EpochCloser()
        self._assembly = Assembly(
            tracer,
            options,
            self._book,
            self._drawing,
            self._unwinding,
            self._upkeep,
            self._newcomers,
            self._cost,
            self._lines,
            mapped=self._mapped,
            growing=self._growing,
            draining=self.draining,
            modes=self.modes,
        )
        self._libraries = Libraries(tracer, self._cost.also)
        self._entering: Entering | None = None

    def attach_all(
        self,
        planned: list[Traced],
        failures: list[CannotAttach],
        warn: Callable[[str], None],
        step: Callable[[str], None],
    ) -> None:
        """Place the probes of all that were `planned`, and arm. CannotAttach where none can be attached to.

        Where it turns out that another watch is to begin, `modes.crossing`, nothing counts.
        """
        self.modes.before()
        for traced in planned:
            step(f"placing {len(traced.plan.probes)} probes")
            try:
                self._attach(traced)
            except CannotAttach as error:
                traced.close()
                failures.append(error)
        self._newcomers.were_refused(failures, warn)
        settle()
        step("measuring how often it allocates")
        self._lost(self.modes.begin(self.roster.living()))
        if self.modes.crossing:
            return
        step("learning to walk its stacks")
        meanwhile = self._unwinding.learn()
        self._tracer.arm()
        self.on_events(meanwhile)
        self._growing.grows_from_here()
        for traced in self.roster.living():
            traced.grows_from_here()
            self._replace_if_it_was(traced)
        self._newcomers.tick()

    def enter(self, launch: Launch) -> None:
        """Trace it from its first allocation on. CannotAttach, and it is held or has ended; UsageError."""
        settle()
        self._tracer.arm()
        self._entering = Entering(launch, self._tracer, self._attach_to, self._removals)
        self._entering.run_in(lambda: self.on_events(self._tracer.poll_events(_LISTEN_MS)))

    def launched(self) -> tuple[int, bool]:
        """As `Session.launched`."""
        children = 0 if self._options.wanted.follow else self._upkeep.children
        return children, self._entering is None or not self._entering.late

    def leave(self) -> list[Traced]:
        """Count nothing any more, and remove the probes, for the watch that begins: those that it goes on with.

        Nobody asks for anything while it is left, and closed.
        """
        self._tracer.disarm()
        self._sampling.close()
        self._glances.close()
        time.sleep(_PROGRAMS_END_S)
        self.on_events(self._tracer.poll_events(0))
        living = self.roster.living()
        for traced in living:
            self._end(traced, ANEW)
        return living

    def close(self) -> None:
        """Remove every probe; the poller has ended, or the watch was left."""
        self._tracer.disarm()
        self._sampling.close()
        self._glances.close()
        if self._entering is not None:
            self._entering.close()
        self.sources.close()
        self._growing.close()
        self.roster.close()

    # --- what the poller calls --------------------------------------------------------------------

    def listen(self, most_ms: int) -> list[bytes]:
        """Events that have come, after `most_ms` at the latest, or when something else is due."""
        due_s = min(self._upkeep.due_in(self.roster.living()), self._newcomers.due_in())
        return self._tracer.poll_events(int(min(most_ms, 1000 * due_s + 1)))

    def on_events(self, events: Iterable[bytes]) -> None:
        """Take them, in the order in which each kind has to be."""
        told = Told.of(events)
        for stack in told.stacks:
            self._unwinding.on_stack(stack)
        self._mapped.on_events(told.mappings)
        self._newcomers.take(told)
        for life in told.lives:
            self._on_life(life)
        if told.misses:
            self._unwinding.on_misses(told.misses)
            if self._entering is not None:
                self._entering.on_misses(told.misses)
        if told.programs:  # as below; misses are read before the event of an exec
            self.on_events(self._tracer.poll_events(0))
        for program in told.programs:
            self._on_program(program)

    def on_idle(self) -> bool:
        """Notice what sent no event; False once every target has ended."""
        ended = [traced for traced in self.roster.living() if traced.process.ended()]
        if ended:
            # What it did at last: its walks can be finished as long as its slot has not ended.
            self.on_events(self._tracer.poll_events(0))
        for traced in ended:
            if traced.ended is None:
                self._end(traced, "exited")
        self._unwinding.on_idle()
        self.facts.on_idle()
        self.draining.tick(self._since_attach())
        self._libraries.tick()
        self._cost.tick()
        if not self.draining.wanted:
            self._lost(self.modes.tick(self._since_attach(), self.roster.living()))
        self._sampling.tend(self.roster.living())
        self._growing.tick()
        self._lost(self._upkeep.tick(self.roster.living()))
        if self._sampling.failed is not None:
            log.error("Allocations are not seen any more: %s", self._sampling.failed)
            self._lost(self.roster.living())
        if self._tracer.blind():
            log.error("The process that held the probes was ended, and they with it. Start again.")
            self._lost(self.roster.living())
            return False
        self._newcomers.tick()
        if self._entering is not None:
            self._entering.tick()
            return self.roster.runs(self._entering.pid) or bool(self._entering)
        return bool(self.roster.living() or self._newcomers)

    def draw(self, final: bool) -> Picture:
        """Everything as it is now; the `final` one is of when counting was stopped."""
        if final:
            self._tracer.disarm()
            time.sleep(_PROGRAMS_END_S)
        else:
            self._lost(self._upkeep.look(self.roster.living(), self._cost.hits_per_s))
        self.facts.before_picture(final=final)
        self._read_cohorts()
        losses = self._tracer.losses()
        # A stack is sent before the first block is counted under it, so now all of them are known.
        self.on_events(self._tracer.poll_events(0))
        self._unwinding.on_idle()
        self._unwinding.look(self._since_attach(), final=final)
        self._mapped.look()
        self._growing.look()
        if not final:
            self.roster.fold(self._forget)
            self.roster.sweep()
        targets = self.roster.targets()
        return self._assembly.picture(self.id, self._since_attach(), targets, losses, final=final)

    # --- what comes of it --------------------------------------------------------------------------

    def _attach(self, traced: Traced) -> None:
        growing = self._growing
        traced.sampled = self._sampling.scale > 1 and not self._of_growth
        self.roster.attach(traced, growing.begin if growing.active else lambda _: None)
        self._cost.also(traced.plan.probes)
        if self._options.dwarf:
            self.sources.add(traced.number, traced.tree())
        self._unwinding.begin(traced)
        self._mapped.begin(traced)
        self.facts.add(traced)
        self._libraries.begin(traced)

    def _forget(self, traced: Traced) -> None:
        self._drawing.fold(traced.number)
        self.sources.remove(traced.number)
        self.facts.remove(traced)

    def _on_life(self, life: Life) -> None:
        for traced in self.roster.at(life.slot):
            if life.kind == layout.EVENT_THREAD_EXIT:
                traced.ending.told(life.called)
                self._thread_ended(traced, life.thread, life.moment)
            elif life.kind == layout.EVENT_FORK:
                self._upkeep.forked(traced, life.called)

    def _on_program(self, program: Program) -> None:
        if program.kind == layout.EVENT_EXEC:
            for traced in self.roster.at(program.slot):
                self._replace(traced, program.moment)
        else:
            self._libraries.told(program.slot, program.moment, held=program.held)
        if self._entering is not None and program.held:
            self._entering.on_program(program.kind, program.moment)

    def _thread_ended(self, traced: Traced, thread: int, ended_ns: int) -> None:
        if not self._upkeep.thread_ended(traced, thread, ended_ns, self._cost.hits_per_s):
            self._end(traced, "lost")

    def _replace_if_it_was(self, traced: Traced) -> None:
        """An exec while it was looked at and attached to sent no event."""
        if traced.process.runs_another_program():
            self._replace(traced)

    def _replace(self, traced: Traced, moment: int | None = None) -> None:
        """The process runs another program now: that one gets a slot of its own."""
        if traced.ended is not None:
            return
        self._end(traced, "exec")
        if self._entering is None or self._entering.pid != traced.process.pid:
            self._newcomers.replaced(traced.process.pid, moment)

    def _attach_to(self, pid: Pid, since: float | None = None) -> None:
        """To what `pid` runs now, and has since then; None: it is held. CannotAttach."""
        with ExitStack() as undo:
            process = undo.enter_context(Process.open(pid))
            traced = Traced(
                process,
                self._options.pools,
                held=since is None,
                since=since,
                only_mappings=self._of_growth,
            )
            undo.callback(traced.close)
            self._attach(traced)
            undo.pop_all()
        self._replace_if_it_was(traced)

    def _lost(self, those: Iterable[Traced]) -> None:
        for traced in those:
            self._end(traced, "lost")

    def _end(self, traced: Traced, how: str) -> None:
        self._read_cohorts()
        self._growing.end(traced.slot)
        self._libraries.end(traced.slot)
        self.roster.end(traced, how)
        self._unwinding.end(traced.slot)
        self._mapped.end(traced.slot)

    def _since_attach(self) -> float:
        return (kerneltime.now_ns() - self._tracer.start_ns) / 1e9

    def _read_cohorts(self) -> None:
        open_from, settled = self._closer.close(self._since_attach())
        self._tracer.switches.close_epochs_before(open_from)
        self._book.poll(settled, self._sampling.take_seen())
