"""Allocators in libraries that come after the attach, and go.

The loader tells of both (`target.loader`), and a program that `run` started is stopped there until the
probes are in place: it is watched from the first allocation of what comes. Any other runs on: what a
library gives before its probes are in place is not in the picture, and how long that took is said. Where
no loader tells, the maps are read every 5 s (`unwinding.REREAD_S`), and whenever a stack leads to where
nothing was mapped.
"""

import logging
import time
from collections.abc import Callable, Collection, Sequence

from ebpftrace import kerneltime
from ebpftrace.errors import CannotAttach, TargetGone
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.model.ids import Slot
from ebpftrace.probes.plan import Probe
from ebpftrace.session.pace import Pace
from ebpftrace.session.traced import Traced
from ebpftrace.target.modules import Module
from ebpftrace.target.space import Changes
from ebpftrace.text import clean

log = logging.getLogger(__name__)

_SHARE = 0.1
"""Of the time at most that goes into looking at what one program has loaded, unless it waits for that."""
_SETTLED_S = 0.2
"""After it was told of libraries it is looked once more: not each of many calls of the loader is told."""
_MOST_TRIES = 5
_AGAIN_S = 1.0
_UNDECIDED_S, _MOST_LOOKS = 0.05, 12
"""At what a plan could not decide it is looked again, each time after twice as long: for 3 minutes."""


class Libraries:
    """Of all traced programs. On the poller's thread."""

    def __init__(
        self,
        tracer: Tracer,
        placed: Callable[[Sequence[Probe]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`placed` is told what is probed besides."""
        self._tracer = tracer
        self._placed = placed
        self._clock = clock
        self._programs: dict[Slot, _Program] = {}

    def begin(self, traced: Traced) -> None:
        """Watch what it loads, from when its probes were planned."""
        program = _Program(traced, self._tracer, self._placed, self._clock)
        self._programs[traced.slot] = program
        traced.space.refresh()

    def end(self, slot: Slot) -> None:
        """The slot has ended."""
        self._programs.pop(slot, None)

    def told(self, slot: int, moment_ns: int, *, held: bool) -> None:
        """The loader has changed what is mapped, or is about to; `held`: it waits until this is done."""
        program = self._programs.get(Slot(slot))
        if program is not None:
            program.told(moment_ns, held=held)

    def tick(self) -> None:
        """Do what is due."""
        for program in self._programs.values():
            program.tick()


class _Program:
    """One of them."""

    def __init__(
        self,
        traced: Traced,
        tracer: Tracer,
        placed: Callable[[Sequence[Probe]], None],
        clock: Callable[[], float],
    ) -> None:
        self._traced = traced
        self._tracer = tracer
        self._placed = placed
        self._clock = clock
        self._pace = Pace(0.0, lambda: _SHARE, clock)
        self._told_ns = 0
        self._known = {module.key for module in traced.space.loaded if module.fd >= 0}
        self._changed = False
        self._settled_at: float | None = None
        self._failed, self._again_at = 0, 0.0
        self._looks, self._decide_at = 0, 0.0
        self._await_decision()
        traced.space.listen(self._on_change)

    def _on_change(self, _: Changes) -> None:
        self._changed = True

    def told(self, moment_ns: int, *, held: bool) -> None:
        self._settled_at = self._clock() + _SETTLED_S
        loader = self._traced.loader
        if loader is not None and not loader.has_mapped(self._traced.process):
            return
        self._told_ns = self._told_ns or moment_ns
        if held or self._pace.due():
            self._look(held=held)

    def tick(self) -> None:
        now = self._clock()
        if self._settled_at is not None and now >= self._settled_at and self._pace.due():
            self._settled_at = None
            self._traced.space.refresh()
        again = self._failed and now >= self._again_at
        again = again or bool(self._looks and now >= self._decide_at)
        if (self._told_ns or self._changed or again) and self._pace.due():
            self._look(held=False)

    def _look(self, *, held: bool) -> None:
        end = self._pace.begin()
        since, self._told_ns = self._told_ns, 0
        if since:
            self._traced.space.refresh()
        self._changed = False
        loaded = self._traced.space.loaded
        new = [module for module in loaded if module.key not in self._known]
        try:
            probes = self._traced.extend(self._tracer, new) if new or self._looks else ()
        except TargetGone:
            log.debug("it ended while a library was looked at", exc_info=True)
        except CannotAttach as error:
            self._not_probed(new, error)
        else:
            self._failed = 0
            # What was not there long enough to be opened is tried again when the maps change.
            self._known.update(module.key for module in new if module.fd >= 0)
            if new:
                self._looks = 0
            self._await_decision()
            if probes:
                self._placed(probes)
                self._say(probes, {module.name for module in new}, since, held=held)
        self._traced.code_moved(self._tracer)
        end()

    def _await_decision(self) -> None:
        if not self._traced.plan.undecided or self._looks == _MOST_LOOKS:
            self._looks = 0
            return
        self._decide_at = self._clock() + _UNDECIDED_S * 2**self._looks
        self._looks += 1

    def _not_probed(self, new: Sequence[Module], error: CannotAttach) -> None:
        """Try again, but not for ever: what keeps it may be somebody else's and pass."""
        log.info("not probed yet: %s", error)
        self._failed += 1
        self._again_at = self._clock() + _AGAIN_S
        if self._failed == _MOST_TRIES:
            self._failed = 0
            self._known.update(module.key for module in new)
            pid = self._traced.process.pid
            log.warning("What pid %d has loaded is not probed: %s", pid, error)

    def _say(
        self, probes: Sequence[Probe], new: Collection[str], since_ns: int, *, held: bool
    ) -> None:
        for name in dict.fromkeys(probe.module.name for probe in probes):
            if name not in new:
                log.info("What functions of %s are chosen is known now: they are probed", name)
                continue
            here = {probe.family.name for probe in probes if probe.module.name == name}
            families = ", ".join(sorted(here))
            pid = self._traced.process.pid
            said = f"Process {pid} has loaded the allocator {clean(name)} ({families})"
            if held:
                log.info("%s: probed before any of its code has run", said)
                continue
            since = "some time later"
            if since_ns:
                late_ms = (kerneltime.now_ns() - since_ns) / 1e6
                since = f"since {late_ms:.0f} ms after that"
            sentence = f"{said}. It is probed {since}; what it gave before is not seen."
            log.warning("%s", sentence)
            self._traced.note(sentence)
