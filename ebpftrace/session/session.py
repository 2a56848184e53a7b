"""A watch from attach to detach: the PictureSource that the live views are given.

The order is what keeps the numbers true: probes for deaths before births, then arm; at the end
disarm, read the last picture, and only then remove the probes.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from threading import Lock
from typing import ClassVar

from ebpftrace.drain.poller import Poller
from ebpftrace.drain.polling import HEADLESS, WATCHED, Polling
from ebpftrace.errors import CannotAttach
from ebpftrace.kernel import layout
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.model.frames import Frame
from ebpftrace.model.modes import GROWTH, Wanted
from ebpftrace.model.picture import Picture, Site, SiteBlocks, SourceLines
from ebpftrace.model.snapshot import BlockColumns, ProcessFacts
from ebpftrace.session.kept import Kept
from ebpftrace.session.options import CaptureOptions
from ebpftrace.session.planning import again, plan_all
from ebpftrace.session.preparation import Preparation
from ebpftrace.session.traced import Traced
from ebpftrace.session.tracing import Calls
from ebpftrace.session.watch import Watch
from ebpftrace.target.launching import Launch
from ebpftrace.target.process import Process
from ebpftrace.text import clean

log = logging.getLogger(__name__)


class Session:
    """See `open`; afterwards a PictureSource until `stop`, and `close` at the very end."""

    MADE_OF: ClassVar[type[Watch]] = Watch

    def __init__(self, tracer: Tracer, options: CaptureOptions) -> None:
        polling = Polling(options.interval, WATCHED if options.dashboard else HEADLESS)
        self._kept = Kept.of(tracer, options, polling)
        self._watch = self.MADE_OF(self._kept)
        self._held = Lock()
        """By who asks the watch for something, and while another one takes its place."""
        self._poller = Poller(
            polling,
            options.first_interval or options.interval,
            self._listen,
            tracer.wake,
            self._on_events,
            self._on_idle,
            self._draw,
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
            with ExitStack() as undo:
                tracer = prepared.tracer()
                undo.callback(tracer.close)
                step("measuring what a probe costs")
                tracer.calibrate(faults=prepared.options.may_watch_faults)
                session = cls(tracer, prepared.options)
                undo.pop_all()
        except BaseException:
            for traced in planned:
                traced.close()
            prepared.close()
            raise
        try:
            if launch is None:
                session._watch.attach_all(planned, failures, warn, step)
                if session._kept.modes.crossing:
                    session._begin_anew(warn, step)
            else:
                step(f"starting {clean(launch.command[0])}")
                session._watch.enter(launch)
            tracer.end_calibration()
            session._poller.start()
        except BaseException:
            session.close()
            for traced in planned:  # those that it has not come to
                traced.close()
            raise
        return session

    @property
    def calls(self) -> Calls:
        """Every single call, where that was asked for."""
        return self._watch.calls

    def _listen(self, most_ms: int) -> list[bytes]:
        return self._watch.listen(most_ms)

    def _on_events(self, events: Iterable[bytes]) -> None:
        self._watch.on_events(events)

    def _draw(self, final: bool) -> Picture:
        return self._watch.draw(final)

    def _on_idle(self) -> bool:
        goes_on = self._watch.on_idle()
        if goes_on and self._kept.modes.crossing:
            with suppress(CannotAttach):  # all have ended, and it was said of each
                self._begin_anew(log.warning)
        return goes_on

    def _begin_anew(
        self, warn: Callable[[str], None], step: Callable[[str], None] = lambda _: None
    ) -> None:
        """Another watch of the same programs, in the level that is chosen by now. On the poller's thread."""
        before, kept = self._watch, self._kept
        left = before.leave()
        if 2 * len(left) >= layout.SLOTS:  # it will be their slots that are used
            kept.removals.wait()
        planned, failures = again(left, only_mappings=kept.modes.level == GROWTH)
        with self._held:
            before.close()
            kept.tracer.begin_anew()
            self._watch = self.MADE_OF(kept, before)
        self._watch.attach_all(planned, failures, warn, step)

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
        with self._held:
            return self._watch.blocks.of_site(site, last)

    def source(self, site: Site, frame: Frame, around: int) -> SourceLines | None:
        """So many lines before and after that of `frame`, as the target's file tree has them."""
        with self._held:
            return self._watch.sources.lines(site, frame, around)

    def facts(self) -> tuple[ProcessFacts, ...]:
        """Of the processes, in the order of the targets; may wait for a second."""
        return self._watch.facts.newest()

    def drain(self, *, on: bool) -> None:
        """Record no allocations from now on, or again; frees are. In the next picture."""
        self._watch.draining.want(on=on)

    def want(self, mode: Wanted, budget_percent: float | None) -> None:
        """Watch so from now on; percent of a processor that may be added to the targets, None: no limit."""
        self._kept.modes.want(mode, budget_percent)

    def wanted(self) -> tuple[Wanted, float | None]:
        """What was asked for last."""
        return self._kept.modes.wanted

    def launched(self) -> tuple[int, bool]:
        """How many processes it has forked off, not watched; was it watched from its first allocation on?"""
        return self._watch.launched()

    def block_columns(self, picture: Picture) -> Iterator[BlockColumns]:
        """All outstanding blocks, read now, by the sites of `picture`; until `close`.

        None where its watch has ended for another one.
        """
        with self._held:
            yield from (
                self._watch.blocks.columns(picture) if picture.watch == self._watch.id else ()
            )

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
        self._kept.close()
