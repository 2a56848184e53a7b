""".gnu_debugdata: the symbols that a stripped file brings along as an ELF file packed with xz.

Fedora and its kin put the functions there that .dynsym leaves out ("MiniDebugInfo" of gdb). The
file is hostile: sizes in and out and the memory of the decompressor are bounded.
"""

import contextlib
import lzma
import os
from collections.abc import Iterator

from ebpftrace.model.ids import FileOffset
from ebpftrace.target.elf import BadElf, ElfImage

MOST_PACKED = 32 << 20
MOST_UNPACKED = 64 << 20
_MOST_MEMORY = 80 << 20  # what `xz -9` takes to unpack is 65 MiB
_PIECE = 1 << 20


@contextlib.contextmanager
def mini_debug_image(image: ElfImage) -> Iterator[ElfImage | None]:
    """The file in there, good inside the `with`; None where there is none or it is broken.

    Its addresses are those of `image`.
    """
    section = image.section(b".gnu_debugdata")
    if section is None or not 0 < section.size <= MOST_PACKED:
        yield None
        return
    with contextlib.ExitStack() as opened:
        inner = None
        with contextlib.suppress(OSError, BadElf, lzma.LZMAError, MemoryError):
            fd = os.memfd_create("ebpftrace-minidebug", os.MFD_CLOEXEC)
            opened.callback(os.close, fd)
            if _unpack(image, section.offset, section.size, fd):
                inner = ElfImage.open(fd)
        yield inner


def _unpack(image: ElfImage, offset: int, size: int, fd: int) -> bool:
    """Write what is packed there to `fd`; whether it was whole and not too much."""
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_MEMORY)
    left, end = MOST_UNPACKED, offset + size
    while not unpacker.eof:
        packed = b""
        if unpacker.needs_input:
            packed = image.read(FileOffset(offset), min(end - offset, _PIECE))
            offset += len(packed)
            if not packed:
                return False
        piece = unpacker.decompress(packed, min(_PIECE, left + 1))
        left -= len(piece)
        if left < 0:
            return False
        os.write(fd, piece)
    return True
