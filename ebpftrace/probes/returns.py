"""How the returns of functions are seen through which an exception may pass.

Owns what of a file's code is followed to find them. Leaves the way from code to places to `flow` and
`exits`.
"""

from collections.abc import Collection, Mapping
from functools import cached_property

from ebpftrace.model.ids import FileOffset, ImageAddress
from ebpftrace.probes.decode import MOST_CODE
from ebpftrace.probes.definitions import Definition, Found
from ebpftrace.probes.exits import Exit, exits
from ebpftrace.probes.families import ALL_NAMES
from ebpftrace.probes.flow import Untraceable, follow
from ebpftrace.probes.pools import FAMILY_ID as POOL
from ebpftrace.target.code_names import CodeNames
from ebpftrace.target.elf import ElfImage
from ebpftrace.target.elf_symbols import name_at
from ebpftrace.target.plt import plt_entries

# Of libc, libgcc and libsupc++; what throws (__cxa_throw, std::__throw_bad_alloc) has that in its name.
_NEVER_RETURN = frozenset(
    {
        *("abort", "exit", "_exit", "_Exit", "__assert_fail", "__stack_chk_fail"),
        *("__fortify_fail", "__chk_fail", "longjmp", "siglongjmp", "_Unwind_Resume"),
    }
)


class FileCode:
    """The code of an ELF file, as `flow` wants it. `served`: functions that have return probes."""

    def __init__(self, image: ElfImage, names: CodeNames, served: Collection[ImageAddress]) -> None:
        self._image = image
        self._names = names
        self._served = served

    def read(self, address: ImageAddress) -> bytes:
        """From `address` to the next function."""
        offset = self._image.file_offset(address)
        if offset is None:
            return b""
        room = min(self._image.room(address), MOST_CODE)
        ends = self._names.starts_between(address, ImageAddress(address + room))
        return self._image.read(FileOffset(offset), ends[0] - address if ends else room)

    def destination(self, address: ImageAddress) -> ImageAddress | None:
        """Through the procedure linkage table too; an allocator function elsewhere is probed there."""
        name = self._linked.get(address)
        if name is not None:
            places = {symbol.value for symbol in self._names.symbols((name,))}
            if not places and name not in ALL_NAMES:
                raise Untraceable(f"it jumps to {name}, which is in another file")
            address = min(places, default=ImageAddress(0))
            if not places:
                return None
        return None if address in self._served else address

    def comes_back(self, address: ImageAddress) -> bool:
        """False of functions that throw or end the program."""
        name = self._linked.get(address, "")
        return name not in _NEVER_RETURN and name != "_ZSt9terminatev" and "throw" not in name

    @cached_property
    def _linked(self) -> Mapping[ImageAddress, str]:
        return linked(self._image)


def linked(image: ElfImage) -> dict[ImageAddress, str]:
    """What each entry of the procedure linkage table jumps to."""
    strings = next((t.strings() for t in image.raw_symbols() if t.table == "dynsym"), b"")
    return {entry.value: name_at(strings, entry.name) for entry in plt_entries(image)}


def exits_of(
    found: Found, throwing: Collection[Definition], entries: Collection[ImageAddress]
) -> tuple[dict[Definition, tuple[Exit, ...]], dict[Definition, str]]:
    """The exits of each function in `throwing`, each once, or why they cannot be found.

    `entries`: where there are probes of entries. Only on x86-64 is code followed.
    """
    image, names = found.module.image, found.names
    if image is None or names is None or image.machine != "x86_64":
        return {}, dict.fromkeys(throwing, "code is followed on x86-64 only")
    served = [
        d.address for d in found.definitions if d not in throwing and d.function.role != "death"
    ]
    # A pool may jump to an allocator function of the same file, which is probed as that.
    served += [symbol.value for symbol in names.symbols(ALL_NAMES) if found.family.id == POOL]
    code = FileCode(image, names, frozenset(served) - {d.address for d in throwing})
    known: dict[ImageAddress, Exit] = {}
    places: dict[Definition, tuple[Exit, ...]] = {}
    whys: dict[Definition, str] = {}
    for definition in throwing:
        try:
            here = exits(follow(code, definition.address), known, entries)
        except Untraceable as error:
            whys[definition] = str(error)
            continue
        if here is None:
            whys[definition] = "it returns at too many places"
            continue
        places[definition] = tuple(place for place in here if place.address not in known)
        known |= {place.address: place for place in here}
    return places, whys
