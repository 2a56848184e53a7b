"""One picture, put together from what the parts of a session know at its moment."""

from datetime import datetime, timezone

from ebpftrace.collector import make_room
from ebpftrace.drain.drawing import Drawing
from ebpftrace.drain.sites import SiteBook
from ebpftrace.kernel import layout
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.model.losses import LOSSES, UNDETECTED, Losses
from ebpftrace.model.picture import Counts, Naming, Picture, Target
from ebpftrace.session.cost import CostMeter
from ebpftrace.session.draining import Draining
from ebpftrace.session.growing import Growing
from ebpftrace.session.mapped import MappedMemory
from ebpftrace.session.memory import Trimming
from ebpftrace.session.modes import Modes
from ebpftrace.session.newcomers import Newcomers
from ebpftrace.session.options import CaptureOptions
from ebpftrace.session.unwinding import Unwinding
from ebpftrace.session.upkeep import Upkeep
from ebpftrace.symbols.lines import Lines

_LINES_END_S = 1.0  # that the last picture waits for lines that are looked up


class Assembly:
    """`cohorts` have been read into `book` and events handled when a picture is asked for."""

    def __init__(
        self,
        tracer: Tracer,
        options: CaptureOptions,
        book: SiteBook,
        drawing: Drawing,
        unwinding: Unwinding,
        upkeep: Upkeep,
        newcomers: Newcomers,
        cost: CostMeter,
        lines: Lines | None,
        *,
        mapped: MappedMemory,
        growing: Growing,
        draining: Draining,
        modes: Modes,
    ) -> None:
        self._tracer = tracer
        self._options = options
        self._book = book
        self._drawing = drawing
        self._unwinding = unwinding
        self._mapped = mapped
        self._growing = growing
        self._draining = draining
        self._modes = modes
        self._upkeep = upkeep
        self._newcomers = newcomers
        self._cost = cost
        self._lines = lines
        self._trimming = Trimming()

    def picture(
        self,
        watch: str,
        since: float,
        targets: tuple[Target, ...],
        losses: list[int | None],
        *,
        final: bool,
    ) -> Picture:
        """`watch`: its id; `since`: seconds since the attach; `losses`: the kernel's, in the order of LOSSES."""
        totals = self._book.totals()
        mode = "growth" if self._growing.active else self._modes.level.mode
        heap = Counts() if mode == "growth" else totals.without(self._mapped.intervals.counts())
        sites = self._drawing.draw(since, idle=not self._naming().pending)
        if final and self._lines is not None:
            # Of sites that came since the picture before, that has asked for lines only now.
            self._lines.settle(_LINES_END_S)
            sites = self._drawing.draw(since, idle=False)
        self._trimming.at(since)
        make_room(len(sites))
        return Picture(
            time=datetime.now(timezone.utc),
            since_attach_s=since,
            watch=watch,
            targets=targets,
            totals=totals,
            mapped=self._mapped.intervals.counts(),
            growth=self._drawing.growth(totals, since),
            error=self._drawing.error(totals, since),
            sites=sites,
            losses=self._losses(losses),
            cost=self._cost.read(heap, len(self._book), self._drawing.stacks, self._modes.forecast),
            mode=mode,
            scale=self._modes.level.scale,
            unseen=self._book.unseen,
            mode_changes=tuple(self._modes.changes),
            final=final,
            filters=self._options.filters(),
            stack_depth=self._tracer.stack_depth,
            naming=self._naming(),
            waiting_for=self._newcomers.waiting_for(),
            drain=self._draining.state(since),
        )

    def _naming(self) -> Naming:
        return self._lines.naming() if self._lines is not None else Naming()

    def _losses(self, losses: list[int | None]) -> Losses:
        if self._growing.active:  # no frees are watched, but at a glance
            losses[layout.UNRECORDED_FREE] = 0
        self._unwinding.correct(losses)
        self._mapped.correct(losses)
        if blind := self._upkeep.blind_hits:
            losses[layout.PROBE_MISSED] = (losses[layout.PROBE_MISSED] or 0) + blind
        missed = self._newcomers.missed
        losses[layout.PROCESS_MISSED] = (losses[layout.PROCESS_MISSED] or 0) + missed
        losses[layout.SHARED_VM_CHILD] = self._upkeep.shared_children
        counts = zip(LOSSES, losses, strict=True)
        return Losses({loss.name: n for loss, n in counts if loss.name not in UNDETECTED})
