"""Which part of a process's memory, and of which file, a place in the code lies in, for pprof.

By the mappings of the process where the snapshot has them, else by what the place says of its module.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from ebpftrace.export.formats.places import Place
from ebpftrace.model.ids import Slot
from ebpftrace.model.snapshot import MappedRange, Snapshot

_PAGE = 4096
_MOST = (1 << 64) - 1
_ANONYMOUS = "[anon]"
_JIT = "[JIT]"  # what named code of no file has for a module
_DELETED = " (deleted)"  # proc_pid_maps(5)


@dataclass(slots=True)
class Mapping:
    """As a Mapping of profile.proto; `number` is its id. 0 to 0: where it lies is not known.

    `functions`, `files` and `lines`: all places in it have them. `inlines`: some have several.
    """

    number: int
    start: int
    limit: int
    offset: int
    path: str
    build_id: str
    used: bool = False
    functions: bool = True
    files: bool = True
    lines: bool = True
    inlines: bool = False


_Key = tuple[Slot, MappedRange | tuple[str, str | None, int | None]]


class Mappings:
    """Filled by asking for them. Those of two processes are two, also of equal addresses and files."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._known: dict[_Key, Mapping] = {}
        self._ranges = {
            one.slot: sorted(one.mappings, key=attrgetter("start")) for one in snapshot.processes
        }
        self._starts = {
            slot: [one.start for one in ranges] for slot, ranges in self._ranges.items()
        }
        targets = snapshot.picture.targets
        self._main = targets[0].exe if targets else ""
        if targets:
            self._find_main(targets[0].slot)

    def of(self, slot: Slot, place: Place) -> Mapping | None:
        """None where not even a name is known. For a place with an address."""
        at = instruction(place)
        held = self._range(slot, at)
        if held is not None and _is_of(held, place):
            mapping = self._mapped(slot, held)
        elif place.module is None:
            return None
        else:
            mapping = self._supposed(slot, place, at)
        mapping.used = True
        return mapping

    def all(self) -> Sequence[Mapping]:
        """The main program first, as profile.proto wants it."""
        found = sorted(self._known.values(), key=lambda one: one.path != self._main)
        if self._main and (not found or found[0].path != self._main):
            found.insert(0, Mapping(len(found) + 1, 0, 0, 0, self._main, ""))
        return found

    def _find_main(self, slot: Slot) -> None:
        for held in self._ranges.get(slot, ()):
            if held.path == self._main and "x" in held.perms:
                self._mapped(slot, held)
                return

    def _range(self, slot: Slot, at: int) -> MappedRange | None:
        index = bisect_right(self._starts.get(slot, ()), at) - 1
        if index < 0:
            return None
        held = self._ranges[slot][index]
        return held if at < held.end else None

    def _mapped(self, slot: Slot, held: MappedRange) -> Mapping:
        mapping = self._known.get((slot, held))
        if mapping is None:
            mapping = self._known[slot, held] = Mapping(
                len(self._known) + 1,
                held.start,
                held.end,
                held.offset,
                held.path or _ANONYMOUS,
                held.build_id or "",
            )
        return mapping

    def _supposed(self, slot: Slot, place: Place, at: int) -> Mapping:
        """A file as if it were mapped as a whole, from its first byte up to the last that is known.

        One that lies where it was linked to (bias 0) has no range: pprof would take a start of 0 for
        a kernel that was moved there, and none for addresses that are the file's own.
        """
        assert place.module is not None
        assert place.address is not None
        bias = place.address - (place.address if place.offset is None else place.offset)
        key = (slot, (place.module, place.build_id, bias))
        mapping = self._known.get(key)
        if mapping is None:
            start = bias if 0 < bias <= at else 0
            mapping = self._known[key] = Mapping(
                len(self._known) + 1, start, start, 0, place.module, place.build_id or ""
            )
        if mapping.start:
            mapping.limit = max(mapping.limit, min((at // _PAGE + 1) * _PAGE, _MOST))
        return mapping


def instruction(place: Place) -> int:
    """Within the call that is to return to the place: its last byte, as pprof wants it.

    The place after a call may be another line, or another function where a call never returns.
    """
    assert place.address is not None
    return min(max(place.address - 1, 0), _MOST)


def _is_of(held: MappedRange, place: Place) -> bool:
    """What was mapped when the stack was walked may have made room for something else since."""
    if place.build_id is not None and held.build_id is not None:
        return place.build_id == held.build_id
    if not held.path:
        return place.module in (None, _ANONYMOUS, _JIT)
    return place.module in (None, held.path, held.path.removesuffix(_DELETED))
