"""The C library's functions for raw mappings, as data, and where they are in a process.

Owns which modules are probed for them, and what tells the program's own mappings from an allocator's and
from those of threads. Leaves what becomes of a mapping to `drain.mappings`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ebpftrace.model.ids import Address
from ebpftrace.probes.definitions import Found, definitions_of
from ebpftrace.probes.families import Family
from ebpftrace.probes.functions import Function, Shape
from ebpftrace.probes.ranges import Range
from ebpftrace.target.code_names import CodeNames
from ebpftrace.target.elf import ElfImage
from ebpftrace.target.elf_symbols import Symbol
from ebpftrace.target.modules import Module


class MappingFunction(Function):
    """One that maps or unmaps."""

    __slots__ = ()

    @property
    def returns(self) -> bool:
        """Of all: whether something was unmapped is known then."""
        return True


# Where their arguments go in a cookie, see struct mapping_arguments of bpf/mappings.h.
_MMAP = Shape("birth", size=1, count=2, out=3)
_MUNMAP = Shape("death", size=1, pointer=0)
_MREMAP = Shape("resize", size=2, count=1, pointer=0, out=3)
_BRK = Shape("birth", size=0)

# The numbers are those of bpf/shared.h, where the kernel side goes by them.
MAPPING_FUNCTIONS = (
    MappingFunction(57, "mmap", _MMAP, ("mmap64", "__mmap", "__mmap64")),
    MappingFunction(58, "munmap", _MUNMAP, ("__munmap",)),
    MappingFunction(59, "mremap", _MREMAP, ("__mremap",)),
    MappingFunction(60, "brk", _BRK, ("__brk",)),
    MappingFunction(61, "sbrk", _BRK, ("__sbrk",)),
)
THREAD_STACK = MappingFunction(62, "thread stack", _MMAP)
"""What mmap gave for one; no function has that name."""

MMAP = Family(63, "mmap", ("mmap", "munmap"), MAPPING_FUNCTIONS, zero_realloc_frees=False)

_LIBRARY = "__libc_start_main"
_MAKES_THREADS = ("pthread_create", "__pthread_create")
_BREAK = "__curbrk"
# Of static programs: what maps and unmaps for glibc's malloc and free (malloc/malloc.c, malloc/arena.c).
# Most is called by a function that is probed; what free calls is not seen to be its.
_OF_MALLOC = (
    "munmap_chunk",
    "systrim",
    "systrim.constprop.0",
    "systrim.isra.0.constprop.0",
    "heap_trim",
    "new_heap",
    "alloc_new_heap",
    "sysmalloc",
    "sysmalloc_mmap",
    "sysmalloc_mmap.isra.0",
    "mremap_chunk",
    "__glibc_morecore",
    "__libc_free",
)
_NAMES = frozenset(
    (_LIBRARY, *_MAKES_THREADS, *_OF_MALLOC, *(n for f in MAPPING_FUNCTIONS for n in f.names))
)


@dataclass(frozen=True, slots=True)
class Whose:
    """By what the kernel side tells the mappings of one process apart.

    `inner`: functions that map for the allocator of a static program. `threads`: that of the function that makes threads, of a C
    library that does not say which mappings are their stacks. `break_at`: where the C library
    keeps the end of the heap.
    """

    inner: tuple[Range, ...] = ()
    threads: Range | None = None
    break_at: Address | None = None


def find(
    modules: Sequence[Module], allocators: Sequence[Found], names: Mapping[int, CodeNames | None]
) -> tuple[Found, ...]:
    """The functions for mappings that the modules define; `names`: what names their code besides, by id.

    Those of C libraries, and of allocators that are known and bring their own, as gperftools does. No
    exception passes them. Who else defines a mmap calls the library's, which is seen, or none.
    """
    known = [each.module for each in allocators if not each.family.exceptions]
    found = (_found(module, names.get(id(module)), module in known) for module in modules)
    return tuple(each for each in found if each is not None)


def _found(module: Module, names: CodeNames | None, is_allocator: bool) -> Found | None:
    image = module.image
    if image is None:
        return None
    names = names or CodeNames(image)
    symbols = _symbols(image, names)
    known = {symbol.name for symbol in symbols}
    if not known.issuperset(MMAP.markers) or not (is_allocator or _LIBRARY in known):
        return None
    code = [symbol for symbol in symbols if not symbol.ifunc]
    definitions = tuple(definitions_of(image, names, MMAP, code))
    return Found(module, MMAP, definitions, names=names) if definitions else None


def _symbols(image: ElfImage, names: CodeNames) -> tuple[Symbol, ...]:
    """Global ones; in a static program local ones too, see `definitions.find`."""
    every = names.symbols(_NAMES)
    if not _is_static(image):
        return tuple(symbol for symbol in every if symbol.bind in ("global", "weak"))
    return every


def whose(found: Sequence[Found]) -> Whose:
    """`found` as `find` gave them, probed or not."""
    threads, break_at = None, None
    inner: list[Range] = []
    for each in found:
        image = each.module.image
        if image is None or each.names is None:
            continue
        own = set(_ranges(each.module, image, each.names, _MAKES_THREADS))
        threads = threads or next(iter(sorted(own)), None)
        break_at = break_at or _break_in(each.module, image)
        if _is_static(image):
            inner += _ranges(each.module, image, each.names, _OF_MALLOC)
    return Whose(tuple(inner), threads, break_at)


def _is_static(image: ElfImage) -> bool:
    return not (image.interpreted or image.needed() or image.soname())


def _ranges(
    module: Module, image: ElfImage, names: CodeNames, wanted: Sequence[str]
) -> Iterator[Range]:
    for symbol in names.symbols(wanted):
        offset = image.file_offset(symbol.value)
        for start in module.address_of(offset) if offset is not None else ():
            yield start, Address(start + symbol.size)


def _break_in(module: Module, image: ElfImage) -> Address | None:
    """The variable lies in memory of no file: found by how far the code is from where the file says."""
    variable = image.variable(_BREAK)
    if variable is None:
        return None
    for part in module.mappings:
        at = image.image_address(part.offset) if part.executable else None
        if at is not None:
            return Address(part.start - at + variable)
    return None
