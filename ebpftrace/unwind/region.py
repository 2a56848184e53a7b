"""The bytes of one section of a hostile file, by offset in it, in bounded memory.

A small one is read once and kept, of a large one the blocks used last. Read and never mapped: a
mapped file that its owner cuts short would end us with SIGBUS.
"""

import zlib
from collections import OrderedDict
from typing import NamedTuple

from ebpftrace.model.ids import FileOffset
from ebpftrace.target.elf import ElfImage
from ebpftrace.unwind.encoding import Broken

_MOST_KEPT = 8 << 20
_BLOCK = 64 << 10
_MOST_BLOCKS = 32
_PIECE = 1 << 20  # what one read of `ElfImage` gives at most
_MOST_INFLATED = 32 << 20
_ZLIB, _ZSTD = 1, 2


class Window(NamedTuple):
    """`data`, whose first byte is at offset `start` of the region."""

    data: bytes
    start: int


class Region:
    """`length` bytes from file offset `offset` on, which the program sees at `address`, if at all."""

    def __init__(self, image: ElfImage, offset: int, length: int, address: int = 0) -> None:
        self._image = image
        self._offset = offset
        self.length = length
        self.address = address
        self._whole: Window | None = None
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    @classmethod
    def inflated(cls, image: ElfImage, offset: int, length: int) -> "Region":
        """A compressed section (SHF_COMPRESSED), inflated and kept. Broken, with the reason."""
        packed = read_all(image, offset, min(length, _MOST_INFLATED))
        content = _inflate(packed)
        region = cls(image, offset, len(content))
        region._whole = Window(content, 0)
        return region

    def window(self, at: int, size: int) -> Window:
        """The `size` bytes at `at`, with whatever else is held anyway; fewer at the end."""
        if self._whole is not None:
            return self._whole
        if self.length <= _MOST_KEPT:
            self._whole = Window(read_all(self._image, self._offset, self.length), 0)
            return self._whole
        start = at // _BLOCK * _BLOCK
        if at + size <= start + _BLOCK:
            return Window(self._block(start), start)
        return Window(read_all(self._image, self._offset + at, min(size, self.length - at)), at)

    def _block(self, start: int) -> bytes:
        block = self._blocks.get(start)
        if block is None:
            block = read_all(self._image, self._offset + start, min(_BLOCK, self.length - start))
            self._blocks[start] = block
            if len(self._blocks) > _MOST_BLOCKS:
                self._blocks.popitem(last=False)
        else:
            self._blocks.move_to_end(start)
        return block


def read_all(image: ElfImage, offset: int, length: int) -> bytes:
    """As many of `length` bytes at `offset` as the file has."""
    pieces = []
    while length > 0:
        piece = image.read(FileOffset(offset), min(length, _PIECE))
        if not piece:
            break
        pieces.append(piece)
        offset += len(piece)
        length -= len(piece)
    return b"".join(pieces)


def _inflate(packed: bytes) -> bytes:
    """The content behind an Elf64_Chdr: u32 type, u32 reserved, u64 size, u64 alignment."""
    if len(packed) < 24:
        raise Broken("truncated compressed section")
    kind = int.from_bytes(packed[:4], "little")
    size = int.from_bytes(packed[8:16], "little")
    if kind != _ZLIB:
        raise Broken("zstd compression" if kind == _ZSTD else f"compression {kind}")
    if size > _MOST_INFLATED:
        raise Broken(f"compressed section of more than {_MOST_INFLATED >> 20} MiB")
    try:
        return zlib.decompressobj().decompress(packed[24:], max(size, 1))
    except zlib.error:
        raise Broken("compressed section that does not inflate") from None
