"""One traced address space: a process as one program, its slot, its probes, its names."""

import logging
from collections.abc import Sequence

from ebpftrace.kernel.attach import Attachment
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import Address, Slot
from ebpftrace.model.picture import Target
from ebpftrace.probes.plan import Plan, plan
from ebpftrace.symbols.symbolizer import Symbolizer
from ebpftrace.target.modules import open_modules
from ebpftrace.target.process import Process

log = logging.getLogger(__name__)


class Traced:
    """Built in two steps, so that planning can run while the programs compile."""

    def __init__(self, process: Process) -> None:
        """Read maps and symbols and plan the probes. CannotAttach where there is nothing to."""
        self.process = process
        modules = open_modules(process)
        self.plan: Plan = plan(process, modules)
        self._symbolizer = Symbolizer(process, modules)
        self._first_rss = process.rss_bytes()
        self._last_rss = self._first_rss
        self.slot = Slot(0)
        self.attachment: Attachment | None = None
        self.ended: str | None = None
        self.blind_s = 0.0

    def attach(self, tracer: Tracer, slot: Slot) -> None:
        """Place the probes, all or none. CannotAttach, TargetGone."""
        self.slot = slot
        tracer.open_slot(slot, self.plan.code_ranges)
        self._attach(tracer)
        self.process.check()  # the pid was ours the whole time
        tracer.watch(self.process.pid, slot)

    def _attach(self, tracer: Tracer) -> None:
        thread = self.process.anchor()
        self.attachment = tracer.attach(self.plan, self.slot, thread)
        tracer.watch(thread, self.slot)

    def move(self, tracer: Tracer, thread: int) -> Attachment | None:
        """The thread that held the probes has ended: hold them by another one.

        Returns the old attachment, which the caller removes. TargetGone where no thread is left.
        """
        old = self.attachment
        if old is None or old.thread != thread:
            return None
        self._attach(tracer)
        if thread != self.process.pid:  # the pid stays watched: its exec is told by that number
            tracer.unwatch(thread)
        return old

    def end(self, tracer: Tracer, how: str) -> None:
        """Stop counting; keep the last figures and the names."""
        if self.ended is None:
            self.ended = how
            self._symbolizer.freeze()
            tracer.retire_slot(self.slot)
            tracer.unwatch(self.process.pid)

    def take_attachment(self) -> Attachment | None:
        """The probes, which the caller removes."""
        attachment, self.attachment = self.attachment, None
        return attachment

    def close(self) -> None:
        """Remove the probes and give up every descriptor."""
        if self.attachment is not None:
            self.attachment.close()
        for module in self._symbolizer.modules:
            module.close()
        self.process.close()

    def anchor_ended(self) -> bool:
        """Has the thread that holds the probes ended while the process lives on?"""
        if self.attachment is None or self.process.ended():
            return False
        return not self.process.has_thread(self.attachment.thread)

    def frames(self, pcs: Sequence[Address]) -> tuple[Frame, ...]:
        """Names for return addresses; still right when the process has ended."""
        return self._symbolizer.frames(pcs)

    def as_target(self) -> Target:
        """How it stands now."""
        rss = self.process.rss_bytes() if self.ended is None else None
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
            blind_s=self.blind_s,
        )
