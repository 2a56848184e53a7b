"""Go code, which gets no probe.

A Go stack is copied to another place when it grows, and a return address that the kernel has put
there is then found by nobody: the program dies of a return probe (golang/go#27077). The allocators
of C run on the stacks of threads, which stay where they are; what else has their names may be Go.
"""

from collections.abc import Sequence

from ebpftrace.probes.definitions import Found
from ebpftrace.probes.refusal import Refusal
from ebpftrace.target.elf import ElfImage

_SECTIONS = (b".go.buildinfo", b".note.go.buildid", b".gopclntab")
_RUNTIME = b"runtime.mallocgc\0"


def is_go(image: ElfImage) -> bool:
    """Whether the Go linker made the file; it names what the others leave out, stripped or not."""
    return image.has_section(*_SECTIONS) or image.mentions(_RUNTIME)


def refuse(found: Sequence[Found]) -> tuple[tuple[Found, ...], tuple[Refusal, ...]]:
    """`found` without the modules that may define their allocator in Go, and why.

    A C allocator that is known by its markers, linked into a Go program, stays.
    """
    foreign = [
        each
        for each in found
        if each.family.exceptions and each.module.image is not None and is_go(each.module.image)
    ]
    refusals = tuple(
        Refusal(
            "Go code",
            f"{each.module.name} is a Go program with a malloc of its own, which may be Go code; a "
            "return probe there would crash the program: it is not probed.",
        )
        for each in foreign
    )
    return tuple(each for each in found if each not in foreign), refusals
