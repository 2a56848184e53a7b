"""The programs that are traced: which slot each has, when one comes and when it ends.

Owns the list of them and the slots. What else there is to do when one comes or ends, the session says.
"""

from ebpftrace.drain.space import Space
from ebpftrace.drain.sweep import Sweeper
from ebpftrace.errors import CannotAttach
from ebpftrace.kernel import layout
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.model.ids import Slot
from ebpftrace.session import hazards
from ebpftrace.session.removals import Removals
from ebpftrace.session.traced import Traced
from ebpftrace.symbols.lines import Lines


class Roster:
    """All of them in the order in which they came, also those that ended. For the poller's thread.

    `spaces`: by slot, of all that have one.
    """

    def __init__(
        self, tracer: Tracer, lines: Lines | None, removals: Removals, sweeper: Sweeper
    ) -> None:
        self._tracer = tracer
        self._lines = lines
        self._removals = removals
        self._sweeper = sweeper
        self._free_slots = list(range(layout.SLOTS - 1, 0, -1))
        self.traced: list[Traced] = []
        self.spaces: dict[int, Space] = {}

    def living(self) -> list[Traced]:
        """Those that run, and whose probes count."""
        return [traced for traced in self.traced if traced.ended is None]

    def at(self, slot: int) -> list[Traced]:
        """What lives in `slot`: one, or none."""
        return [traced for traced in self.living() if traced.slot == slot]

    def attach(self, traced: Traced) -> int:
        """Give it a slot and place its probes; the number of its address space. CannotAttach.

        It stays the caller's where that fails.
        """
        if not self._free_slots:
            raise CannotAttach(f"More than {layout.SLOTS - 1} programs cannot be traced at once.")
        slot = Slot(self._free_slots.pop())
        try:
            hazards.check(traced.process, self._tracer.trial)
            traced.attach(self._tracer, slot)
        except BaseException:
            self._free_slots.append(slot)
            raise
        self.traced.append(traced)
        number = len(self.traced)
        self.spaces[slot] = traced.drawn_as(number, self._lines)
        return number

    def end(self, traced: Traced, how: str) -> None:
        """It counts no longer. What it counted has been read; its slot is swept."""
        traced.end(self._tracer, how)
        self._sweeper.retire(traced.slot)
        if how == "exec":  # its process lives on, and does not need them
            self._removals.add(traced.take_attachment())

    def sweep(self) -> None:
        """A bounded piece of that work; a slot that has become clean is given out again."""
        freed = self._sweeper.step()
        if freed is not None:
            self._free_slots.insert(0, freed)

    def close(self) -> None:
        """Remove the probes of all."""
        for traced in self.traced:
            traced.close()
