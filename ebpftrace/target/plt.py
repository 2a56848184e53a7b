"""Names for the jumps of a procedure linkage table, which no symbol names.

Owns finding which slot of the global offset table an entry jumps through, and whose address the
loader puts there. The file is hostile: what does not fit together is left out. Pure.
"""

import re
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from ebpftrace.model.ids import FileOffset, ImageAddress
from ebpftrace.target.elf import ElfImage, Section

SUFFIX = "@plt"

MOST_ENTRIES = 1 << 16
_MOST_CODE = 1 << 20
_MOST_RELOCATIONS = 16 << 20  # bytes: 700,000; those of a browser take 15 MB
_PIECE = (1 << 20) // 24 * 24
_MOST_SYMBOL = 1 << 24

# Elf64_Rela: r_offset, r_info (symbol << 32 | type), r_addend. Types JUMP_SLOT and GLOB_DAT.
_RELA: Final = struct.Struct("<QQq")
_SYMBOL: Final = struct.Struct("<IBBHQQ")
_TYPES: Final = {"x86_64": frozenset({7, 6}), "aarch64": frozenset({1026, 1025})}

# endbr64, mold's `mov $n, %r11d`, bnd: each may be missing before `jmp *disp(%rip)`.
_JUMP: Final = re.compile(rb"(\xf3\x0f\x1e\xfa)?(?:\x41\xbb.{4})?\xf2?\xff\x25(.{4})", re.DOTALL)
_BTI_C, _BR_X17 = 0xD503245F, 0xD61F0220


class PltEntry(NamedTuple):
    """One jump: `name` is an offset into the strings of .dynsym."""

    value: ImageAddress
    size: int
    name: int


def plt_entries(image: ElfImage) -> Iterator[PltEntry]:
    """The entries of .plt, .plt.sec and .plt.got whose function is known, in file order.

    None on other machines than x86-64 and arm64.
    """
    if image.bits != 64 or not image.little or image.machine not in _TYPES:
        return
    read = _jumps_x86 if image.machine == "x86_64" else _jumps_arm64
    jumps: list[tuple[ImageAddress, int, int]] = []
    for name in (b".plt", b".plt.sec", b".plt.got"):
        section = image.section(name)
        if section is not None:
            code = image.read(FileOffset(section.offset), min(section.size, _MOST_CODE))
            jumps += read(code, section.address, name == b".plt.got")
    del jumps[MOST_ENTRIES:]
    slots = _slots(image, frozenset(slot for _, _, slot in jumps))
    names = _names(image, frozenset(slots.values()))
    for value, size, slot in jumps:
        place = names.get(slots.get(slot, 0))
        if place:
            yield PltEntry(value, size, place)


def _jumps_x86(code: bytes, address: int, packed: bool) -> Iterator[tuple[ImageAddress, int, int]]:
    """(address, size, slot) of each entry; those of .plt.got are `packed`, 8 bytes each.

    Unless they begin with endbr64, for which 8 bytes have no room.
    """
    stride = 8 if packed and not code.startswith(b"\xf3\x0f\x1e\xfa") else 16
    for at in range(0, len(code), stride):
        found = _JUMP.match(code, at, at + stride)
        if found:
            next_pc = address + found.end()
            slot = next_pc + int.from_bytes(found[2], "little", signed=True)
            yield ImageAddress(address + at), stride, slot


def _jumps_arm64(
    code: bytes,
    address: int,
    packed: bool,  # noqa: ARG001 - as of x86-64
) -> Iterator[tuple[ImageAddress, int, int]]:
    """The same from `adrp x16` and `ldr x17` to `br x17`, with a `bti c` before them if there."""
    words = struct.unpack(f"<{len(code) // 4}I", code[: len(code) // 4 * 4])
    for at in range(len(words) - 1):
        adrp, load = words[at], words[at + 1]
        if adrp & 0x9F00001F != 0x90000010 or load & 0xFFC003FF != 0xF9400211:
            continue
        pages = (adrp >> 5 & 0x7FFFF) << 2 | adrp >> 29 & 3
        pages -= (pages & 1 << 20) << 1
        slot = ((address + 4 * at) & -4096) + (pages << 12) + (load >> 10 & 0xFFF) * 8
        first = at - 1 if at and words[at - 1] == _BTI_C else at
        last = next((n for n in range(at + 2, min(at + 6, len(words))) if words[n] == _BR_X17), at)
        yield ImageAddress(address + 4 * first), 4 * (last + 1 - first), slot


def _slots(image: ElfImage, wanted: frozenset[int]) -> dict[int, int]:
    """Of the slots in `wanted` those that get the address of a symbol, with its number."""
    found: dict[int, int] = {}
    types = _TYPES[image.machine]
    for name in (b".rela.plt", b".rela.dyn"):
        section = image.section(name)
        if section is None or not wanted:
            continue
        for piece in _pieces(image, section):
            rows = _RELA.iter_unpack(piece)
            found |= {
                at: info >> 32
                for at, info, _ in rows
                if info & 0xFFFFFFFF in types and at in wanted
            }
    return found


def _pieces(image: ElfImage, section: Section) -> Iterator[bytes]:
    end = section.offset + min(section.size, _MOST_RELOCATIONS)
    for offset in range(section.offset, end, _PIECE):
        piece = image.read(FileOffset(offset), min(_PIECE, end - offset))
        yield piece[: len(piece) // _RELA.size * _RELA.size]


def _names(image: ElfImage, numbers: frozenset[int]) -> dict[int, int]:
    """Where the names of these symbols of .dynsym stand."""
    section = image.section(b".dynsym")
    if section is None:
        return {}
    names = {}
    for number in numbers:
        at = number * _SYMBOL.size
        if number and number < _MOST_SYMBOL and at < section.size:
            entry = image.read(FileOffset(section.offset + at), _SYMBOL.size)
            if len(entry) == _SYMBOL.size:
                names[number] = _SYMBOL.unpack(entry)[0]
    return names
