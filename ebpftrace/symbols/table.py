"""The functions of one ELF file by address.

Owns which of several symbols names an address. Kept as arrays rather than objects: a program with
its symbols has hundreds of thousands. Leaves the file to `target.elf`, processes to `symbolizer`.
"""

from array import array
from bisect import bisect_left, bisect_right
from typing import Final, NamedTuple

from ebpftrace.model.ids import ImageAddress
from ebpftrace.target.elf import ElfImage
from ebpftrace.target.elf_symbols import Bind, name_at

_MOST_OUTER = 16  # starts looked back over for a function that encloses the address
_MOST_ALIASES = 64  # names for one address that are compared
_INDEX_BITS = 20  # two tables of MOST_FUNCTIONS fit
_MOST_SIZE = (1 << 32) - 1
_RANKS: Final[dict[Bind, int]] = {"global": 0, "weak": 1, "other": 2, "local": 3}
_LOCAL = _RANKS["local"]


class Named(NamedTuple):
    """The function that an address lies in, and its first byte."""

    name: str
    start: ImageAddress


class SymbolTable:
    """The functions of one file, sorted by address. Holds no descriptor."""

    def __init__(self, image: ElfImage) -> None:
        """Read and sort both symbol tables of `image`; empty where it has none."""
        values, sizes, names = array("Q"), array("I"), array("I")
        ranks, tables = bytearray(), bytearray()
        self._strings: list[bytes] = []
        for number, table in enumerate(image.raw_symbols()):
            self._strings.append(table.strings())
            for entry in table.entries():
                values.append(entry.value)
                sizes.append(min(entry.size, _MOST_SIZE))
                names.append(entry.name)
                ranks.append(_RANKS[entry.bind])
                tables.append(number)
        # The index rides in the low bits: sorting by a key would hold a second list as long.
        mask = (1 << _INDEX_BITS) - 1
        order = sorted(value << _INDEX_BITS | at for at, value in enumerate(values))
        self._values = array("Q", (key >> _INDEX_BITS for key in order))
        self._sizes = array("I", (sizes[key & mask] for key in order))
        self._names = array("I", (names[key & mask] for key in order))
        self._ranks = bytes(ranks[key & mask] for key in order)
        self._tables = bytes(tables[key & mask] for key in order)

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

    def _plainest(self, group: list[int]) -> str:
        """Of names for the same code: not a local one, few leading underscores, strong, short."""
        return min(self._preference(at) for at in group)[-1]

    def _preference(self, at: int) -> tuple[bool, bool, int, int, int, str]:
        name = name_at(self._strings[self._tables[at]], self._names[at])
        rank = self._ranks[at]
        underscores = len(name) - len(name.lstrip("_"))
        return not name, rank == _LOCAL, underscores, rank, len(name), name
