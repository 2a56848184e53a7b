"""Allocator families as data: what their functions are called and what their arguments mean.

A new family is a new entry in FAMILIES. Leaves finding them in a process to `plan`, and what the
kernel side does with a shape to `bpf/`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from ebpftrace.target.elf_symbols import Symbol

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

    An id is never given to another function: snapshots keep it. `calls`: a function that it calls
    by name, which the dynamic linker may bind to another module's.
    """

    id: int
    name: str
    shape: Shape
    aliases: tuple[str, ...] = ()
    calls: str = ""

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
    call failed and the block lives. `exceptions`: whether a C++ exception can pass its functions,
    where the code that they run can throw one. `twin`: its own name for malloc, and `weak_malloc`:
    its malloc is a weak symbol; a malloc that is not is the program's own, whatever it is linked
    with. `inner`: functions that free what no probed function gave.
    """

    name: str
    markers: tuple[str, ...]
    functions: tuple[Function, ...]
    zero_realloc_frees: bool
    exceptions: bool = False
    twin: str = ""
    weak_malloc: bool = False
    inner: tuple[str, ...] = ()


# Where two functions share their code (glibc's aligned_alloc and memalign do), the first one in
# this order gives the site its name; the plan shows both.
_STANDARD = (
    Function(1, "malloc", Shape.MALLOC, ("__libc_malloc",)),
    Function(2, "calloc", Shape.CALLOC, ("__libc_calloc",)),
    Function(3, "realloc", Shape.REALLOC, ("__libc_realloc",)),
    # glibc's ends in a jump to realloc through its PLT (malloc/reallocarray.c).
    Function(4, "reallocarray", Shape.REALLOCARRAY, ("__libc_reallocarray",), calls="realloc"),
    Function(5, "aligned_alloc", Shape.MEMALIGN, ("__libc_aligned_alloc",)),
    Function(6, "memalign", Shape.MEMALIGN, ("__libc_memalign",)),
    Function(7, "posix_memalign", Shape.POSIX_MEMALIGN, ("__posix_memalign",)),
    Function(8, "valloc", Shape.MALLOC, ("__libc_valloc",)),
    Function(9, "pvalloc", Shape.MALLOC, ("__libc_pvalloc",)),
    Function(10, "free", Shape.FREE, ("__libc_free", "cfree", "__libc_cfree")),
    Function(11, "free_sized", Shape.FREE),
    Function(12, "free_aligned_sized", Shape.FREE),
)

# No exception passes the C functions of an allocator that is named here: they run no code but their
# own. What throws is operator new, and it does so when the malloc below it has returned. Hooks
# that a program sets (glibc's before 2.34, extent hooks of jemalloc) are C functions by contract.
FAMILIES: tuple[Family, ...] = (
    # malloc_info and __libc_pvalloc come from the same object file as glibc's malloc, in libc.so
    # and in static executables. Replacements define one of them at most: gperftools the second,
    # scudo the first, and neither defines both.
    Family(
        "glibc",
        ("malloc_info", "__libc_pvalloc"),
        _STANDARD,
        zero_realloc_frees=True,
        twin="__libc_malloc",
        inner=("tcache_thread_shutdown", "__malloc_arena_thread_freeres"),
    ),
    # C++ for the sake of operator new alone (src/jemalloc_cpp.cpp, which imports __throw_bad_alloc);
    # malloc is C and knows no new handler. Built with a prefix (je_malloc) it defines no plain name.
    # realloc(block, 0): opt.zero_realloc is "free" on Linux, and before 5.3 it always freed.
    Family("jemalloc", ("mallctl", "mallocx"), _STANDARD, zero_realloc_frees=True),
    # gperftools: with tc_set_new_mode(1) malloc calls the new handler. A bad_alloc of it is caught
    # below malloc (handle_oom in tcmalloc.cc); anything else meets noexcept, which ends the program
    # with or without a probe. realloc(block, 0) is do_free.
    Family(
        "tcmalloc",
        ("tc_malloc", "tc_set_new_mode"),
        _STANDARD,
        zero_realloc_frees=True,
        twin="tc_malloc",
    ),
    # C; the new handler is called by its mi_new alone. realloc(block, 0) returns a live block.
    Family(
        "mimalloc", ("mi_malloc", "mi_free"), _STANDARD, zero_realloc_frees=False, twin="mi_malloc"
    ),
    # C; realloc(block, 0) returns a live block. In libc.so the two stages of its loader tell it,
    # in a static executable two functions of mallocng (1.2.1 and newer), of which malloc is a weak
    # front (src/malloc/lite_malloc.c): there the program may have a malloc of its own beside them.
    Family("musl", ("__dls2b", "__dls3"), _STANDARD, zero_realloc_frees=False),
    Family(
        "musl",
        ("__libc_malloc_impl", "__malloc_alloc_meta"),
        _STANDARD,
        zero_realloc_frees=False,
        weak_malloc=True,
    ),
    # Whatever else takes the standard names, written in any language.
    Family("c", (), _STANDARD, zero_realloc_frees=False, exceptions=True),
)
"""In the order in which they are tried: the first whose markers a module defines names it."""

FUNCTIONS: dict[int, Function] = {f.id: f for family in FAMILIES for f in family.functions}
"""Every function by its number."""

ALL_NAMES: frozenset[str] = frozenset(
    name
    for family in FAMILIES
    for names in (
        family.markers,
        *(function.names for function in family.functions),
        (family.twin,),
    )
    for name in names
    if name
)
"""Every name that decides anything: what to look for in a module."""


def family_of(defined: Sequence[Symbol]) -> Family | None:
    """The family that a module defining the symbols `defined` has, None where it has none."""
    names = {symbol.name for symbol in defined}
    for family in FAMILIES:
        if (
            all(marker in names for marker in family.markers)
            and any(name in names for function in family.functions for name in function.names)
            and _owns_malloc(family, defined)
        ):
            return family
    return None


def _owns_malloc(family: Family, defined: Sequence[Symbol]) -> bool:
    """False where malloc is another function than the one that `family` brings."""
    plain = [symbol for symbol in defined if symbol.name == "malloc"]
    if family.weak_malloc and any(symbol.bind != "weak" for symbol in plain):
        return False
    twins = {symbol.value for symbol in defined if symbol.name == family.twin}
    return not twins or all(symbol.value in twins for symbol in plain)
