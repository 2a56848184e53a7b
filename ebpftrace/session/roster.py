"""The programs that are traced: which slot each has, when one comes and when it ends.

Owns the list of them, the slots, and how many of those that ended are kept. What else there is to do when
one comes or ends, the session says.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

from ebpftrace.drain.space import Space
from ebpftrace.drain.sweep import Sweeper
from ebpftrace.errors import CannotAttach, TargetGone
from ebpftrace.kernel import layout
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.model.ids import Pid, Slot
from ebpftrace.model.picture import Target
from ebpftrace.session import hazards
from ebpftrace.session.removals import Removals
from ebpftrace.session.traced import Traced
from ebpftrace.symbols.lines import Lines

MOST_ENDED = 50
"""Programs that came while the watch went on, and ended, that are listed one by one."""
_MOST_FAMILIES = 16


class Folded:
    """So many programs as one target."""

    def __init__(self) -> None:
        self.programs = 0
        self._families: dict[str, None] = {}

    def add(self, traced: Traced) -> None:
        self.programs += 1
        if len(self._families) < _MOST_FAMILIES:
            self._families.update(dict.fromkeys(traced.plan.families))

    def as_target(self) -> Target:
        families = tuple(self._families)
        gone = Target(Pid(0), "(ended)", "", Slot(0), families, None, None, ended="exited")
        return replace(gone, programs=self.programs)


class Roster:
    """Those that live and those that ended, in the order in which they came. For the poller's thread.

    `spaces`: by slot, of all that have one. `folded`: programs that ended and are no longer in the list.
    """

    def __init__(
        self,
        tracer: Tracer,
        lines: Lines | None,
        removals: Removals,
        sweeper: Sweeper,
        before: "Roster | None" = None,
    ) -> None:
        """`before`: of the watch that has ended, whose probes may still be in place: the slots are others."""
        self._tracer = tracer
        self._lines = lines
        self._removals = removals
        self._sweeper = sweeper
        self._numbers: Iterator[int] = itertools.count(1)
        used: set[Slot] = set()
        if before is not None:
            self._numbers = before.numbers()
            used = {traced.slot for traced in before.traced}
        free = range(layout.SLOTS - 1, 0, -1)
        self._free_slots = sorted(used, reverse=True) + [n for n in free if n not in used]
        self.folded = Folded()
        self.traced: list[Traced] = []
        self.spaces: dict[int, Space] = {}

    def numbers(self) -> Iterator[int]:
        """Of what is still to come."""
        return self._numbers

    def living(self) -> list[Traced]:
        """Those that run, and whose probes count."""
        return [traced for traced in self.traced if traced.ended is None]

    def at(self, slot: int) -> list[Traced]:
        """What lives in `slot`: one, or none."""
        return [traced for traced in self.living() if traced.slot == slot]

    @property
    def is_full(self) -> bool:
        """Is no slot left, until those of ended ones are swept?"""
        return not self._free_slots

    def runs(self, pid: Pid) -> bool:
        """Is what `pid` runs now traced?"""
        return any(traced.process.pid == pid for traced in self.living())

    def attach(self, traced: Traced, also: Callable[[Traced], None] = lambda _: None) -> None:
        """Give it a slot and a number, and place its probes; `also`: what else it takes, which may fail so too.

        CannotAttach: it stays the caller's then.
        """
        if not self._free_slots:
            raise CannotAttach(f"More than {layout.SLOTS - 1} programs cannot be traced at once.")
        slot = Slot(self._free_slots.pop())
        try:
            self._check(traced)
            traced.attach(self._tracer, slot)
            try:
                also(traced)
            except BaseException:
                self._tracer.retire_slot(slot)
                self._tracer.unwatch(traced.process.pid)
                raise
        except BaseException:
            self._free_slots.append(slot)
            raise
        self.traced.append(traced)
        traced.number = next(self._numbers)
        self.spaces[slot] = traced.drawn_as(traced.number, self._lines)

    def _check(self, traced: Traced) -> None:
        """What watches page faults does not need the probes that could hurt."""
        try:
            hazards.check(traced.process, self._tracer.trial)
        except TargetGone:
            raise
        except CannotAttach as error:
            if not traced.only_mappings:
                raise
            traced.leave_out_probes(str(error))

    def end(self, traced: Traced, how: str) -> None:
        """It counts no longer. What it counted has been read; its slot is swept."""
        traced.end(self._tracer, how)
        self._sweeper.retire(traced.slot)
        if how != "lost":  # they are of no use any more, and would be many
            self._removals.add(traced.take_attachment())

    def sweep(self) -> None:
        """A bounded piece of that work; slots that have become clean are given out again."""
        freed = self._sweeper.step()
        for traced in self.traced:
            if traced.slot in freed and traced.ended is not None:
                traced.swept = True
        self._free_slots[:0] = reversed(freed)

    def fold(self, forget: Callable[[Traced], None]) -> None:
        """Let go of programs that ended long ago, if they are many, so that their number has a bound.

        `forget` is told of each. Those that the user named stay, and those of which a picture may
        still be to come: call it before `sweep`.
        """
        gone = [traced for traced in self.traced if traced.swept and traced.came]
        excess = len(gone) - MOST_ENDED
        if excess <= 0:
            return
        for traced in gone[:excess]:
            self.traced.remove(traced)
            forget(traced)
            self.folded.add(traced)
            space = self.spaces.get(traced.slot)
            if space is not None and space.number == traced.number:
                del self.spaces[traced.slot]
            traced.close()

    def targets(self) -> tuple[Target, ...]:
        """How they stand now; what was folded comes first, as one."""
        listed = tuple(traced.as_target() for traced in self.traced)
        return (self.folded.as_target(), *listed) if self.folded.programs else listed

    def close(self) -> None:
        """Remove the probes of all."""
        for traced in self.traced:
            traced.close()
