"""The files of one module that were found by its build id, held open while it is asked about."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from ebpftrace.symbols.source_text import SourceText
from ebpftrace.symbols.table import SymbolTable
from ebpftrace.target.debug_files import is_described
from ebpftrace.target.elf import BadElf, ElfImage


class FoundModule:
    """Made by `opened`. `identity` is the build id; there may be no file at all."""

    def __init__(
        self, name: str, build_id: str, files: Sequence[int], source: SourceText | None
    ) -> None:
        self.name = name
        # Its path on its host is another file's here.
        self.identity = self.path = build_id
        self.build_id: str | None = build_id
        self.source = source
        self._files = files
        self._images: list[ElfImage] = []
        for fd in files:
            with suppress(BadElf):
                self._images.append(ElfImage.open(fd))

    def files(self) -> Sequence[int]:
        """Descriptors."""
        return self._files

    def may_be_described(self) -> bool:
        """Has one of them debug information?"""
        return any(map(is_described, self._images))

    def table(self) -> SymbolTable | None:
        """The functions that they name; None where there is no file."""
        mine = [image for image in self._images if image.build_id == self.build_id]
        return SymbolTable(*mine) if mine else None


@contextmanager
def opened(
    name: str, build_id: str, files: Sequence[int], source: SourceText | None
) -> Iterator[FoundModule]:
    """Takes `files` over."""
    try:
        yield FoundModule(name, build_id, files, source)
    finally:
        for fd in files:
            os.close(fd)
