"""One file's debug information, by drgn: found, opened, and asked for places in the code."""

import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import drgn

from ebpftrace.symbols.locations import MOST_INLINED, MOST_NAME
from ebpftrace.symbols.resolver.linkage import Call, LinkageNames
from ebpftrace.target.debug_files import checksum_of, linked_checksum
from ebpftrace.target.elf import BadElf, ElfImage

_ADDRESSES = (1 << 64) - 1
_RANGE = (0, 1 << 47)  # where its first segment lies is what the bias is against
_SUPPLEMENTARY = drgn.ModuleFileStatus.WANT_SUPPLEMENTARY
_MOST_WORDS = 64
_REFUSED = re.compile(r": (?P<path>/.*?):? (?P<what>CRC 0x[0-9a-f]+|build ID) does not match")
# Of a server that has no such file it says "No such file or directory".
_UNANSWERED = re.compile(
    r"couldn't download debug info from debuginfod: (?P<why>(?!No such file).*)"
)

Place = tuple[str | None, str | None, str | None, int | None, int | None]
"""Linkage name, plain name, file, line, column of one function that covers a place."""


@dataclass(slots=True)
class Found:
    """What became of the search.

    `mapped_bytes`: of debug files. `refused`: files that claim to be the debug file and are not.
    `unanswered`: why no server of debug files could be asked.
    """

    has_debug_info: bool
    mapped_bytes: int = 0
    refused: list[str] = field(default_factory=list)
    unanswered: str | None = None


