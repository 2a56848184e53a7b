"""What names the code of a program that was stripped: symbols in a debug file, or packed in itself.

Owns finding a debug file in the target's own file tree and making sure that it is this program's: by its
build id, or by the checksum that .gnu_debuglink states. Nothing is fetched.
"""

import os
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress

from ebpftrace.model.ids import ImageAddress
from ebpftrace.target.debug_files import checksum_of, debug_files, linked_checksum, places
from ebpftrace.target.elf import BadElf, ElfImage
from ebpftrace.target.elf_symbols import Symbol
from ebpftrace.target.minidebug import mini_debug_image
from ebpftrace.target.modules import Module
from ebpftrace.target.process import Process
from ebpftrace.target.root import TargetRoot
from ebpftrace.text import clean

_SYMBOLS = b".symtab"
_MOST_CHECKED = 1 << 30
"""Bytes of a file whose checksum is made; that takes a second."""


class CodeNames:
    """The functions of `image`, by its own symbol tables and by those of `more`.

    The latter state the same addresses. Good as long as all of them are open.
    """

    def __init__(self, image: ElfImage, *more: ElfImage) -> None:
        self._images = (image, *more)

    def symbols(self, names: Collection[str]) -> tuple[Symbol, ...]:
        """Those of such names, of all tables."""
        return tuple(symbol for image in self._images for symbol in image.symbols(names))

    def starts_between(self, low: ImageAddress, high: ImageAddress) -> tuple[ImageAddress, ...]:
        """The addresses above `low` and below `high` at which functions start, ascending."""
        starts = (image.starts_between(low, high) for image in self._images)
        return tuple(sorted({start for each in starts for start in each}))

    def containing(self, part: bytes, most: int) -> tuple[str, ...]:
        """Names in which `part` stands; at most `most`, functions or not."""
        found = (name for image in self._images for name in image.names_with(part, most))
        return tuple(dict.fromkeys(found))[:most]

    def beginnings(self, end: bytes, most: int) -> tuple[bytes, ...]:
        """What stands before `end` in names that end so; at most `most`, none of them empty."""
        found = (part for image in self._images for part in image.name_beginnings(end, most))
        return tuple(dict.fromkeys(found))[:most]


@contextmanager
def names_of(process: Process, module: Module) -> Iterator[CodeNames | None]:
    """Good inside the `with`: for a program that has no full symbol table, with what else has one.

    None where the file itself is all that there is.
    """
    image = module.image
    if image is None or image.has_section(_SYMBOLS):
        yield None
        return
    with ExitStack() as opened:
        more = opened.enter_context(mini_debug_image(image))
        separate = opened.enter_context(_debug_image(process, module, image))
        found = [one for one in (separate, more) if one is not None]
        yield CodeNames(image, *found) if found else None


def looked_for(image: ElfImage) -> str:
    """The names of debug files of `image`, for a sentence."""
    found = [str(place) for place in places(image, None)]
    return clean(" or ".join(found)) if found else "it names none, and has no build id"


@contextmanager
def _debug_image(process: Process, module: Module, image: ElfImage) -> Iterator[ElfImage | None]:
    root = TargetRoot.open(process)
    if root is None:
        yield None
        return
    with ExitStack() as opened:
        opened.callback(root.close)
        found: ElfImage | None = None
        for fd in debug_files(image, root.inside(module.path), root.open_file):
            opened.callback(os.close, fd)
            if found is None:
                found = _described(image, fd)
        yield found


def _described(image: ElfImage, fd: int) -> ElfImage | None:
    """The image behind `fd` where it has the symbols of `image`."""
    with suppress(BadElf, OSError):
        other = ElfImage.open(fd)
        if (
            other.has_section(_SYMBOLS)
            and other.machine == image.machine
            and _is_of(image, other, fd)
        ):
            return other
    return None


def _is_of(image: ElfImage, other: ElfImage, fd: int) -> bool:
    if image.build_id is not None and image.build_id == other.build_id:
        return True
    checksum = linked_checksum(image)
    return (
        checksum is not None
        and os.fstat(fd).st_size <= _MOST_CHECKED
        and checksum_of(fd) == checksum
    )
