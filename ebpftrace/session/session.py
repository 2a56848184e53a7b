"""A watch from attach to detach: the PictureSource that the live views are given.

The order is what keeps the numbers true: probes for deaths before births, then arm; at the end
disarm, read the last picture, and only then remove the probes.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from uuid import uuid4

from ebpftrace.collector import settle
from ebpftrace.drain.blocks import BlockMap
from ebpftrace.drain.closing import EpochCloser
from ebpftrace.drain.drawing import Drawing
from ebpftrace.drain.poller import Poller
from ebpftrace.drain.sites import SiteBook
from ebpftrace.drain.stacks import StackBook
from ebpftrace.drain.sweep import Sweeper
from ebpftrace.errors import CannotAttach
from ebpftrace.kernel import layout
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import Pid
from ebpftrace.model.picture import Picture, Site, SiteBlocks, SourceLines
from ebpftrace.model.snapshot import BlockColumns, ProcessFacts
from ebpftrace.session.assembly import Assembly
from ebpftrace.session.cost import CostMeter
from ebpftrace.session.entering import Entering
from ebpftrace.session.events import Life, Program, Told
from ebpftrace.session.facts import Facts
from ebpftrace.session.libraries import Libraries
from ebpftrace.session.mapped import MappedMemory
from ebpftrace.session.newcomers import Newcomers
from ebpftrace.session.options import CaptureOptions
from ebpftrace.session.planning import plan_all
from ebpftrace.session.preparation import Preparation
from ebpftrace.session.removals import Removals
from ebpftrace.session.roster import Roster
from ebpftrace.session.sources import Sources
from ebpftrace.session.traced import Traced
from ebpftrace.session.tracing import Calls
from ebpftrace.session.unwinding import Unwinding
from ebpftrace.session.upkeep import Upkeep
from ebpftrace.symbols.lines import standard_lines
from ebpftrace.target.launching import Launch
from ebpftrace.target.process import Process
from ebpftrace.text import clean

log = logging.getLogger(__name__)

_PROGRAMS_END_S = 0.002  # some microseconds, unless they are preempted
_LISTEN_MS = 50


class Session:
    """See `open`; afterwards a PictureSource until `stop`, and `close` at the very end."""

    def __init__(self, tracer: Tracer, options: CaptureOptions) -> None:
        self.watch = uuid4().hex
        """What tells the snapshots of this watch from others'."""
        self._tracer = tracer
        self._options = options
        self._lines = standard_lines(debuginfod=options.debuginfod) if options.dwarf else None
        self._removals = Removals()
        self._book = SiteBook(tracer.cohorts)
        sweeper = Sweeper(tracer.blocks, self._book)
        self._roster = Roster(tracer, self._lines, self._removals, sweeper)
        self.calls = Calls(tracer, self._roster.traced)
        spaces = self._roster.spaces
        stacks = StackBook()
        self._drawing = Drawing(self._book, stacks, spaces, options.pools.functions)
        self._mapped = MappedMemory(tracer, self._book, self._roster, stacks)
        self._unwinding = Unwinding(tracer, self._book, stacks, spaces)
        self._blocks = BlockMap(tracer, self._book, spaces, self._mapped.intervals)
        self._facts = Facts(
            self._since_attach, always=options.facts, environment=options.environment
        )
        self._sources = Sources()
        self._cost = CostMeter(tracer, self._lines)
        self._upkeep = Upkeep(tracer, self._removals)
        self._newcomers = Newcomers(options.wanted, tracer, self._roster, self._attach_to)
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
        )
        self._libraries = Libraries(tracer, self._cost.also)
        self._entering: Entering | None = None
        every = options.interval, options.first_interval or options.interval
        self._poller = Poller(
            *every, self._listen, tracer.wake, self._on_events, self._on_idle, self._draw
        )

    @classmethod
    def open(
        cls,
        processes: Sequence[Process],
        prepared: Preparation,
        warn: Callable[[str], None],
        step: Callable[[str], None] = lambda _: None,
        launch: Launch | None = None,
    ) -> "Session":
        """Attach to every process that can be, and draw the first picture.

        What cannot be attached to among several is told to `warn`; CannotAttach where nothing can.
        The probes are planned while the programs compile. `step` is told what is done next, in a few
        words; it may raise to give up. `processes` and `prepared` are used up. Instead of processes, a
        `launch` is let go and traced from its first allocation on; it stays the caller's.
        """
        planned: list[Traced] = []
        try:
            planned, failures = plan_all(processes, step, prepared.options.pools)
            if failures and not (planned or prepared.options.wanted):
                raise failures[0]
            step("compiling")
            tracer = prepared.tracer()
        except BaseException:
            for traced in planned:
                traced.close()
            prepared.close()
            raise
        session = cls(tracer, prepared.options)
        try:
            step("measuring what a probe costs")
            tracer.calibrate()
            if launch is None:
                session._attach_all(planned, failures, warn, step)
            else:
                step(f"starting {clean(launch.command[0])}")
                session._enter(launch)
            session._poller.start()
        except BaseException:
            session.close()
            for traced in planned:  # those that it has not come to
                traced.close()
            raise
        return session

    def _attach_all(
        self,
        planned: list[Traced],
        failures: list[CannotAttach],
        warn: Callable[[str], None],
        step: Callable[[str], None],
    ) -> None:
        for traced in planned:
            step(f"placing {len(traced.plan.probes)} probes")
            try:
                self._attach(traced)
            except CannotAttach as error:
                traced.close()
                failures.append(error)
        self._newcomers.were_refused(failures, warn)
        settle()
        step("learning to walk its stacks")
        meanwhile = self._unwinding.learn()
        self._tracer.arm()
        self._tracer.end_calibration()
        self._on_events(meanwhile)
        for traced in self._roster.living():
            traced.grows_from_here()
            self._replace_if_it_was(traced)
        self._newcomers.tick()

    def _enter(self, launch: Launch) -> None:
        """Trace it from its first allocation on. CannotAttach, and it is held or has ended; UsageError."""
        settle()
        self._tracer.arm()
        self._entering = Entering(launch, self._tracer, self._attach_to, self._removals)
        self._entering.run_in(lambda: self._on_events(self._tracer.poll_events(_LISTEN_MS)))
        self._tracer.end_calibration()

    # --- PictureSource ----------------------------------------------------------------------------

    def latest(self) -> Picture:
        """The newest picture, at once."""
        return self._poller.latest()

    def after(self, seen: Picture | None, timeout: float) -> Picture | None:
        """The newest picture that is not `seen`; None if none came within `timeout` seconds."""
        return self._poller.after(seen, timeout)

    def refresh(self, timeout: float) -> Picture | None:
        """A picture that is begun after this call, or the final one; None if none came in time."""
        return self._poller.refresh(timeout)

    def blocks(self, site: Site, last: int = 20) -> SiteBlocks | None:
        """The outstanding blocks of one site, read now; None where its slot is another's by now."""
        return self._blocks.of_site(site, last)

    def source(self, site: Site, frame: Frame, around: int) -> SourceLines | None:
        """So many lines before and after that of `frame`, as the target's file tree has them."""
        return self._sources.lines(site, frame, around)

    def facts(self) -> tuple[ProcessFacts, ...]:
        """Of the processes, in the order of the targets; may wait for a second."""
        return self._facts.newest()

    def launched(self) -> tuple[int, bool]:
        """How many processes it has forked off, not watched; was it watched from its first allocation on?"""
        children = 0 if self._options.wanted.follow else self._upkeep.children
        return children, self._entering is None or not self._entering.late

    def block_columns(self, picture: Picture) -> Iterator[BlockColumns]:
        """All outstanding blocks, read now, by the sites of `picture`; until `close`."""
        return self._blocks.columns(picture)

    def notes(self) -> tuple[str, ...]:
        """Sentences about what the plans leave out, for the user."""
        return tuple(note for traced in self._roster.traced for note in traced.plan.notes)

    # --- ending -----------------------------------------------------------------------------------

    def stop(self) -> Picture:
        """Stop counting and draw the final picture; the probes are still in place."""
        self._poller.stop()
        return self._poller.latest()

    def slow_probes(self) -> int:
        """Probes for each of which `close` waits about 0.1 s, more on a busy host: those that perf events hold."""
        traced = self._roster.traced
        return sum(len(t.plan.probes) for t in traced if t.attachment and not t.by_links)

    def close(self) -> None:
        """Remove every probe and map."""
        try:
            self._poller.stop()
        except Exception:
            log.debug("the poller had failed", exc_info=True)
        self._tracer.disarm()
        if self._entering is not None:
            self._entering.close()
        if self._lines is not None:
            self._lines.close()
        self._sources.close()
        self._roster.close()
        self._removals.wait()
        self._tracer.close()

    # --- on the poller's thread -------------------------------------------------------------------

    def _attach(self, traced: Traced) -> None:
        self._roster.attach(traced)
        self._cost.also(traced.plan.probes)
        if self._options.dwarf:
            self._sources.add(traced.number, traced.tree())
        self._unwinding.begin(traced)
        self._mapped.begin(traced)
        self._facts.add(traced)
        self._libraries.begin(traced)

    def _forget(self, traced: Traced) -> None:
        self._drawing.fold(traced.number)
        self._sources.remove(traced.number)
        self._facts.remove(traced)

    def _listen(self, most_ms: int) -> list[bytes]:
        due_s = min(self._upkeep.due_in(self._roster.living()), self._newcomers.due_in())
        return self._tracer.poll_events(int(min(most_ms, 1000 * due_s + 1)))

    def _on_events(self, events: Iterable[bytes]) -> None:
        told = Told.of(events)
        for stack in told.stacks:
            self._unwinding.on_stack(stack)
        self._mapped.on_events(told.mappings)
        for fork in told.forks:
            self._newcomers.forked(fork)
        for life in told.lives:
            self._on_life(life)
        if told.misses:
            self._unwinding.on_misses(told.misses)
            if self._entering is not None:
                self._entering.on_misses(told.misses)
        if told.programs:  # as below; misses are read before the event of an exec
            self._on_events(self._tracer.poll_events(0))
        for program in told.programs:
            self._on_program(program)

    def _on_life(self, life: Life) -> None:
        for traced in self._roster.at(life.slot):
            if life.kind == layout.EVENT_THREAD_EXIT:
                traced.ending.told(life.called)
                self._thread_ended(traced, life.thread, life.moment)
            elif life.kind == layout.EVENT_FORK:
                self._upkeep.forked(traced, life.called)
        if life.kind == layout.EVENT_THREAD_EXIT and not life.slot:
            self._newcomers.ended(life.thread)

    def _on_program(self, program: Program) -> None:
        if program.kind == layout.EVENT_EXEC:
            for traced in self._roster.at(program.slot):
                self._replace(traced, program.moment)
            if not (program.slot or program.held):
                self._newcomers.exec(program)
        else:
            self._libraries.told(program.slot, program.moment, held=program.held)
        if self._entering is not None and program.held:
            self._entering.on_program(program.kind)

    def _on_idle(self) -> bool:
        """Notice what sent no event; False once every target has ended."""
        ended = [traced for traced in self._roster.living() if traced.process.ended()]
        if ended:
            # What it did at last: its walks can be finished as long as its slot has not ended.
            self._on_events(self._tracer.poll_events(0))
        for traced in ended:
            if traced.ended is None:
                self._end(traced, "exited")
        self._unwinding.on_idle()
        self._facts.on_idle()
        self._libraries.tick()
        for traced in self._upkeep.tick(self._roster.living()):
            self._end(traced, "lost")
        if self._tracer.blind():
            log.error("The process that held the probes was ended, and they with it. Start again.")
            for traced in self._roster.living():
                self._end(traced, "lost")
            return False
        self._newcomers.tick()
        if self._entering is not None:
            self._entering.tick()
            return self._roster.runs(self._entering.pid) or bool(self._entering)
        return bool(self._roster.living() or self._newcomers)

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
            traced = Traced(process, self._options.pools, held=since is None, since=since)
            undo.callback(traced.close)
            self._attach(traced)
            undo.pop_all()
        self._replace_if_it_was(traced)

    def _end(self, traced: Traced, how: str) -> None:
        self._read_cohorts()
        self._libraries.end(traced.slot)
        self._roster.end(traced, how)
        self._unwinding.end(traced.slot)
        self._mapped.end(traced.slot)

    def _since_attach(self) -> float:
        return (time.monotonic_ns() - self._tracer.start_ns) / 1e9

    def _read_cohorts(self) -> None:
        open_from, settled = self._closer.close(self._since_attach())
        self._tracer.close_epochs_before(open_from)
        self._book.poll(settled)

    def _draw(self, final: bool) -> Picture:
        if final:
            self._tracer.disarm()
            time.sleep(_PROGRAMS_END_S)
        else:
            for traced in self._upkeep.look(self._roster.living(), self._cost.hits_per_s):
                self._end(traced, "lost")
        self._facts.before_picture(final=final)
        self._read_cohorts()
        losses = self._tracer.losses()
        # A stack is sent before the first block is counted under it, so now all of them are known.
        self._on_events(self._tracer.poll_events(0))
        self._unwinding.on_idle()
        self._unwinding.look(self._since_attach(), final=final)
        self._mapped.look()
        if not final:
            self._roster.fold(self._forget)
            self._roster.sweep()
        targets = self._roster.targets()
        return self._assembly.picture(self._since_attach(), targets, losses, final=final)
