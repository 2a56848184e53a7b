"""Symbol tables shared by every traced process that maps the same file. Bounded."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

from ebpftrace.symbols.table import SymbolTable
from ebpftrace.target.modules import Module

MOST_TABLES = 512
MOST_BYTES = 96 << 20
"""Of tables and their strings; a stripped library takes 50-500 KB."""


class TableCache:
    """Tables by file identity, the least recently used thrown out first. Not for two threads."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._tables: OrderedDict[Hashable, SymbolTable] = OrderedDict()
        self._most_bytes = most_bytes
        self._bytes = 0

    def table(self, module: Module) -> SymbolTable | None:
        """The functions of `module`, read at first use; None where it is no readable ELF file."""
        identity = module.identity
        if identity is None:
            return None
        return self.table_of(identity, lambda: SymbolTable(module.image) if module.image else None)

    def table_of(
        self, identity: Hashable, read: Callable[[], SymbolTable | None]
    ) -> SymbolTable | None:
        """The functions of what `identity` stands for, by `read` at first use."""
        if identity in self._tables:
            self._tables.move_to_end(identity)
            return self._tables[identity]
        table = read()
        if table is None:
            return None
        self._tables[identity] = table
        self._bytes += table.memory_bytes
        while len(self._tables) > 1 and (
            len(self._tables) > MOST_TABLES or self._bytes > self._most_bytes
        ):
            self._bytes -= self._tables.popitem(last=False)[1].memory_bytes
        return table
