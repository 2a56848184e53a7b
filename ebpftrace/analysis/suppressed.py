"""What suppressions hide of a picture, in figures."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ebpftrace.model.picture import Site


class By(NamedTuple):
    """What one suppression hides; several of the same name are one."""

    name: str
    sites: int
    blocks: int
    bytes: int


class Suppressed(NamedTuple):
    """All that is hidden, and by what: most bytes first, only what hides a site."""

    sites: int = 0
    blocks: int = 0
    bytes: int = 0
    by: tuple[By, ...] = ()


NOTHING = Suppressed()


def suppressed(sites: Sequence[Site], hidden: Mapping[int, str]) -> Suppressed:
    """Of all `sites`, those that are `hidden`, by index, and the names of what hides them."""
    found: dict[str, tuple[int, int, int]] = {}
    for index, name in hidden.items():
        counts = sites[index].counts
        number, blocks, size = found.get(name, (0, 0, 0))
        found[name] = number + 1, blocks + counts.blocks, size + counts.bytes
    if not found:
        return NOTHING
    by = [By(name, *sums) for name, sums in found.items()]
    by.sort(key=lambda one: (-one.bytes, -one.blocks, one.name))
    numbers, blocks_of, sizes = zip(*found.values(), strict=True)
    return Suppressed(sum(numbers), sum(blocks_of), sum(sizes), tuple(by))
