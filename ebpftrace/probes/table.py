"""A plan as a text table, for `ebpftrace probes`. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ebpftrace.probes.plan import Plan, Probe

_HEADINGS = ("FUNCTION", "PROBES", "FILE", "OFFSET", "INSTRUCTION", "COST", "WHY")


@dataclass(frozen=True, slots=True)
class Row:
    """One probed place, with what is attached there ("entry", "entry+return")."""

    function: str
    kinds: str
    file: str
    offset: str
    instruction: str
    cost: str
    reason: str

    @property
    def cells(self) -> tuple[str, ...]:
        return (
            self.function,
            self.kinds,
            self.file,
            self.offset,
            self.instruction,
            self.cost,
            self.reason,
        )


Price = Callable[[Probe], float]
"""Nanoseconds that a call of the probed function costs the target."""


def rows(plan: Plan, price: Price | None = None) -> tuple[Row, ...]:
    """One row for each place, in the order of attaching."""
    places: dict[tuple[int, int], list[Probe]] = {}
    for probe in plan.probes:
        places.setdefault((id(probe.module), probe.offset), []).append(probe)
    return tuple(_row(probes, price) for probes in places.values())


def describe(plan: Plan, price: Price | None = None) -> list[str]:
    """The lines to print: a table, then the notes."""
    lines = _aligned([_HEADINGS, *(row.cells for row in rows(plan, price))])
    if plan.notes:
        lines += ["", *(f"note: {note}" for note in plan.notes)]
    return lines


def _row(probes: Sequence[Probe], price: Price | None) -> Row:
    probe = probes[0]
    others = [name for name in probe.names if name != probe.function.name]
    also = f" (also {', '.join(others)})" if others else ""
    where = f"+{probe.moved}" if probe.moved else ""
    return Row(
        function=f"{probe.function.name}{also}",
        kinds="+".join(sorted(probe.kind for probe in probes)),
        file=probe.module.name,
        offset=f"{probe.offset - probe.moved:#x}{where}",
        instruction=probe.instruction or "-",
        cost=f"{price(probe):,.0f} ns, {probe.cost}" if price else probe.cost,
        reason=probe.reason,
    )


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
