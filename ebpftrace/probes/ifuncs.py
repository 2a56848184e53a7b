"""Which code an IFUNC stands for: the resolver has run in the process, and its choice is in a slot.

Owns reading the slots that the loader has filled, by the relocations of the files. A process may have
anything there, and a probe between two instructions would end it: what is not the start of code of the
same file is not believed.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from ebpftrace.model.ids import Address, FileOffset, ImageAddress
from ebpftrace.target.elf import ElfImage, Section
from ebpftrace.target.elf_symbols import Symbol
from ebpftrace.target.modules import Module
from ebpftrace.target.text import LiveText

_MOST_RELOCATIONS = 16 << 20  # bytes: 700,000; those of a browser take 15 MB
_MOST_SYMBOLS = 24 << 20
_MOST_SLOTS = 4096  # of one file; real ones have one or two for each name
_PIECE = (1 << 20) // 24 * 24
_SHT_RELA = 4
_PAGE = 4096
_PLT = (b".plt", b".plt.sec", b".plt.got", b".iplt")

# Elf64_Rela: r_offset, r_info (symbol << 32 | type), r_addend; Elf64_Sym. The types: IRELATIVE, which has
# the resolver as its addend, and JUMP_SLOT, GLOB_DAT and the plain 64-bit address, which name a symbol.
_RELA: Final = struct.Struct("<QQq")
_SYMBOL: Final = struct.Struct("<IBBHQQ")
_TYPES: Final[Mapping[str, tuple[int, frozenset[int]]]] = {
    "x86_64": (37, frozenset({7, 6, 1})),
    "aarch64": (1032, frozenset({1026, 1025, 257})),
}


class Place(NamedTuple):
    """A function by its first byte, and the bytes that its symbol states; 0: none does."""

    start: ImageAddress
    size: int


def chosen(
    module: Module, modules: Sequence[Module], live: LiveText, symbol: Symbol
) -> Place | None:
    """The code of `module` that its IFUNC `symbol` stands for; None where no slot tells, or two differ.

    `modules` are all of the process: those that call it by name have slots of their own.
    """
    image = module.image
    if image is None or image.bits != 64 or not image.little or image.machine not in _TYPES:
        return None
    for among in ((module,), tuple(other for other in modules if other is not module)):
        found = {
            place
            for holder in among
            for value in _values(holder, symbol, live, own=holder is module)
            if (place := _code_at(module, image, Address(value))) is not None
            and place.start != symbol.value
        }
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def _values(holder: Module, symbol: Symbol, live: LiveText, *, own: bool) -> Iterator[int]:
    """What the slots of `holder` have for `symbol` now, but for what the file itself has there."""
    image = holder.image
    if image is None or image.bits != 64 or not image.little or image.machine not in _TYPES:
        return
    if not own and not image.mentions(b"\0" + symbol.name.encode() + b"\0"):
        return
    slots = _slots(image, symbol, own=own)
    for bias in _biases(holder, image):
        for slot in slots:
            value = int.from_bytes(live.read(Address(slot + bias), 8), "little")
            if value and value != _unbound(image, slot, bias):
                yield value


def _unbound(image: ElfImage, slot: ImageAddress, bias: int) -> int | None:
    """What a slot has as long as nobody has called by it: the way to the loader (lazy binding)."""
    offset = image.file_offset(slot)
    return None if offset is None else int.from_bytes(image.read(offset, 8), "little") + bias


def _slots(image: ElfImage, symbol: Symbol, *, own: bool) -> list[ImageAddress]:
    """Where the file has slots for it: by the resolver in its `own` file, and by the name."""
    relative, by_name = _TYPES[image.machine]
    numbers = _numbers(image, symbol.name)
    found: list[ImageAddress] = []
    for section in image.sections:
        if section.kind != _SHT_RELA:
            continue
        for piece in _pieces(image, section, _MOST_RELOCATIONS, _RELA.size):
            found += [
                ImageAddress(at)
                for at, info, addend in _RELA.iter_unpack(piece)
                if (own and info & 0xFFFFFFFF == relative and addend == symbol.value)
                or (info & 0xFFFFFFFF in by_name and info >> 32 in numbers)
            ]
            if len(found) > _MOST_SLOTS:
                return found[:_MOST_SLOTS]
    return found


def _numbers(image: ElfImage, name: str) -> frozenset[int]:
    """The numbers of dynamic symbols of that name, imported ones too; never 0, which stands for none."""
    table = next((section for section in image.sections if section.name == b".dynsym"), None)
    if table is None or table.link >= len(image.sections):
        return frozenset()
    strings = b"".join(_pieces(image, image.sections[table.link], _MOST_SYMBOLS, 1))
    places: set[int] = set()
    at = strings.find(b"\0" + name.encode() + b"\0")
    while at >= 0 and len(places) < _MOST_SLOTS:
        places.add(at + 1)
        at = strings.find(b"\0" + name.encode() + b"\0", at + 1)
    found: set[int] = set()
    number = 0
    for piece in _pieces(image, table, _MOST_SYMBOLS, _SYMBOL.size):
        rows = _SYMBOL.iter_unpack(piece)
        found |= {number + index for index, row in enumerate(rows) if row[0] in places}
        number += len(piece) // _SYMBOL.size
    return frozenset(found - {0})


def _pieces(image: ElfImage, section: Section, most: int, unit: int) -> Iterator[bytes]:
    end = section.offset + min(section.size, most)
    for offset in range(section.offset, end, _PIECE):
        piece = image.read(FileOffset(offset), min(_PIECE, end - offset))
        yield piece[: len(piece) // unit * unit]


def _biases(module: Module, image: ElfImage) -> frozenset[int]:
    """What is to be added to an address of the file, for each time that it is mapped to run."""
    return frozenset(
        part.start - part.offset + segment.offset - segment.vaddr
        for part in module.mappings
        if part.executable
        for segment in image.segments
        if segment.flags & 1 and segment.offset & -_PAGE <= part.offset
        if part.offset < segment.offset + segment.filesz
    )


def _code_at(module: Module, image: ElfImage, address: Address) -> Place | None:
    """The place in the file of the function that starts at `address`; None where none may."""
    for part in module.mappings:
        if part.executable and part.start <= address < part.end:
            break
    else:
        return None
    place = image.image_address(FileOffset(address - part.start + part.offset))
    if place is None or any(
        section.name in _PLT and section.address <= place < section.address + section.size
        for section in image.sections
    ):
        return None
    inside = False
    for entry in image.functions():
        if entry.value == place:
            return Place(place, entry.size)
        inside = inside or entry.value < place < entry.value + entry.size
    return None if inside else Place(place, 0)
