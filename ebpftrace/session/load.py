"""What each way of watching would cost the targets, by the calls that they make. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ebpftrace.kernel.prices import Prices
from ebpftrace.model.modes import GROWTH, Level
from ebpftrace.probes.faults import FAULT
from ebpftrace.probes.functions import Function
from ebpftrace.probes.mappings import MappingFunction
from ebpftrace.probes.numbers import PASSED, UNHELD

_NS = 1e9
NO_CALLS = frozenset({PASSED, UNHELD, FAULT.id})
"""In hits, what is no call of a function."""


@dataclass(frozen=True, slots=True)
class Load:
    """Nanoseconds that calls would cost in a second if all of them were followed.

    `resize_entry_ns`: what a resize costs that is not: of a block that is not held. `birth_entry_ns`: the
    same of births, where their probes stay in place. `unheld_ns`: what all frees cost where nothing is held.
    """

    birth_ns: float
    birth_entry_ns: float
    resize_ns: float
    resize_entry_ns: float
    death_ns: float
    unheld_ns: float
    faults_ns: float = 0.0
    """What page faults would cost, were they watched."""

    def percent(self, level: Level, *, gated: bool) -> float:
        """Of one processor, in that level; `gated`: the probes of births stay, and only do nothing."""
        if level == GROWTH:
            return 100 * self.faults_ns / _NS
        share = 1 / level.scale
        kept = self.birth_entry_ns if gated and level.scale > 1 else 0.0
        births = kept + (self.birth_ns - kept) * share
        resizes = self.resize_entry_ns + (self.resize_ns - self.resize_entry_ns) * share
        deaths = self.unheld_ns + (self.death_ns - self.unheld_ns) * share
        return 100 * (births + resizes + deaths) / _NS


class Births(NamedTuple):
    """So many a second; the part of them that the kernel steps through."""

    per_s: float
    stepped: float = 0.0


def load_of(
    hits: Mapping[int, tuple[int, int]],
    passed_s: float,
    told: Births | None,
    prices: Prices,
    stepped: frozenset[int],
    functions: Mapping[int, Function],
) -> Load:
    """From `hits` (entries, returns) by function in `passed_s` seconds.

    `told`: births where not all of them have hit a probe; None: all have.
    """

    def of(role: str, price: Callable[[Function, int, int], float]) -> float:
        found = 0.0
        for number, (entries, returns) in hits.items():
            if number not in NO_CALLS and functions[number].role == role:
                extra = prices.stepped_ns * entries if number in stepped else 0.0
                found += price(functions[number], entries, returns) + extra
        return found / passed_s

    def followed(function: Function, entries: int, returns: int) -> float:
        calls = min(entries, returns) if function.returns else entries
        return calls * prices.of_role(function.role) + (entries - calls) * prices.nested_ns

    def entered(_: Function, entries: int, __: int) -> float:
        return entries * prices.nested_ns

    def unheld(_: Function, entries: int, __: int) -> float:
        return entries * prices.unheld_ns

    def all_followed(function: Function, entries: int, _: int) -> float:
        return entries * prices.of_role(function.role)

    if told is None:
        births, passing = of("birth", followed), of("birth", entered)
    else:
        extra = prices.stepped_ns * told.stepped
        births = told.per_s * (prices.birth_ns + extra)
        passing = told.per_s * (prices.nested_ns + extra)
    return Load(
        birth_ns=births,
        birth_entry_ns=passing,
        resize_ns=of("resize", all_followed),
        resize_entry_ns=of("resize", entered),
        death_ns=of("death", followed),
        unheld_ns=of("death", unheld),
    )


def stepped_births(
    hits: Mapping[int, tuple[int, int]],
    stepped: Iterable[int],
    functions: Mapping[int, Function],
) -> float:
    """The part of the births in `hits` that is stepped through.

    Where there are none: all, if an allocator has such a function. Not of the kernel's mappings, of which
    `brk` is one nearly everywhere: they are few beside an allocator's calls.
    """
    births = {
        number: entries
        for number, (entries, _) in hits.items()
        if number not in NO_CALLS and functions[number].role == "birth"
    }
    if every := sum(births.values()):
        return sum(births.get(number, 0) for number in stepped) / every
    possible = (functions[number] for number in stepped if number in functions)
    return float(any(f.role == "birth" and not isinstance(f, MappingFunction) for f in possible))


def calls_per_s(
    hits: Mapping[int, tuple[int, int]],
    passed_s: float,
    role: str,
    functions: Mapping[int, Function],
) -> float:
    """Entries of the functions of that role."""
    entries = sum(
        counts[0]
        for number, counts in hits.items()
        if number not in NO_CALLS and functions[number].role == role
    )
    return entries / passed_s
