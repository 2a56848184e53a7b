"""What a call of an allocator function costs the target while it is probed, in nanoseconds. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ebpftrace.probes.faults import FAULT
from ebpftrace.probes.functions import Function, Role
from ebpftrace.probes.numbers import ALL_FUNCTIONS, PASSED, UNHELD
from ebpftrace.probes.plan import Probe

STACK_DEPTH = 10
"""Frames of the stack at which the prices were measured; 11 ns for each further one."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Measured on this host: a call with all that is done for it.

    `nested_ns`: an entry whose call is not followed. `unheld_ns`: a free of a block that is not held. `stepped_ns`: what comes on top where the
    kernel has to step through the instruction under the breakpoint.
    """

    birth_ns: float
    resize_ns: float
    death_ns: float
    nested_ns: float
    unheld_ns: float
    stepped_ns: float
    fault_ns: float | None = None
    """A page fault, where those are watched; None: not measured."""

    programs: "Prices | None" = None
    """What of all this our programs take by the kernel's own clock; None where it has none."""

    def slower(self, factor: float) -> "Prices":
        """Where the programs take so many times as long as when this was measured."""
        own = self.programs
        if own is None or factor == 1:
            return self
        more = factor - 1
        return replace(
            self,
            birth_ns=self.birth_ns + more * own.birth_ns,
            resize_ns=self.resize_ns + more * own.resize_ns,
            death_ns=self.death_ns + more * own.death_ns,
            unheld_ns=self.unheld_ns + more * own.unheld_ns,
            fault_ns=self.fault_ns and self.fault_ns + more * (own.fault_ns or 0.0),
        )

    def with_fault(self, fault_ns: float, ran_ns: float | None) -> "Prices":
        """And a page fault costs that, of which our program takes `ran_ns`."""
        own = self.programs and replace(self.programs, fault_ns=ran_ns)
        return replace(self, fault_ns=fault_ns, programs=own)

    def of_role(self, role: Role) -> float:
        """A call of a function of that role, well placed."""
        return {"birth": self.birth_ns, "resize": self.resize_ns, "death": self.death_ns}[role]

    def of_probe(self, probe: Probe) -> float:
        """A call of the function that `probe` belongs to; of an exit what comes on top of that.

        The price of a call has the exit by which it leaves. A branch that is probed may be passed without
        leaving; a `ret`, which is stepped through, may not.
        """
        stepped = self.stepped_ns if _is_stepped(probe) else 0.0
        if probe.kind == "exit":
            return stepped or self.nested_ns
        return self.of_role(probe.function.role) + stepped

    def of_hits(
        self,
        hits: Mapping[int, tuple[int, int]],
        stepped: frozenset[int],
        functions: Mapping[int, Function] = ALL_FUNCTIONS,
    ) -> float:
        """Nanoseconds for the hits (entries, returns) of each function, by its number.

        Those of exits at which no call has ended stand under PASSED, frees of what is not held under UNHELD.
        `stepped`: functions that are stepped through somewhere: all their entries are taken for
        such, so that the price is rather over- than understated.
        """
        total = 0.0
        for number, (entries, returns) in hits.items():
            if number == PASSED:
                total += returns * self.nested_ns
                continue
            if number == UNHELD:  # they are among the deaths
                total += entries * (self.unheld_ns - self.death_ns)
                continue
            if number == FAULT.id:
                total += entries * (self.fault_ns or 0.0)
                continue
            function = functions[number]
            role = function.role
            followed = returns if function.returns else entries
            total += followed * self.of_role(role)
            total += max(entries - followed, 0) * self.nested_ns
            total += entries * self.stepped_ns if number in stepped else 0.0
        return total


def stepped_functions(probes: Iterable[Probe]) -> frozenset[int]:
    """The numbers of the functions that are stepped through at one place at least."""
    return frozenset(p.function.id for p in probes if _is_stepped(p) and p.kind == "entry")


def _is_stepped(probe: Probe) -> bool:
    return probe.cost != "emulated"  # or not known


def median(readings: Sequence[float]) -> float:
    """The middle one of an odd number of readings."""
    return sorted(readings)[len(readings) // 2]
