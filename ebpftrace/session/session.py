"""A watch from attach to detach: the PictureSource that the live views are given.

The order is what keeps the numbers true: probes for deaths before births, then arm; at the end
disarm, read the last picture, and only then remove the probes.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar
from uuid import uuid4

from ebpftrace.drain.poller import Poller
from ebpftrace.drain.polling import HEADLESS, WATCHED, Polling
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.model.frames import Frame
from ebpftrace.model.modes import Wanted
from ebpftrace.model.picture import Picture, Site, SiteBlocks, SourceLines
from ebpftrace.model.snapshot import BlockColumns, ProcessFacts
from ebpftrace.session.options import CaptureOptions
from ebpftrace.session.planning import plan_all
from ebpftrace.session.preparation import Preparation
from ebpftrace.session.traced import Traced
from ebpftrace.session.watch import Watch
from ebpftrace.target.launching import Launch
from ebpftrace.target.process import Process
from ebpftrace.text import clean

log = logging.getLogger(__name__)


class Session:
    """See `open`; afterwards a PictureSource until `stop`, and `close` at the very end."""

    MADE_OF: ClassVar[type[Watch]] = Watch

    def __init__(self, tracer: Tracer, options: CaptureOptions) -> None:
        self.watch = uuid4().hex
        """What tells the snapshots of this watch from others'."""
        polling = Polling(options.interval, WATCHED if options.dashboard else HEADLESS)
        self._watch = self.MADE_OF(tracer, options, polling)
        self.calls = self._watch.calls
        """Every single call, where that was asked for."""
        self._poller = Poller(
            polling,
            options.first_interval or options.interval,
            self._watch.listen,
            tracer.wake,
            self._watch.on_events,
            self._watch.on_idle,
            self._watch.draw,
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
            planned, failures = plan_all(
                processes,
                step,
                prepared.options.pools,
                only_mappings=prepared.options.mode == "growth",
            )
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
            tracer.calibrate(faults=prepared.options.may_watch_faults)
            if launch is None:
                session._watch.attach_all(planned, failures, warn, step)
            else:
                step(f"starting {clean(launch.command[0])}")
                session._watch.enter(launch)
            session._poller.start()
        except BaseException:
            session.close()
            for traced in planned:  # those that it has not come to
                traced.close()
            raise
        return session

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
        return self._watch.blocks.of_site(site, last)

    def source(self, site: Site, frame: Frame, around: int) -> SourceLines | None:
        """So many lines before and after that of `frame`, as the target's file tree has them."""
        return self._watch.sources.lines(site, frame, around)

    def facts(self) -> tuple[ProcessFacts, ...]:
        """Of the processes, in the order of the targets; may wait for a second."""
        return self._watch.facts.newest()

    def drain(self, *, on: bool) -> None:
        """Record no allocations from now on, or again; frees are. In the next picture."""
        self._watch.draining.want(on=on)

    def want(self, mode: Wanted, budget_percent: float | None) -> None:
        """Watch so from now on; percent of a processor that may be added to the targets, None: no limit."""
        self._watch.modes.want(mode, budget_percent)

    def wanted(self) -> tuple[Wanted, float | None]:
        """What was asked for last."""
        return self._watch.modes.wanted

    def launched(self) -> tuple[int, bool]:
        """How many processes it has forked off, not watched; was it watched from its first allocation on?"""
        return self._watch.launched()

    def block_columns(self, picture: Picture) -> Iterator[BlockColumns]:
        """All outstanding blocks, read now, by the sites of `picture`; until `close`."""
        return self._watch.blocks.columns(picture)

    def notes(self) -> tuple[str, ...]:
        """Sentences about what the plans leave out, for the user."""
        return tuple(note for traced in self._watch.roster.traced for note in traced.plan.notes)

    # --- ending -----------------------------------------------------------------------------------

    def stop(self) -> Picture:
        """Stop counting and draw the final picture; the probes are still in place."""
        self._poller.stop()
        return self._poller.latest()

    def slow_probes(self) -> int:
        """Probes for each of which `close` waits about 0.1 s, more on a busy host: those that perf events hold."""
        traced = self._watch.roster.traced
        return sum(len(t.plan.probes) for t in traced if t.attachment and not t.by_links)

    def close(self) -> None:
        """Remove every probe and map."""
        try:
            self._poller.stop()
        except Exception:
            log.debug("the poller had failed", exc_info=True)
        self._watch.close()