class DebugModule:
    """A mapped file and what describes it. drgn.Program holds one such only: closing frees it."""

    def __init__(
        self, name: str, files: Sequence[int], build_id: str | None, *, debuginfod: bool
    ) -> None:
        """`files`: the mapped file if it is there, then files that may describe it; taken over.

        `name` is its path, as it is told in `Found`. OSError, LookupError, ValueError and drgn's
        own exceptions where it cannot be read.
        """
        self._program = drgn.Program()
        self._module = self._program.extra_module(name, 0, create=True)
        self._module.address_range = _RANGE
        if build_id is not None:
            self._module.build_id = bytes.fromhex(build_id)
        self._files = list(files)
        self._linkage: LinkageNames | None = None
        refused: list[str] = []
        with _listening() as words:
            for fd in files:
                if not (self._module.wants_loaded_file() or self._module.wants_debug_file()):
                    break
                if fd == files[0] or self._may_describe(fd):
                    self._module.try_file(f"/proc/self/fd/{fd}", fd=os.dup(fd))
                else:
                    refused.append(os.readlink(f"/proc/self/fd/{fd}"))
            if self._module.wants_debug_file():
                self._program.find_standard_debug_info([self._module])
            fetched = self._module.wants_debug_file() and debuginfod
            if fetched:
                if self._module.wants_loaded_file():  # it says nothing that its debug file does not
                    self._module.loaded_file_status = drgn.ModuleFileStatus.DONT_WANT
                self._program.set_enabled_debug_info_finders(["debuginfod"])
                with suppress(drgn.MissingDebugInfoError):
                    self._program.load_module_debug_info(self._module)
        refused += [m["path"] for m in map(_REFUSED.search, words) if m]
        path = self._module.debug_file_path
        if fetched and path is not None and _build_id_of(path) != build_id:  # drgn trusts servers
            refused, path = [path], None
        self.found = Found(
            has_debug_info=path is not None and not self._module.wants_debug_file(),
            refused=[] if path else refused,
            unanswered=next((m["why"] for m in map(_UNANSWERED.search, words) if m), None),
        )
        if self.found.has_debug_info:
            with suppress(OSError):
                self._linkage = self._open_linkage()
            held = self._files[len(files) :]
            self.found.mapped_bytes = sum(os.fstat(fd).st_size for fd in held)

    def _may_describe(self, fd: int) -> bool:
        """By its checksum where there is no build id: drgn would take any file then."""
        if self._module.build_id is not None or self._module.debug_file_status == _SUPPLEMENTARY:
            return True
        with suppress(BadElf):
            linked = linked_checksum(ElfImage.open(self._files[0]))
            return linked is not None and checksum_of(fd) == linked
        return False

    def _open_linkage(self) -> LinkageNames:
        """OSError where drgn does not keep the file open that it has chosen."""
        paths = self._module.debug_file_path, self._module.supplementary_debug_file_path
        debug, supplementary = (None if path is None else _open_already(path) for path in paths)
        self._files += [fd for fd in (debug, supplementary) if fd is not None]
        if debug is None:
            raise FileNotFoundError
        return LinkageNames(debug, supplementary)

    def places(self, address: int) -> list[Place]:
        """The functions that cover `address` of the file, the innermost inlined one first.

        The last one's linkage name may be from a symbol table. Empty where nothing is told.
        """
        bias = self._bias
        try:
            locations = self._program.source_location((address + bias) & _ADDRESSES)
        except LookupError:
            symbol = self._symbol((address + bias) & _ADDRESSES)
            return [] if symbol is None else [(symbol, None, None, None, None)]
        count = len(locations)
        names = self._linkage_names(address)
        try:
            found = [locations[n] for n in range(min(count, MOST_INLINED))]
        except UnicodeDecodeError:  # of a path: then drgn gives nothing of the place
            return self._names_only(names[:MOST_INLINED], (address + bias) & _ADDRESSES)
        told = [(_name_of(one), one.filename, one.line, one.column) for one in found]
        if count == 1 and len(names) > 1:
            # drgn has found the line and not the function: its name is the symbol's.
            calls = self._linkage_calls(address)[: MOST_INLINED - 1]
            told = [(None, *told[0][1:]), *((None, *call) for call in calls)]
            count = len(names)
        if len(names) != count:  # they were not found, or another way
            names = [None] * count
        places = [
            (_clipped(name), _clipped(plain), _clipped(file or None), line or None, column or None)
            for (plain, file, line, column), name in zip(told, names, strict=False)
        ]
        if len(told) == count and places:
            symbol = self._symbol((address + bias) & _ADDRESSES)
            places[-1] = (symbol or places[-1][0], *places[-1][1:])
        return places

    def _names_only(self, names: list[str | None], address: int) -> list[Place]:
        symbol = self._symbol(address)
        chain = [*names[:-1], symbol or names[-1]] if names else [symbol]
        return [(_clipped(name), None, None, None, None) for name in chain if name is not None]

    def _symbol(self, address: int) -> str | None:
        """Of the symbol table of the debug file, for the mapped one may have none.

        The trampoline of a signal handler is returned to without a call: by its first byte.
        """
        for place in (address, (address + 1) & _ADDRESSES):
            with suppress(LookupError, UnicodeDecodeError):
                symbol = self._program.symbol(place)
                if place in (address, symbol.address):
                    return _clipped(symbol.name)
        return None

    def _linkage_names(self, address: int) -> list[str | None]:
        return [] if self._linkage is None else self._linkage.names(self._described(address))

    def _linkage_calls(self, address: int) -> list[Call]:
        return [] if self._linkage is None else self._linkage.calls(self._described(address))

    def _described(self, address: int) -> int:
        """`address` of the mapped file, as its debug file has it."""
        bias = self._bias - (self._module.debug_file_bias or 0)
        return (address + bias) & _ADDRESSES

    @property
    def _bias(self) -> int:
        """Of the mapped file. Where that is not there its debug file states the same addresses."""
        bias = self._module.loaded_file_bias
        return (self._module.debug_file_bias or 0) if bias is None else bias

    def close(self) -> None:
        """Let go of the files."""
        if self._linkage is not None:
            self._linkage.close()
        for fd in self._files:
            os.close(fd)
        self._files.clear()


def _open_already(path: str) -> int:
    """A copy of the descriptor by which this process has `path` open. OSError where it has none.

    The path itself may lead nowhere from here, or to another file by now.
    """
    for fd in map(int, os.listdir("/proc/self/fd")):
        with suppress(OSError):
            if os.readlink(f"/proc/self/fd/{fd}") == path:
                return os.dup(fd)
    raise FileNotFoundError(path)


def _name_of(location: drgn.SourceLocation) -> str | None:
    try:
        return _clipped(location.name())
    except UnicodeDecodeError:
        return None


def _build_id_of(path: str) -> str | None:
    """Of a file that this process has open."""
    with suppress(BadElf, OSError):
        fd = _open_already(path)
        try:
            return ElfImage.open(fd).build_id
        finally:
            os.close(fd)
    return None


def _clipped(name: str | None) -> str | None:
    return None if name is None else name[:MOST_NAME]


@contextmanager
def _listening() -> Iterator[list[str]]:
    """What drgn says meanwhile, in its order."""
    words: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if len(words) < _MOST_WORDS:
                words.append(record.getMessage()[:MOST_NAME])

    logger, listener = logging.getLogger("drgn"), Listener()
    logger.setLevel(logging.DEBUG)
    logger.addHandler(listener)
    logger.propagate = False
    try:
        yield words
    finally:
        logger.removeHandler(listener)
