"""Functions of allocators as data: their names, their numbers, what their arguments mean.

Owns no choice: which family has which of them is in `families`.
"""

from dataclasses import dataclass, replace
from typing import Literal

Role = Literal["birth", "resize", "death"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What the arguments of a function are, by their numbers, the first being 0; None: there is none.

    `size` in bytes, of each of `count` elements where there is a count; `pointer`: the block that a
    resize or a death is given; `out`: where the block is stored by a function that returns 0, or an
    error number. Without `out` the block is what is returned.
    """

    role: Role
    size: int | None = None
    count: int | None = None
    pointer: int | None = None
    out: int | None = None

    @property
    def arguments(self) -> tuple[int, ...]:
        """The numbers of the arguments that a probe reads."""
        every = (self.size, self.count, self.pointer, self.out)
        return tuple(number for number in every if number is not None)


MALLOC = Shape("birth", size=0)
CALLOC = Shape("birth", count=0, size=1)
MEMALIGN = Shape("birth", size=1)
POSIX_MEMALIGN = Shape("birth", out=0, size=2)
REALLOC = Shape("resize", pointer=0, size=1)
REALLOCARRAY = Shape("resize", pointer=0, count=1, size=2)
FREE = Shape("death", pointer=0)


@dataclass(frozen=True, slots=True)
class Function:
    """One function of an allocator under all its names; `id` is its number in the kernel (>= 1).

    An id is never given to another function: snapshots keep it. `calls`: a function that it calls
    by name, which the dynamic linker may bind to another module's. `throws`: by contract, so that it
    gets no return probe; `may_throw`: if code of another file that it calls back does, so that its exits
    are better where they can be found. `yields`: it may leave its work to another function of the allocator, and returns then what that has
    given.
    """

    id: int
    name: str
    shape: Shape
    aliases: tuple[str, ...] = ()
    calls: str = ""
    throws: bool = False
    may_throw: bool = False
    yields: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.aliases)

    @property
    def role(self) -> Role:
        return self.shape.role

    @property
    def arguments(self) -> tuple[int, ...]:
        return self.shape.arguments

    @property
    def returns(self) -> bool:
        """Does its return matter?"""
        return self.role != "death"


# Where two functions share their code (glibc's aligned_alloc and memalign do), the first one in
# this order gives the site its name; the plan shows both.
STANDARD = (
    Function(1, "malloc", MALLOC, ("__libc_malloc",)),
    Function(2, "calloc", CALLOC, ("__libc_calloc",)),
    Function(3, "realloc", REALLOC, ("__libc_realloc",)),
    # glibc's ends in a jump to realloc through its PLT (malloc/reallocarray.c).
    Function(4, "reallocarray", REALLOCARRAY, ("__libc_reallocarray",), calls="realloc"),
    Function(5, "aligned_alloc", MEMALIGN, ("__libc_aligned_alloc",)),
    Function(6, "memalign", MEMALIGN, ("__libc_memalign",)),
    Function(7, "posix_memalign", POSIX_MEMALIGN, ("__posix_memalign",)),
    Function(8, "valloc", MALLOC, ("__libc_valloc",)),
    Function(9, "pvalloc", MALLOC, ("__libc_pvalloc",)),
    Function(10, "free", FREE, ("__libc_free", "cfree", "__libc_cfree")),
    Function(11, "free_sized", FREE, yields=True),
    Function(12, "free_aligned_sized", FREE, yields=True),
)

_PLAIN, _NOTHROW = "m", "mRKSt9nothrow_t"
_ALIGNED, _ALIGNED_NOTHROW = "mSt11align_val_t", "mSt11align_val_tRKSt9nothrow_t"
_DELETES = ("", "m", "RKSt9nothrow_t", "St11align_val_t", "mSt11align_val_t")
_NEW = (
    (13, "operator new", f"_Znw{_PLAIN}", True),
    (14, "operator new[]", f"_Zna{_PLAIN}", True),
    (15, "operator new(nothrow)", f"_Znw{_NOTHROW}", False),
    (16, "operator new[](nothrow)", f"_Zna{_NOTHROW}", False),
    (17, "operator new(align_val_t)", f"_Znw{_ALIGNED}", True),
    (18, "operator new[](align_val_t)", f"_Zna{_ALIGNED}", True),
    (19, "operator new(align_val_t, nothrow)", f"_Znw{_ALIGNED_NOTHROW}", False),
    (20, "operator new[](align_val_t, nothrow)", f"_Zna{_ALIGNED_NOTHROW}", False),
)

# The forms of C++17 (new.delete of the standard), by the names of the Itanium C++ ABI for 64 bits. Those
# of libstdc++ and libc++ call malloc and free; only allocators that define them have them here.
CXX = (
    *(
        Function(number, name, MALLOC, (symbol,), throws=throws, yields=True)
        for number, name, symbol, throws in _NEW
    ),
    Function(
        21,
        "operator delete",
        FREE,
        tuple(
            f"_Zd{kind}Pv{form}"
            for kind in "la"
            for form in (*_DELETES, "St11align_val_tRKSt9nothrow_t")
        ),
        yields=True,
    ),
)

# What each form of C++ is called in the source, without the pointer that every operator delete takes.
_FORMS = {
    "": "",
    "m": "(size)",
    "RKSt9nothrow_t": "(nothrow)",
    "St11align_val_t": "(align_val_t)",
    "mSt11align_val_t": "(size, align_val_t)",
    "St11align_val_tRKSt9nothrow_t": "(align_val_t, nothrow)",
}
_SPELLED = {symbol: name for _, name, symbol, _ in _NEW} | {
    f"_Zd{kind}Pv{form}": f"operator delete{array}{said}"
    for kind, array in (("l", ""), ("a", "[]"))
    for form, said in _FORMS.items()
}


def spelled(name: str) -> str:
    """The name of a function as its source has it."""
    return _SPELLED.get(name, name)


JEMALLOC = (
    Function(22, "mallocx", MALLOC),
    Function(23, "rallocx", REALLOC),
    Function(24, "dallocx", FREE, ("sdallocx", "__sdallocx_noflags"), yields=True),
)

_HEAP_REALLOC = Shape("resize", pointer=1, size=2)
_HEAP_RECALLOC = Shape("resize", pointer=1, count=2, size=3)
_HEAP_CALLOC = Shape("birth", count=1, size=2)


def _aligned(*names: str) -> tuple[str, ...]:
    """Each with an alignment, and with one at an offset (mimalloc.h), but for the very first."""
    return tuple(f"{name}_aligned{at}" for name in names for at in ("", "_at"))[1:]


MIMALLOC = (
    Function(
        47,
        "mi_free_size",
        FREE,
        ("mi_free_aligned", "mi_free_size_aligned", "mi_cfree"),
        yields=True,
    ),
    Function(25, "mi_zalloc", MALLOC, ("mi_zalloc_small",)),
    Function(26, "mi_mallocn", CALLOC),
    Function(27, "mi_reallocf", REALLOC, ("reallocf",)),
    Function(28, "mi_rezalloc", REALLOC),
    Function(29, "mi_recalloc", REALLOCARRAY),
    Function(30, "mi_heap_malloc", MEMALIGN, ("mi_heap_malloc_small", "mi_heap_zalloc")),
    Function(31, "mi_heap_calloc", _HEAP_CALLOC, ("mi_heap_mallocn",)),
    Function(32, "mi_heap_realloc", _HEAP_REALLOC, ("mi_heap_reallocf", "mi_heap_rezalloc")),
    Function(33, "mi_heap_reallocn", _HEAP_RECALLOC, ("mi_heap_recalloc",)),
    Function(
        34, "mi_malloc_aligned", MALLOC, (*_aligned("mi_malloc", "mi_zalloc"), "_aligned_malloc")
    ),
    Function(35, "mi_calloc_aligned", CALLOC, _aligned("mi_calloc")),
    Function(36, "mi_realloc_aligned", REALLOC, _aligned("mi_realloc", "mi_rezalloc")),
    Function(37, "mi_recalloc_aligned", REALLOCARRAY, _aligned("mi_recalloc")),
    Function(38, "mi_heap_malloc_aligned", MEMALIGN, _aligned("mi_heap_malloc", "mi_heap_zalloc")),
    Function(39, "mi_heap_calloc_aligned", _HEAP_CALLOC, _aligned("mi_heap_calloc")),
    Function(
        40,
        "mi_heap_realloc_aligned",
        _HEAP_REALLOC,
        _aligned("mi_heap_realloc", "mi_heap_rezalloc"),
    ),
    Function(41, "mi_heap_recalloc_aligned", _HEAP_RECALLOC, _aligned("mi_heap_recalloc")),
    Function(42, "mi_new_n", CALLOC, throws=True, yields=True),
    Function(43, "mi_new_realloc", REALLOC, throws=True, yields=True),
    Function(44, "mi_new_reallocn", REALLOCARRAY, throws=True, yields=True),
    Function(45, "mi_heap_alloc_new", MEMALIGN, throws=True, yields=True),
    Function(46, "mi_heap_alloc_new_n", _HEAP_CALLOC, throws=True, yields=True),
)


def also(
    functions: tuple[Function, ...], names: dict[str, tuple[str, ...]]
) -> tuple[Function, ...]:
    """`functions`, of which those in `names` have these names, too."""
    return tuple(
        replace(each, aliases=(*each.aliases, *names.get(each.name, ()))) for each in functions
    )


def that_throw(functions: tuple[Function, ...]) -> tuple[Function, ...]:
    """`functions`, all of whose births can throw."""
    return tuple(replace(each, throws=each.role == "birth") for each in functions)


def that_hand_on(functions: tuple[Function, ...]) -> tuple[Function, ...]:
    """`functions`, all of whose deaths may leave the work to another one."""
    return tuple(replace(each, yields=each.yields or each.role == "death") for each in functions)


def prefixed(functions: tuple[Function, ...], prefix: str) -> tuple[Function, ...]:
    """`functions` of a build that gives all names of C `prefix`."""
    return tuple(
        each
        if any(name.startswith("_Z") for name in each.aliases)
        else replace(
            each,
            name=prefix + each.name,
            aliases=tuple(prefix + name for name in each.aliases if not name.startswith("__")),
        )
        for each in functions
    )
