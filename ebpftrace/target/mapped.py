"""The mappings of a process as a snapshot keeps them."""

from collections.abc import Mapping as Names
from collections.abc import Sequence

from ebpftrace.model.snapshot import MappedRange
from ebpftrace.target.maps import Mapping
from ebpftrace.target.modules import ModuleKey, key_of
from ebpftrace.target.space import AddressSpace
from ebpftrace.text import clean

MOST_MAPPINGS = 65_536
"""Of one process: a little more than the usual vm.max_map_count."""


def build_ids(space: AddressSpace) -> dict[ModuleKey, str]:
    """Of the files that ran in it, where they have one.

    A file that was not looked into before is now: 0.2 ms each.
    """
    found = ((module.key, module.build_id) for module in space.modules)
    return {key: build_id for key, build_id in found if build_id is not None}


def mapped_ranges(
    mappings: Sequence[Mapping], builds: Names[ModuleKey, str]
) -> tuple[MappedRange, ...]:
    """MOST_MAPPINGS at most; `builds` as `build_ids` gave them."""
    return tuple(
        MappedRange(
            mapping.start,
            mapping.end,
            mapping.perms,
            mapping.offset,
            clean(mapping.path),
            builds.get(key_of(mapping)) if mapping.file_backed else None,
        )
        for mapping in mappings[:MOST_MAPPINGS]
    )
