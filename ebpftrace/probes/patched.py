"""Code in memory that is not the file's.

A probe is placed by what the file says. Where the process runs other code, moved to huge pages or
patched by an inline hook, it is never hit, or its breakpoint lands inside another instruction.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ebpftrace.model.ids import FileOffset
from ebpftrace.probes.decode import Choice
from ebpftrace.probes.definitions import Definition, Found
from ebpftrace.probes.refusal import Refusal
from ebpftrace.target.modules import Module
from ebpftrace.target.text import LiveText, same_code

Placed = Mapping[Definition, Choice]
"""Where each function of a module would be probed."""

_UNDECODED = 16  # bytes to compare where nothing says how long the instruction is


def refuse(found: Found, placed: Placed, live: LiveText) -> tuple[Found, tuple[Refusal, ...]]:
    """`found` without what runs other code than its file's up to the probe, and why.

    A birth that is left out is not seen, and that is all. A death or a resize that is not seen
    leaves blocks in the picture that are gone, and without malloc there is hardly a picture: then
    the whole module is left out.
    """
    moved = [d for d in found.definitions if not found.module.address_of(d.offset)]
    patched = [
        d
        for d in found.definitions
        if d not in moved
        and not live.why
        and not _is_as_in_the_file(found.module, d, placed[d], live)
    ]
    if not moved and not patched:
        return found, ()
    kept = tuple(d for d in found.definitions if d not in moved and d not in patched)
    left_out = [d.function for d in (*moved, *patched)]
    whole = any(function.role != "birth" or function.name == "malloc" for function in left_out)
    refusals = tuple(_sentences(found, moved, patched, rest=bool(kept) and whole))
    return replace(found, definitions=() if whole else kept), refusals


def _is_as_in_the_file(module: Module, definition: Definition, at: Choice, live: LiveText) -> bool:
    image = module.image
    if image is None:
        return False
    length = min(at.end or _UNDECODED, definition.size)
    return is_as_in_the_file(module, definition.offset, length, at.starts, live)


def is_as_in_the_file(
    module: Module, offset: FileOffset, length: int, starts: Sequence[int], live: LiveText
) -> bool:
    """`length` bytes at `offset` of the file, wherever they are mapped, but for breakpoints at `starts`."""
    image = module.image
    if image is None:
        return False
    file = image.read(offset, length)
    return all(
        same_code(live.read(address, length), file, starts, image.machine)
        for address in module.address_of(offset)
    )


def _sentences(
    found: Found, moved: Sequence[Definition], patched: Sequence[Definition], rest: bool
) -> Iterator[Refusal]:
    name = found.module.name
    also = " The rest of the file would be miscounted and is not probed either." if rest else ""
    if moved:
        yield Refusal(
            "patched code",
            f"{_listed(moved)} of {name} {_is_or_are(moved)} not mapped as code from the file, but "
            f"moved (to huge pages, for instance): a probe there is never hit.{also}",
        )
    if patched:
        yield Refusal(
            "patched code",
            f"{_listed(patched)} of {name} {_is_or_are(patched)} not as in the file, but patched by "
            "another tool: a probe could land inside an instruction of its hook and would crash the "
            f"program.{also}",
        )


def _listed(definitions: Sequence[Definition]) -> str:
    names = [definition.function.name for definition in definitions]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _is_or_are(definitions: Sequence[Definition]) -> str:
    return "is" if len(definitions) == 1 else "are"
