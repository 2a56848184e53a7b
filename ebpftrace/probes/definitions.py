"""Where a module defines allocator functions.

Owns the search through its symbols: which of them count, which stand for one place in the file.
Leaves the choice of an instruction to `decode`.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ebpftrace.model.ids import FileOffset, ImageAddress
from ebpftrace.probes.families import ALL_NAMES, PREFIXED, Family, family_of
from ebpftrace.probes.functions import Function
from ebpftrace.target.code_names import CodeNames
from ebpftrace.target.elf import ElfImage
from ebpftrace.target.elf_symbols import Symbol
from ebpftrace.target.modules import Module

Chosen = Callable[[Symbol], tuple[ImageAddress, int] | None]
"""From an IFUNC to where the function that it stands for is, and its size."""

MOST_DEFINITIONS = 128
"""Places in one module that may claim to be allocator functions; mimalloc has 82."""
_MOST_PREFIXES = 4
_PREFIX = re.compile(rb"[A-Za-z_][A-Za-z0-9_]{0,30}")

# Where no other file has such functions, and where one has.
_MISSING = {
    "birth": (
        "no function that allocates: blocks come from elsewhere",
        "no function that allocates: what it frees comes from others, as from",
    ),
    "death": (
        "no function that frees: blocks freed elsewhere stay in the picture",
        "no function that frees: what it gives is freed by others, as by",
    ),
}


@dataclass(frozen=True, slots=True)
class Definition:
    """One function of a family at one place: its first byte, its names, its `size` in bytes.

    `stated` is False where the symbol gives no size, which then reaches to the next symbol.
    """

    function: Function
    names: tuple[str, ...]
    address: ImageAddress
    offset: FileOffset
    size: int
    stated: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What `module` has of `family`; a note is a sentence about what cannot be probed."""

    module: Module
    family: Family
    definitions: tuple[Definition, ...]
    notes: tuple[str, ...] = ()
    names: CodeNames | None = field(default=None, compare=False)
    undecided: tuple[str, ...] = ()
    """Those of the notes that may be true no longer in a moment."""


def find(
    module: Module, names: CodeNames | None = None, chosen: Chosen = lambda _: None
) -> tuple[Found, ...]:
    """The allocators that `module` defines; none where it has none (or is no ELF file).

    `names`: what names its code, if that is more than the file itself. `chosen`: the code that an
    IFUNC stands for, if that is known.

    Global and weak functions count: a local one is part of another's implementation. In a static
    program one that has no global namesake counts too: the linker makes local what libc hides
    (malloc of glibc 2.36 in a static-pie). An allocator that was built with a prefix (je_malloc) may
    be there beside the one that has the plain names.
    """
    image = module.image
    if image is None:
        return ()
    names = names or CodeNames(image)
    prefixes = _prefixes(names)
    every = names.symbols(ALL_NAMES.union(*(family.names for family in prefixes)))
    symbols = [symbol for symbol in every if symbol.bind in ("global", "weak")]
    if (symbols or prefixes) and not (image.interpreted or image.needed() or image.soname()):
        known = {symbol.name for symbol in symbols}
        symbols += [symbol for symbol in every if symbol.name not in known]
    families = [family_of(symbols), *prefixes]
    found = (
        _found(module, image, names, family, symbols, chosen)
        for family in families
        if family is not None
    )
    return tuple(each for each in found if each.definitions or each.notes)


def _prefixes(names: CodeNames) -> list[Family]:
    """The families that may be there under names with a prefix of their own."""
    return [
        family.with_prefix(prefix.decode())
        for family in PREFIXED
        for prefix in names.beginnings(family.prefixed.encode(), _MOST_PREFIXES)
        if _PREFIX.fullmatch(prefix)
    ]


def _found(
    module: Module,
    image: ElfImage,
    names: CodeNames,
    family: Family,
    symbols: list[Symbol],
    chosen: Chosen,
) -> Found:
    wanted = family.names
    own = [symbol for symbol in symbols if symbol.name in wanted]
    if not {symbol.name for symbol in own}.issuperset(family.markers):
        return Found(module, family, ())
    code = list(_code(own, chosen))
    there = {symbol.name for symbol in code}
    undecided = [
        f"{name} of {module.name} is chosen by the program (IFUNC), and what it has chosen is not "
        "known: it is not probed."
        for name in sorted({symbol.name for symbol in own} - there)
    ]
    notes = undecided[:]
    definitions = tuple(definitions_of(image, names, family, code))
    if len(definitions) > MOST_DEFINITIONS:
        notes.append(
            f"{module.name} defines {len(definitions)} allocator functions; only the first "
            f"{MOST_DEFINITIONS} are probed."
        )
    kept = definitions[:MOST_DEFINITIONS]
    return Found(module, family, kept, tuple(notes), names, tuple(undecided))


def unseen(found: Found, modules: Sequence[Module]) -> Iterator[str]:
    """A note where another module may use what the family has and no probe can see."""
    used = {
        name
        for module in modules
        for name in found.family.unseen
        if module is not found.module and module.image and module.image.mentions(name.encode())
    }
    if used and found.definitions:
        yield (
            f"Blocks that {', '.join(sorted(used))} of {found.module.name} gives, takes or resizes are not "
            "seen: the frees of some may be unmatched, others stay in the picture or keep their size."
        )


def _code(symbols: list[Symbol], chosen: Chosen) -> Iterator[Symbol]:
    """Those that stand for code, with the place of the code."""
    for symbol in symbols:
        if not symbol.ifunc:
            yield symbol
        elif (place := chosen(symbol)) is not None:
            yield symbol._replace(value=place[0], size=place[1])


def definitions_of(
    image: ElfImage, names: CodeNames, family: Family, symbols: Sequence[Symbol]
) -> Iterator[Definition]:
    """One definition for each place; functions that share one are the first's of the family."""
    seen: set[ImageAddress] = set()
    for function in family.functions:
        for symbol in symbols:
            if symbol.name not in function.names or symbol.value in seen:
                continue
            seen.add(symbol.value)
            offset = image.file_offset(symbol.value)
            if offset is None:
                continue
            here = {other.name for other in symbols if other.value == symbol.value}
            size = _size(image, names, symbol)
            stated = symbol.size > 0
            called = tuple(_in_family_order(family, here))
            yield Definition(function, called, symbol.value, offset, size, stated)
            if len(seen) > 2 * MOST_DEFINITIONS:
                return


def _in_family_order(family: Family, names: set[str]) -> Iterator[str]:
    for function in family.functions:
        for name in function.names:
            if name in names:
                yield name


def _size(image: ElfImage, names: CodeNames, symbol: Symbol) -> int:
    """Bytes of the function, which end with its segment at the latest."""
    room = image.room(symbol.value)
    if symbol.size:
        return min(symbol.size, room)
    following = names.starts_between(symbol.value, ImageAddress(symbol.value + room))
    return following[0] - symbol.value if following else room


def lacking(found: Found, everything: Sequence[Found]) -> Iterator[str]:
    """A note for each half of an allocator that is not there; `everything`: of all files."""
    roles = _roles(found)
    if not roles:
        return
    for role, (nowhere, elsewhere) in _MISSING.items():
        if role in roles:
            continue
        others = [each.module.name for each in everything if role in _roles(each)]
        missing = f"{elsewhere} {others[0]}" if others else nowhere
        yield f"{found.module.name} defines {missing}."


def _roles(found: Found) -> set[str]:
    return {definition.function.role for definition in found.definitions}
