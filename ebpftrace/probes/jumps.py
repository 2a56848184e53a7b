"""Functions that free by a jump to another one, which has a probe: theirs would be a second hit.

Owns which probes are left out for that (`operator delete` of jemalloc is `jmp free`). Of births none is:
who called operator new[] wants to see that name. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ebpftrace.model.ids import ImageAddress
from ebpftrace.probes.pools import FAMILY_ID as POOL
from ebpftrace.probes.returns import linked

if TYPE_CHECKING:
    from ebpftrace.probes.plan import Probe

_MOST_JUMPS = 8  # one after the other
_ENDBR = 4  # bytes


def joined(probes: Sequence["Probe"], *, everything: bool) -> list["Probe"]:
    """`probes` without those that another one makes superfluous, which has their names.

    `everything`: every definition that there is has its probe. Else what the dynamic linker binds may
    lead to one that has none.
    """
    kept = list(probes)
    for module in {id(probe.module): probe.module for probe in probes}.values():
        deaths = [probe for probe in probes if probe.module is module and _is_death(probe)]
        jumping = [probe for probe in deaths if _jumps(probe)]
        if not jumping or module.image is None or module.image.machine != "x86_64":
            continue
        names = linked(module.image) if everything else {}
        places = {probe.image_address: probe for probe in deaths}
        ends = {id(probe): _end(probe, places, names) for probe in jumping}
        for probe in jumping:
            end = ends[id(probe)]
            if end is not None:
                kept.remove(probe)
                at = next(n for n, each in enumerate(kept) if each.place == end.place)
                kept[at] = replace(kept[at], names=(*kept[at].names, *probe.names))
    return kept


def _is_death(probe: "Probe") -> bool:
    """Of an allocator: each pool that the user has named counts its own frees."""
    return probe.function.role == "death" and probe.kind == "entry" and probe.family.id != POOL


def _jumps(probe: "Probe") -> bool:
    """Is it a jump and nothing else? What is called finds the arguments where the caller has put them."""
    first = probe.moved == 0 or (probe.moved == _ENDBR and "`endbr64`" in probe.reason)
    return first and probe.instruction.startswith("jmp 0x")


def _is_alike(one: "Probe", other: "Probe") -> bool:
    """Of one allocator, and given the block in the same place."""
    return one.family.id == other.family.id and one.function.arguments == other.function.arguments


def _end(
    probe: "Probe", places: Mapping[ImageAddress, "Probe"], names: Mapping[ImageAddress, str]
) -> "Probe | None":
    """The probe of the function to which the jumps lead; None where there is none."""
    end = probe
    for _ in range(_MOST_JUMPS):
        if not _jumps(end):
            return end
        address = ImageAddress(int(end.instruction.removeprefix("jmp "), 16))
        name = names.get(address)
        following = places.get(address)
        if name is not None:
            following = next((each for each in places.values() if name in each.names), None)
        if following is None or not _is_alike(probe, following):
            return None if end is probe else end
        end = following
    return None
