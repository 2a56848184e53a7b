"""Where a C++ exception can pass an allocator function.

A return probe replaces the return address, and the unwinder stops at what it finds there: an
exception that would pass the function ends in std::terminate. Owns the decision, from the symbol
tables and the libraries a file needs. Leaves which allocators never let one pass to `families`.
"""

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from ebpftrace.model.ids import ImageAddress
from ebpftrace.probes.definitions import Definition, Found
from ebpftrace.probes.exits import Exit
from ebpftrace.probes.patched import is_as_in_the_file
from ebpftrace.probes.refusal import Refusal
from ebpftrace.probes.returns import exits_of
from ebpftrace.target.elf import ElfImage
from ebpftrace.target.modules import Module
from ebpftrace.target.text import LiveText

# Imported or defined, they throw, resume or catch: the Itanium C++ ABI (level II and its unwind
# library), the helpers by which libstdc++ throws (std::__throw_bad_alloc), operator new. A file
# that only reads its stack imports _Unwind_Backtrace and _Unwind_GetIP, and has none of them.
_SIGNS = (
    b"__cxa_throw",
    b"__cxa_rethrow",
    b"__gxx_personality",
    b"_Unwind_RaiseException",
    b"_Unwind_Resume",
    b"_Unwind_ForcedUnwind",
    b"__throw_",
    b"_Znwm",
    b"_Znam",
)
# Where an exception may land. Stripped files that bring their C++ library along have no name left.
_TABLE = b".gcc_except_table"
# They have that table for thread cancellation, which no allocator function takes part in.
_C_LIBRARY = (b"libc.", b"ld-linux", b"ld-musl", b"libpthread.", b"libm.", b"libdl.", b"librt.")
_MOST_NEEDED = 256


def refuse(
    found: Sequence[Found], modules: Sequence[Module]
) -> tuple[tuple[Found, ...], tuple[Refusal, ...]]:
    """What is left of `found` without the functions that an exception can pass, and why.

    A birth or a resize is of no use without its return, so a module of which malloc is lost is
    left out as a whole.
    """
    sources = {}
    for each in found:
        if each.family.exceptions:
            source = thrower(each.module, modules)
            if source is not None:
                sources[id(each)] = each, source
    if not sources:
        return tuple(found), ()
    throwing = [each for each, _ in sources.values()]
    kept: list[Found] = []
    refusals: list[Refusal] = []
    for each in found:
        name = each.module.name
        if id(each) in sources:
            source = sources[id(each)][1]
            own = source is each.module
            why = "" if own else f" (it needs {source.name}, which throws)"
            refusals.append(_refusal(f"{name} can throw C++ exceptions through its malloc{why}"))
        elif each.family.exceptions:
            # It may hand calls on to the next malloc, as whatever is preloaded does (RTLD_NEXT).
            other = throwing[0].module.name
            refusals.append(
                _refusal(f"{name} may call the malloc of {other}, which can throw C++ exceptions")
            )
        else:
            kept.append(_without_callers(each, throwing, refusals))
    return tuple(kept), tuple(refusals)


def _refusal(fact: str) -> Refusal:
    return Refusal("exceptions", f"{fact}; a return probe would end the program: it is not probed.")


def _without_callers(each: Found, throwing: Sequence[Found], refusals: list[Refusal]) -> Found:
    """`each` without the functions that call, by name, one that a throwing module defines."""
    replaced = {d.function.name: other for other in throwing for d in other.definitions}
    kept = []
    for definition in each.definitions:
        other = replaced.get(definition.function.calls)
        if other is None:
            kept.append(definition)
            continue
        refusals.append(
            _refusal(
                f"{definition.function.name} of {each.module.name} calls the "
                f"{definition.function.calls} of {other.module.name}, which can throw C++ exceptions"
            )
        )
    return replace(each, definitions=tuple(kept))


def thrower(module: Module, modules: Sequence[Module]) -> Module | None:
    """The file by which code that `module` calls can throw: itself, or one that it needs."""
    by_name = {name: other for other in modules for name in _names(other)}
    seen = {id(module)}
    queue = deque([module])
    while queue:
        current = queue.popleft()
        image = current.image
        if image is None:
            continue
        if _can_throw(image):
            return current
        for needed in image.needed()[:_MOST_NEEDED]:
            other = by_name.get(needed)
            if other is None or id(other) in seen or needed.startswith(_C_LIBRARY):
                continue
            seen.add(id(other))
            queue.append(other)
    return None


def any_throws(modules: Sequence[Module]) -> bool:
    """Can code of any file throw, but for the C library's?"""
    return any(
        module.image is not None
        and not any(name.startswith(_C_LIBRARY) for name in _names(module))
        and _can_throw(module.image)
        for module in modules
    )


def _names(module: Module) -> Iterator[bytes]:
    """What a file that needs `module` may call it: its soname, else the end of its path."""
    soname = module.image.soname() if module.image else None
    yield soname or module.path.rpartition("/")[2].encode(errors="surrogateescape")


def _can_throw(image: ElfImage) -> bool:
    return image.has_section(_TABLE) or image.mentions(*_SIGNS)


def leaving(
    found: Found, entries: Collection[ImageAddress], live: LiveText
) -> tuple[dict[Definition, tuple[Exit, ...] | None], list[Refusal]]:
    """How the return of each function of `found` is seen: by its exits, or None; and what is left out.

    `entries`: where its entries are probed. A function that throws and whose exits cannot be found
    is served by what it calls, if it `yields` that; else it is left out with a sentence.
    """
    throwing = [d for d in found.definitions if d.function.throws or d.function.may_throw]
    places, whys = exits_of(found, throwing, entries) if throwing else ({}, {})
    if not live.why:
        patched = [d for d, exits in places.items() if not _are_as_in_the_file(found, exits, live)]
        whys |= dict.fromkeys(patched, "they are not as in the file, but patched by another tool")
    returning = [definition for definition in whys if not definition.function.throws]
    for definition in returning:
        places.pop(definition, None)
        del whys[definition]
    kept = {d: places.get(d) for d in found.definitions if d not in whys}
    refusals = [
        Refusal(
            "exceptions",
            f"{definition.names[0]} of {found.module.name} is not probed, for C++ exceptions may pass it, "
            f"and its exits cannot be found: {why}. Its blocks are seen if it calls another function "
            "of the plan.",
        )
        for definition, why in whys.items()
    ]
    return kept, refusals


def _are_as_in_the_file(found: Found, exits: Sequence[Exit], live: LiveText) -> bool:
    image = found.module.image
    offsets = [(image.file_offset(place.address) if image else None, place.size) for place in exits]
    return all(
        offset is not None and is_as_in_the_file(found.module, offset, size, (0,), live)
        for offset, size in offsets
    )
