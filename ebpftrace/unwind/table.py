"""The unwind rule at an address of one ELF file.

Owns the order in which its tables are asked, and that nothing a hostile file holds leaves this
package as an exception. Leaves addresses of a process to `target.modules`, and who is told of a
rule to its caller.
"""

from collections.abc import Iterator
from typing import NamedTuple

from ebpftrace.model.ids import ImageAddress
from ebpftrace.target.elf import ElfImage
from ebpftrace.unwind.encoding import BAD, reason_of
from ebpftrace.unwind.entries import Entries, Entry, Fde
from ebpftrace.unwind.machines import MACHINES, Machine
from ebpftrace.unwind.program import Row
from ebpftrace.unwind.rules import GUESSED, OUTERMOST, SIGNALLED, Found, unknown
from ebpftrace.unwind.sources import DebugFrame, EhFrame, Source


class Stretch(NamedTuple):
    """The addresses from `start` to before `end`, at which one row holds, and its rule."""

    start: int
    end: int
    found: Found


_ENTRY_BYTES = 128


class UnwindTable:
    """The rules of one file. Keeps at most 8 MiB of each of its tables (32 of a compressed one) and
    16 MiB of index. The descriptor of its image has to stay open as long.

    A question takes about 10 us; to a hostile file at most 0.1 s, after a first one of 3 s where its
    table has to be made.
    """

    def __init__(self, image: ElfImage) -> None:
        """Nothing is read before the first question."""
        self._machine: Machine | None = None
        self._entry = image.entry
        self._refused = f"{image.machine}, {image.bits} bits"
        self._sources: tuple[Source, ...] = ()
        if image.bits == 64 and image.little:
            self._machine = MACHINES.get(image.machine)
        if self._machine is not None:
            self._sources = EhFrame(image, self._machine), DebugFrame(image, self._machine)

    def rule_at(self, address: ImageAddress) -> Found:
        """The rule at `address`, where a call is: the return address - 1.

        A guess where no table covers it, unknown where one that does, or that might, is broken or
        says what no rule can.
        """
        if self._machine is None:
            return Found(unknown(), self._refused)
        broken = ""
        for source in self._sources:
            try:
                fde = source.find(address)
                if fde is not None:
                    program = fde.program()
                    if not fde.cie.signal:
                        program.run(address)
                    return _found(self._machine, fde, program.row, address)
            except BAD as error:
                broken = broken or reason_of(error)
        if broken:
            return Found(unknown(), broken)
        if self._starts_at(ImageAddress(address + 1)) or self._is_entry(address):
            return Found(OUTERMOST)
        return Found(GUESSED, "no FDE" if self._has_tables() else "no unwind tables")

    def every_row(self) -> Iterator[Stretch]:
        """Each row of each FDE of the file, in the order of its tables: to compare whole files with
        what others read. What is broken is one unknown stretch, of no length if nothing is known.
        """
        for source in self._sources:
            try:
                for entries, entry in source.every():
                    if entry.cie is not None:
                        yield from self._rows(entries, entry)
            except BAD as error:
                yield Stretch(0, 0, Found(unknown(), reason_of(error)))

    def _rows(self, entries: Entries, entry: Entry) -> Iterator[Stretch]:
        assert self._machine is not None
        start = end = 0
        try:
            fde = entries.parse(entry)
            start, end = fde.start, fde.end
            program = fde.program()
            more = True
            while more and start < end:
                more = program.run(start)
                stop = min(program.location, end) if more else end
                yield Stretch(start, stop, _found(self._machine, fde, program.row, start))
                start = stop
        except BAD as error:
            yield Stretch(start, end, Found(unknown(), reason_of(error)))

    def _starts_at(self, address: ImageAddress) -> bool:
        """Does a function start there? No call is before it, if no table covers the byte before.

        Such a return address was put on a stack by hand, below everything: __start_context, which
        makecontext() of glibc leaves for a coroutine to return to, says nothing else of itself.
        """
        for source in self._sources:
            try:
                fde = source.find(address)
                if fde is not None:
                    return fde.start == address
            except BAD:
                pass
        return False

    def _is_entry(self, address: ImageAddress) -> bool:
        """Is it in the code that the kernel starts? Nobody has called that.

        The loader of glibc has no table for its 64 bytes, and calls constructors from there.
        """
        return bool(self._entry) and self._entry <= address < self._entry + _ENTRY_BYTES

    def _has_tables(self) -> bool:
        return any(source.exists for source in self._sources)


def _found(machine: Machine, fde: Fde, row: Row, address: int) -> Found:
    if fde.cie.signal:
        return Found(SIGNALLED)
    try:
        return Found(machine.rule_of(row, fde.cie.return_register, address))
    except BAD as error:
        return Found(unknown(), reason_of(error))
