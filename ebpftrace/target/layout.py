"""What is mapped where in a process, by address, and what was.

Owns finding the mapping of an address. Leaves reading the maps to `space`.
"""

from bisect import bisect_right
from collections.abc import Sequence

from ebpftrace.model.ids import Address
from ebpftrace.target.maps import Mapping

MOST_MAPPINGS = 200_000
"""Mappings of the past are forgotten beyond that; three times the usual vm.max_map_count."""


class Layout:
    """Mappings by address, immutable; `after` makes the next one."""

    def __init__(self, mappings: Sequence[Mapping] = ()) -> None:
        """`mappings` ascend and do not overlap."""
        self._mappings = mappings
        self._starts = [mapping.start for mapping in mappings]

    def find(self, address: Address) -> Mapping | None:
        """The mapping that `address` lies in."""
        at = bisect_right(self._starts, address) - 1
        if at < 0 or address >= self._mappings[at].end:
            return None
        return self._mappings[at]

    def after(self, now: Sequence[Mapping]) -> "Layout":
        """This layout with the mappings of `now`; old code stays where nothing else is by now.

        A library that was unloaded is still in the stacks of the blocks it left behind.
        """
        code = (old for old in self._mappings if old.executable and old.file_backed)
        kept = [old for old in code if not _overlaps(old, now)]
        room = max(0, MOST_MAPPINGS - len(now))
        return Layout(sorted([*now, *kept[:room]], key=lambda mapping: mapping.start))


def _overlaps(old: Mapping, now: Sequence[Mapping]) -> bool:
    """Whether any of `now`, ascending, has an address of `old`."""
    at = bisect_right(now, old.start, key=lambda mapping: mapping.end)
    return at < len(now) and now[at].start < old.end
