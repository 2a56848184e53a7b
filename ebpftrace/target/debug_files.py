"""Separate debug files of a program, in the file tree that it sees: a container has its own.

What is found here is only offered: the build id or the checksum decides, where it is read. There drgn
also looks for itself, in the host's tree, as far as nobody may.
"""

import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Literal

from ebpftrace.model.ids import FileOffset
from ebpftrace.target.elf import BadElf, ElfImage
from ebpftrace.target.root import Opener

_DEBUG_INFO = (b".debug_info", b".zdebug_info")
_DIRECTORY = PurePosixPath("/usr/lib/debug")
_MOST_NAME = 4096
_PIECE = 1 << 20


def debug_files(image: ElfImage, path: str, opener: Opener) -> list[int]:
    """Descriptors of files that may describe `image`, mapped from `path`, and of their dwz files.

    Where binutils and elfutils look: by build id, then by the name in .gnu_debuglink.
    """
    found: list[int] = []
    for place in places(image, PurePosixPath(path.removesuffix(" (deleted)"))):
        with suppress(OSError, ValueError):
            found.append(opener(str(place)))
            found += _supplementary(found[-1], place, opener)
    return found


def is_described(image: ElfImage) -> bool:
    """Has it debug information in itself?"""
    return image.has_section(*_DEBUG_INFO)


def supplementary_link(image: ElfImage) -> tuple[str, str] | None:
    """Path and build id of the file that dwz moved what several debug files share to."""
    link = _named(image, b".gnu_debugaltlink")
    return None if link is None else (link[0], link[1].hex())


def linked_checksum(image: ElfImage) -> int | None:
    """The CRC-32 of the debug file that `image` names; None where it names none."""
    link = _named(image, b".gnu_debuglink")
    if link is None:
        return None
    name, rest = link
    start = -(len(os.fsencode(name)) + 1) % 4  # it is aligned
    checksum = rest[start : start + 4]
    order: Literal["little", "big"] = "little" if image.little else "big"
    return int.from_bytes(checksum, order) if len(checksum) == 4 else None


def checksum_of(fd: int) -> int:
    """The CRC-32 of a whole file. OSError."""
    checksum = offset = 0
    while piece := os.pread(fd, _PIECE, offset):
        checksum = zlib.crc32(piece, checksum)
        offset += len(piece)
    return checksum


def places(image: ElfImage, path: PurePosixPath | None) -> Iterator[PurePosixPath]:
    """Where debug files of `image`, mapped from `path`, may be; without it only names of them."""
    if image.build_id:
        yield _by_build_id(image.build_id)
    link = _named(image, b".gnu_debuglink")
    if link is None or "/" in link[0]:
        return
    if path is None:
        yield PurePosixPath(link[0])
        return
    for directory in (path.parent, path.parent / ".debug"):
        yield directory / link[0]
    if path.is_absolute():
        yield _DIRECTORY / str(path.parent).lstrip("/") / link[0]


def _supplementary(fd: int, place: PurePosixPath, opener: Opener) -> list[int]:
    with suppress(BadElf, OSError, ValueError):
        link = supplementary_link(ElfImage.open(fd))
        if link is not None:
            for path in (place.parent / link[0], _by_build_id(link[1])):
                with suppress(OSError):
                    return [opener(str(path))]
    return []


def _by_build_id(build_id: str) -> PurePosixPath:
    return _DIRECTORY / ".build-id" / build_id[:2] / f"{build_id[2:]}.debug"


def _named(image: ElfImage, section_name: bytes) -> tuple[str, bytes] | None:
    """The name that such a section begins with, and what follows behind its NUL."""
    section = image.section(section_name)
    if section is None:
        return None
    content = image.read(FileOffset(section.offset), min(section.size, _MOST_NAME))
    name, end, rest = content.partition(b"\0")
    return (os.fsdecode(name), rest) if name and end else None
