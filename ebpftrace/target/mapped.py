"""The mappings of a process as a snapshot keeps them."""

from ebpftrace.model.snapshot import MappedRange
from ebpftrace.target.space import AddressSpace
from ebpftrace.text import clean

MOST_MAPPINGS = 65_536
"""Of one process: a little more than the usual vm.max_map_count."""


def mapped_ranges(space: AddressSpace) -> tuple[MappedRange, ...]:
    """All mappings as last read, MOST_MAPPINGS at most; build ids of files that run in it.

    A file that was not looked into before is now: 0.3 ms each.
    """
    names: dict[str, str] = {}
    rows = []
    for mapping in space.mappings[:MOST_MAPPINGS]:
        name = names.get(mapping.path)
        if name is None:
            name = names[mapping.path] = clean(mapping.path)
        image = space.image_at(mapping)
        build_id = image.build_id if image is not None else None
        rows.append(
            MappedRange(mapping.start, mapping.end, mapping.perms, mapping.offset, name, build_id)
        )
    return tuple(rows)
