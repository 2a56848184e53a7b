"""Allocator families as data: what their functions are called and what their arguments mean.

A new family is a new entry in FAMILIES. Leaves finding them in a process to `plan`, and what the
kernel side does with a shape to `bpf/`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Literal

Role = Literal["birth", "resize", "death"]


class Shape(Enum):
    """What the arguments of a function are. The value is the shape's number in the kernel."""

    MALLOC = 1
    """(size) -> block"""
    CALLOC = 2
    """(count, size) -> block"""
    MEMALIGN = 3
    """(alignment, size) -> block"""
    POSIX_MEMALIGN = 4
    """(where to store the block, alignment, size) -> 0, or an error number"""
    REALLOC = 5
    """(old block, size) -> block"""
    REALLOCARRAY = 6
    """(old block, count, size) -> block"""
    FREE = 7
    """(block, ...) -> nothing"""

    @property
    def role(self) -> Role:
        if self is Shape.FREE:
            return "death"
        return "resize" if self in (Shape.REALLOC, Shape.REALLOCARRAY) else "birth"

    @property
    def arguments(self) -> tuple[int, ...]:
        """The numbers of the arguments that a probe reads, the first being 0."""
        return _ARGUMENTS[self]


_ARGUMENTS: dict[Shape, tuple[int, ...]] = {
    Shape.MALLOC: (0,),
    Shape.CALLOC: (0, 1),
    Shape.MEMALIGN: (1,),
    Shape.POSIX_MEMALIGN: (0, 2),
    Shape.REALLOC: (0, 1),
    Shape.REALLOCARRAY: (0, 1, 2),
    Shape.FREE: (0,),
}


@dataclass(frozen=True, slots=True)
class Function:
    """One function of an allocator under all its names; `id` is its number in the kernel (>= 1).

    An id is never given to another function: snapshots keep it.
    """

    id: int
    name: str
    shape: Shape
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.aliases)

    @property
    def role(self) -> Role:
        return self.shape.role

    @property
    def arguments(self) -> tuple[int, ...]:
        return self.shape.arguments


@dataclass(frozen=True, slots=True)
class Family:
    """An allocator: a module that defines all `markers` and any of `functions` has it.

    `zero_realloc_frees`: NULL from realloc(block, 0) means that the block was freed; else that the
    call failed and the block lives.
    """

    name: str
    markers: tuple[str, ...]
    functions: tuple[Function, ...]
    zero_realloc_frees: bool


# Where two functions share their code (glibc's aligned_alloc and memalign do), the first one in
# this order gives the site its name; the plan shows both.
_STANDARD = (
    Function(1, "malloc", Shape.MALLOC, ("__libc_malloc",)),
    Function(2, "calloc", Shape.CALLOC, ("__libc_calloc",)),
    Function(3, "realloc", Shape.REALLOC, ("__libc_realloc",)),
    Function(4, "reallocarray", Shape.REALLOCARRAY, ("__libc_reallocarray",)),
    Function(5, "aligned_alloc", Shape.MEMALIGN, ("__libc_aligned_alloc",)),
    Function(6, "memalign", Shape.MEMALIGN, ("__libc_memalign",)),
    Function(7, "posix_memalign", Shape.POSIX_MEMALIGN, ("__posix_memalign",)),
    Function(8, "valloc", Shape.MALLOC, ("__libc_valloc",)),
    Function(9, "pvalloc", Shape.MALLOC, ("__libc_pvalloc",)),
    Function(10, "free", Shape.FREE, ("__libc_free", "cfree", "__libc_cfree")),
    Function(11, "free_sized", Shape.FREE),
    Function(12, "free_aligned_sized", Shape.FREE),
)

FAMILIES: tuple[Family, ...] = (
    # malloc_info and __libc_pvalloc come from the same object file as glibc's malloc, in libc.so
    # and in static executables. Replacements define one of them at most: gperftools the second,
    # scudo the first, and neither defines both.
    Family("glibc", ("malloc_info", "__libc_pvalloc"), _STANDARD, zero_realloc_frees=True),
    # Whatever else takes the standard names: musl, jemalloc, mimalloc return a live block for
    # realloc(block, 0).
    Family("c", (), _STANDARD, zero_realloc_frees=False),
)
"""In the order in which they are tried: the first whose markers a module defines names it."""

FUNCTIONS: dict[int, Function] = {f.id: f for family in FAMILIES for f in family.functions}
"""Every function by its number."""

ALL_NAMES: frozenset[str] = frozenset(
    name
    for family in FAMILIES
    for names in (family.markers, *(function.names for function in family.functions))
    for name in names
)
"""Every name that decides anything: what to look for in a module."""


def family_of(defined: Collection[str]) -> Family | None:
    """The family that a module defining the names `defined` has, None where it has none."""
    for family in FAMILIES:
        if all(marker in defined for marker in family.markers) and any(
            name in defined for function in family.functions for name in function.names
        ):
            return family
    return None
