"""Allocator families as data: what their functions are called and what their arguments mean.

A new family is a new entry in FAMILIES. Leaves finding them in a process to `plan`, and what the
kernel side does with a shape to `bpf/`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ebpftrace.probes.functions import (
    CXX,
    JEMALLOC,
    MIMALLOC,
    STANDARD,
    Function,
    also,
    prefixed,
    that_hand_on,
    that_throw,
)
from ebpftrace.target.elf_symbols import Symbol

_MANY = ("valloc", "pvalloc", "posix_memalign", "calloc", "realloc")
_COPIES = ("strdup", "strndup", "realpath")
# gperftools' own names of the standard functions (src/gperftools/tcmalloc.h.in).
_TCMALLOC: dict[str, tuple[str, ...]] = {
    "malloc": ("tc_malloc", "tc_malloc_skip_new_handler"),
    **{name: (f"tc_{name}",) for name in (*_MANY, "memalign")},
    "free": ("tc_free", "tc_cfree"),
    "free_sized": ("tc_free_sized",),
    "operator new": ("tc_new",),
    "operator new[]": ("tc_newarray",),
    "operator new(nothrow)": ("tc_new_nothrow",),
    "operator new[](nothrow)": ("tc_newarray_nothrow",),
    "operator new(align_val_t)": ("tc_new_aligned",),
    "operator new[](align_val_t)": ("tc_newarray_aligned",),
    "operator new(align_val_t, nothrow)": ("tc_new_aligned_nothrow",),
    "operator new[](align_val_t, nothrow)": ("tc_newarray_aligned_nothrow",),
    "operator delete": tuple(
        f"tc_delete{array}{form}"
        for array in ("", "array")
        for form in ("", "_sized", "_nothrow", "_aligned", "_sized_aligned", "_aligned_nothrow")
    ),
}
# mimalloc's (include/mimalloc.h, src/alloc-override.c).
_MIMALLOC: dict[str, tuple[str, ...]] = {
    "malloc": ("mi_malloc", "mi_malloc_small"),
    **{name: (f"mi_{name}",) for name in (*_MANY, "memalign", "aligned_alloc")},
    "reallocarray": ("mi_reallocn", "mi_reallocarray"),
    "free": ("vfree", "mi_free"),
    "operator new": ("mi_new",),
    "operator new(nothrow)": ("mi_new_nothrow",),
    "operator new(align_val_t)": ("mi_new_aligned",),
    "operator new(align_val_t, nothrow)": ("mi_new_aligned_nothrow",),
}


@dataclass(frozen=True, slots=True)
class Family:
    """An allocator: a module that defines all `markers` and any of `functions` has it.

    `id`: its number in the kernel, below 64. `prefixed`: of its names, where it is built with a prefix for
    all of them (je_malloc), the one by which the prefix is found.
    `zero_realloc_frees`: NULL from realloc(block, 0) means that the block was freed; else that the
    call failed and the block lives. `exceptions`: whether a C++ exception can pass its functions,
    where the code that they run can throw one. `twin`: its own name for malloc, and `weak_malloc`:
    its malloc is a weak symbol; a malloc that is not is the program's own, whatever it is linked
    with. `inner`: functions that free what no probed function gave. `unseen`: such as give, take or
    resize blocks in a way that no probe sees.
    """

    id: int
    name: str
    markers: tuple[str, ...]
    functions: tuple[Function, ...]
    zero_realloc_frees: bool
    exceptions: bool = False
    twin: str = ""
    weak_malloc: bool = False
    inner: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    prefixed: str = ""

    @property
    def names(self) -> frozenset[str]:
        """Every name that decides anything about it."""
        every = (self.markers, (self.twin,), *(function.names for function in self.functions))
        return frozenset(name for names in every for name in names if name)

    def with_prefix(self, prefix: str) -> "Family":
        """As it is where every name has `prefix`."""
        return replace(
            self,
            markers=tuple(prefix + name for name in self.markers),
            functions=prefixed(self.functions, prefix),
            unseen=tuple(prefix + name for name in self.unseen),
            twin="",
        )


# No exception passes the C functions of an allocator that is named here: they run no code but their
# own. What throws is operator new, and it does so when the malloc below it has returned. Hooks
# that a program sets (glibc's before 2.34, extent hooks of jemalloc) are C functions by contract.
FAMILIES: tuple[Family, ...] = (
    # malloc_info and __libc_pvalloc come from the same object file as glibc's malloc, in libc.so
    # and in static executables. Replacements define one of them at most: gperftools the second,
    # scudo the first, and neither defines both.
    Family(
        0,
        "glibc",
        ("malloc_info", "__libc_pvalloc"),
        STANDARD,
        zero_realloc_frees=True,
        twin="__libc_malloc",
        inner=("tcache_thread_shutdown", "__malloc_arena_thread_freeres"),
    ),
    # C++ for the sake of operator new alone (src/jemalloc_cpp.cpp, which imports __throw_bad_alloc), and
    # 5.3 has the fast path of malloc in there; malloc is C and knows no new handler. Built with a prefix
    # (je_malloc) it defines no plain name.
    # realloc(block, 0): opt.zero_realloc is "free" on Linux, and before 5.3 it always freed.
    Family(
        1,
        "jemalloc",
        ("mallctl", "mallocx"),
        (*STANDARD, *JEMALLOC, *CXX),
        zero_realloc_frees=True,
        unseen=("xallocx", "smallocx_"),
        prefixed="mallctl",
    ),
    # gperftools: with tc_set_new_mode(1) malloc calls the new handler. A bad_alloc of it is caught
    # below malloc (handle_oom in tcmalloc.cc); anything else meets noexcept, which ends the program
    # with or without a probe. realloc(block, 0) is do_free.
    Family(
        2,
        "tcmalloc",
        ("tc_malloc", "tc_set_new_mode"),
        (*also(STANDARD, _TCMALLOC), *also(CXX, _TCMALLOC)),
        zero_realloc_frees=True,
        twin="tc_malloc",
    ),
    # C; the new handler is called by its mi_new and its like alone, and may throw, also where mi_new_nothrow
    # calls it. realloc(block, 0) returns a live block.
    Family(
        3,
        "mimalloc",
        ("mi_malloc", "mi_free"),
        (*also(STANDARD, _MIMALLOC), *that_throw(also(CXX, _MIMALLOC)), *MIMALLOC),
        zero_realloc_frees=False,
        twin="mi_malloc",
        unseen=(
            *(f"mi_{heap}{name}" for heap in ("", "heap_") for name in _COPIES),
            "mi_heap_destroy",
            "mi_expand",
        ),
    ),
    # C; realloc(block, 0) returns a live block. In libc.so the two stages of its loader tell it,
    # in a static executable two functions of mallocng (1.2.1 and newer), of which malloc is a weak
    # front (src/malloc/lite_malloc.c): there the program may have a malloc of its own beside them. Its
    # free jumps to __libc_free.
    Family(4, "musl", ("__dls2b", "__dls3"), STANDARD, zero_realloc_frees=False),
    Family(
        5,
        "musl",
        ("__libc_malloc_impl", "__malloc_alloc_meta"),
        that_hand_on(STANDARD),
        zero_realloc_frees=False,
        weak_malloc=True,
    ),
    # Whatever else takes the standard names, written in any language.
    Family(6, "c", (), STANDARD, zero_realloc_frees=False, exceptions=True),
)
"""In the order in which they are tried: the first whose markers a module defines names it."""

FAMILY_NAMES: dict[int, str] = {family.id: family.name for family in FAMILIES}
"""Every family by its number."""

FUNCTIONS: dict[int, Function] = {
    f.id: f for family in reversed(FAMILIES) for f in family.functions
}
"""Every function by its number."""

ALL_NAMES: frozenset[str] = frozenset(name for family in FAMILIES for name in family.names)
"""Every name that decides anything: what to look for in a module."""

PREFIXED: tuple[Family, ...] = tuple(family for family in FAMILIES if family.prefixed)
"""Those that may be built with a prefix for their names."""


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
