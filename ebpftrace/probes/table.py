"""A plan as text, for `ebpftrace probes`: a table for each allocator in each file. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ebpftrace.model.ids import ImageAddress
from ebpftrace.probes.functions import spelled
from ebpftrace.probes.plan import Plan, Probe

_HEADINGS = ("FUNCTION", "PROBES", "OFFSET", "INSTRUCTION", "COST", "WHY")
_MOST_NAMES = 4  # of one function beside its own
_MOST_EXITS = 4  # whose offsets are shown


@dataclass(frozen=True, slots=True)
class Row:
    """One function: where its entry is probed ("entry", "entry+return"), or its exits ("5 exits")."""

    function: str
    kinds: str
    offset: str
    instruction: str
    cost: str
    reason: str

    @property
    def cells(self) -> tuple[str, ...]:
        return (
            self.function,
            self.kinds,
            self.offset,
            self.instruction,
            self.cost,
            self.reason,
        )


@dataclass(frozen=True, slots=True)
class Part:
    """What is probed of one allocator in one file."""

    family: str
    file: str
    rows: tuple[Row, ...]


Price = Callable[[Probe], float]
"""Nanoseconds that a call of the probed function costs the target; of an exit, what that adds."""


def parts(plan: Plan, price: Price | None = None) -> tuple[Part, ...]:
    """By allocator and file, the functions of each in the order of attaching."""
    grouped: dict[tuple[str, int], list[Probe]] = {}
    for probe in plan.probes:
        grouped.setdefault((probe.family.name, id(probe.module)), []).append(probe)
    return tuple(
        Part(family, probes[0].module.name, _rows(probes, price))
        for (family, _), probes in grouped.items()
    )


def describe(plan: Plan, price: Price | None = None) -> list[str]:
    """The lines to print: which allocators, a table for each, then the notes."""
    lines = [f"allocators: {', '.join(plan.families)}"]
    made = parts(plan, price)
    table = _aligned([_HEADINGS, *(row.cells for part in made for row in part.rows)])
    heading, remaining = table[0], iter(table[1:])
    for part in made:
        lines += ["", f"{part.family} in {part.file}", f"  {heading}"]
        lines += [f"  {next(remaining)}" for _ in part.rows]
    if plan.notes:
        lines += ["", *(f"note: {note}" for note in plan.notes)]
    return lines


def _rows(probes: Sequence[Probe], price: Price | None) -> tuple[Row, ...]:
    """Of each function its entry, then its exits."""
    functions: dict[ImageAddress, list[Probe]] = {}
    for probe in probes:
        functions.setdefault(probe.image_address, []).append(probe)
    rows = []
    for of_one in functions.values():
        exits = [probe for probe in of_one if probe.kind == "exit"]
        entry = [probe for probe in of_one if probe.kind != "exit"]
        if entry:
            rows.append(_row(entry, price))
        if exits:
            rows.append(_leaving(exits, price))
    return tuple(rows)


def _row(probes: Sequence[Probe], price: Price | None) -> Row:
    probe = probes[0]
    names = list(dict.fromkeys(map(spelled, probe.names)))
    others = [name for name in names if name != names[0]]
    # The operators first: they are what a program calls.
    others.sort(key=lambda name: not name.startswith("operator "))
    if len(others) > _MOST_NAMES:
        others[_MOST_NAMES - 1 :] = [f"{len(others) - _MOST_NAMES + 1} more"]
    also = f" (also {', '.join(others)})" if others else ""
    return Row(
        function=f"{names[0]}{also}",
        kinds="+".join(sorted(each.kind for each in probes)),
        offset=f"{probe.offset - probe.moved:#x}{f'{probe.moved:+}' if probe.moved else ''}",
        instruction=probe.instruction or "-",
        cost=f"{price(probe):,.0f} ns, {probe.cost}" if price else probe.cost,
        reason=probe.reason,
    )


def _leaving(exits: Sequence[Probe], price: Price | None) -> Row:
    """All exits of one function in one row."""
    places = sorted(exits, key=lambda probe: probe.moved)
    shown = [f"{probe.moved:+}" for probe in places[:_MOST_EXITS]]
    more = len(places) - len(shown)
    stepped = [probe for probe in places if probe.cost != "emulated"]
    free = [probe for probe in places if probe.cost == "emulated"]
    return Row(
        function=spelled(exits[0].names[0]),
        kinds="1 exit" if len(exits) == 1 else f"{len(exits)} exits",
        offset=f"{exits[0].offset - exits[0].moved:#x}{','.join(shown)}{f' and {more} more' if more else ''}",
        instruction=", ".join(dict.fromkeys(probe.instruction.split()[0] for probe in places)),
        cost="; ".join(_each(some, len(exits), price) for some in (free, stepped) if some),
        reason=exits[0].reason,
    )


def _each(some: Sequence[Probe], of: int, price: Price | None) -> str:
    """What one of `some` adds to the price of a call; how many they are, unless all."""
    many = f"{len(some)} " if len(some) < of else ""
    said = f"{many}{some[0].cost}"
    return f"{price(some[0]):+,.0f} ns, {said}" if price else said


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
