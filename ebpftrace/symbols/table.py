"""The functions of one ELF file by address.

Owns which of several symbols names an address. Kept as arrays rather than objects: a program with
its symbols has hundreds of thousands. Leaves the file to `target.elf`, processes to `symbolizer`,
and readable names to `demangling`.
"""

from array import array
from bisect import bisect_left, bisect_right
from itertools import islice
from typing import Final, NamedTuple

from ebpftrace.model.ids import ImageAddress
from ebpftrace.target import plt
from ebpftrace.target.elf import ElfImage
from ebpftrace.target.elf_symbols import Bind, name_at
from ebpftrace.target.minidebug import mini_debug_image

_MOST_OUTER = 16  # starts looked back over for a function that encloses the address
_MOST_ALIASES = 64  # names for one address that are compared
_INDEX_BITS = 20
_MOST_ENTRIES = 1 << _INDEX_BITS  # four tables of MOST_FUNCTIONS fit
_MOST_IMAGES = 32  # five tables each are numbered in a byte
_MOST_SIZE = (1 << 32) - 1
_RANKS: Final[dict[Bind, int]] = {"global": 0, "weak": 1, "other": 2, "local": 3}
_LOCAL = _RANKS["local"]


class Named(NamedTuple):
    """The function that an address lies in, and its first byte. `name` is still mangled."""

    name: str
    start: ImageAddress


class SymbolTable:
    """The functions of one file, sorted by address. Holds no descriptor."""

    def __init__(self, image: ElfImage, *more: ElfImage) -> None:
        """Read and sort both symbol tables of `image`, and what else says where functions are.

        That is its PLT, the symbols it brings along packed, and those of `more`, images that state
        the same addresses: of separate debug files. Empty where there is nothing.
        """
        self._values, self._sizes, self._names = array("Q"), array("I"), array("I")
        self._strings: list[bytes] = []
        self._suffixes: list[str] = []
        ranks, tables = bytearray(), bytearray()
        for one in (image, *more)[:_MOST_IMAGES]:
            self._read(one, ranks, tables)
            self._read_plt(one, ranks, tables)
            with mini_debug_image(one) as inner:
                if inner is not None:
                    self._read(inner, ranks, tables)
        # The index rides in the low bits: sorting by a key would hold a second list as long.
        mask = _MOST_ENTRIES - 1
        order = sorted(value << _INDEX_BITS | at for at, value in enumerate(self._values))
        self._values = array("Q", (key >> _INDEX_BITS for key in order))
        self._sizes = array("I", (self._sizes[key & mask] for key in order))
        self._names = array("I", (self._names[key & mask] for key in order))
        self._ranks = bytes(ranks[key & mask] for key in order)
        self._tables = bytes(tables[key & mask] for key in order)

    def _read(self, image: ElfImage, ranks: bytearray, tables: bytearray) -> None:
        for table in image.raw_symbols():
            self._strings.append(table.strings())
            self._suffixes.append("")
            number = len(self._strings) - 1
            for entry in islice(table.entries(), _MOST_ENTRIES - len(self)):
                self._values.append(entry.value)
                self._sizes.append(min(entry.size, _MOST_SIZE))
                self._names.append(entry.name)
                ranks.append(_RANKS[entry.bind])
                tables.append(number)

    def _read_plt(self, image: ElfImage, ranks: bytearray, tables: bytearray) -> None:
        dynamic = next((table for table in image.raw_symbols() if table.table == "dynsym"), None)
        found = list(islice(plt.plt_entries(image), _MOST_ENTRIES - len(self)))
        if dynamic is None or not found:
            return
        self._strings.append(dynamic.strings())
        self._suffixes.append(plt.SUFFIX)
        self._values.extend(entry.value for entry in found)
        self._sizes.extend(entry.size for entry in found)
        self._names.extend(entry.name for entry in found)
        ranks.extend([_RANKS["global"]] * len(found))
        tables.extend([len(self._strings) - 1] * len(found))

    def __len__(self) -> int:
        return len(self._values)

    @property
    def memory_bytes(self) -> int:
        """About what the table takes."""
        return sum(map(len, self._strings)) + 18 * len(self)

    def find(self, address: ImageAddress) -> Named | None:
        """The function that `address` lies in, None between functions.

        The innermost one whose size reaches that far; one without a size reaches to the next start.
        Of several names for the same code the plainest: `calloc`, not `__libc_calloc`.
        """
        end = bisect_right(self._values, address)
        innermost = True
        for _ in range(_MOST_OUTER):
            if not end:
                break
            start = self._values[end - 1]
            first = bisect_left(self._values, start, 0, end)
            group = range(max(first, end - _MOST_ALIASES), end)
            reaching = [at for at in group if self._sizes[at] > address - start]
            if not reaching and innermost and not any(self._sizes[at] for at in group):
                reaching = list(group)
            if reaching:
                return Named(self._plainest(reaching), ImageAddress(start))
            end, innermost = first, False
        return None

    def starting_at(self, address: ImageAddress) -> Named | None:
        """The function whose first byte is at `address`."""
        first = bisect_left(self._values, address)
        end = bisect_right(self._values, address, first)
        group = list(range(max(first, end - _MOST_ALIASES), end))
        return Named(self._plainest(group), address) if group else None

    def called_from(self, call: ImageAddress) -> Named | None:
        """The function whose call ends behind `call`.

        The trampoline of a signal handler is returned to without a call: by its first byte.
        """
        return self.find(call) or self.starting_at(ImageAddress(call + 1))

    def _plainest(self, group: list[int]) -> str:
        """Of names for the same code: not a local one, few leading underscores, strong, short."""
        return min(self._preference(at) for at in group)[-1]

    def _preference(self, at: int) -> tuple[bool, bool, int, int, int, str]:
        table = self._tables[at]
        name = name_at(self._strings[table], self._names[at])
        if name:
            name += self._suffixes[table]
        rank = self._ranks[at]
        underscores = len(name) - len(name.lstrip("_"))
        return not name, rank == _LOCAL, underscores, rank, len(name), name
