"""Where the code of allocators lies: by file, so that it is found wherever that is mapped.

By it a free that an allocator calls itself is told from the program's own. Leaves merging the ranges to
`ranges`, and how many there may be.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from typing import Literal, NamedTuple

from ebpftrace.model.ids import Address, FileOffset
from ebpftrace.probes.definitions import Found
from ebpftrace.probes.ranges import Range, merge
from ebpftrace.target.modules import Module
from ebpftrace.target.process import Process

Kind = Literal["function", "allocator", "library"]

# Libraries of which most is no allocator: what they free besides is the program's as much as theirs.
_C_LIBRARIES = ("glibc", "musl")


class Part(NamedTuple):
    """`size` bytes of the file of `module` from `offset` on; of size 0: all of its code.

    `kind`: a probed function, a library that is nothing but an allocator, or one that is more.
    """

    module: Module
    kind: Kind
    offset: FileOffset = FileOffset(0)
    size: int = 0

    def mapped(self) -> Iterator[Range]:
        """Where it is now."""
        if not self.size:
            yield from ((part.start, part.end) for part in self.module.mappings if part.executable)
            return
        for start in self.module.address_of(self.offset):
            yield start, Address(start + self.size)


def parts_of(found: Found, process: Process) -> Iterator[Part]:
    """The functions of an allocator, and where it frees what nobody allocated from it by a probed call.

    A thread of glibc that ends gives back its cache, and the blocks in it, by `free`
    (tcache_thread_shutdown of malloc/malloc.c). A library that is preloaded frees what it has got
    from the next malloc, whose blocks are its own blocks with a header. In a program that brings its
    allocator along only the functions that do such a thing are the allocator's, as far as their
    names are left.
    """
    module = found.module
    for each in found.definitions:
        yield Part(module, "function", each.offset, each.size)
    if os.fsencode(module.name) == os.fsencode(process.exe):
        yield from _inner(found)
        return
    names = {name for each in found.definitions for name in each.names}
    if (
        "free" in names
    ):  # and not operator delete alone, or what somebody keeps for himself by a prefix
        whole = "malloc" in names and found.family.name not in _C_LIBRARIES
        yield Part(module, "allocator" if whole else "library")


def _inner(found: Found) -> Iterator[Part]:
    image = found.module.image
    if image is None or found.names is None or not found.family.inner:
        return
    for symbol in found.names.symbols(found.family.inner):
        offset = image.file_offset(symbol.value)
        if offset is not None:
            yield Part(found.module, "library", offset, symbol.size)


def ranges(
    parts: Iterable[Part], kinds: Collection[Kind], loaded: Collection[Module] | None = None
) -> tuple[Range, ...]:
    """At most 32, ascending: those of such parts, of modules that are `loaded` if it is given."""
    return merge(
        place
        for part in parts
        if part.kind in kinds and (loaded is None or part.module in loaded)
        for place in part.mapped()
    )
