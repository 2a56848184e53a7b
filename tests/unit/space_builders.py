"""A process with the maps that a test gives it, and modules over ELF files built in code."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from typing import NoReturn, cast

from ebpftrace.errors import TargetGone
from ebpftrace.model.ids import Address, FileOffset
from ebpftrace.target.maps import Mapping
from ebpftrace.target.modules import Module
from ebpftrace.target.process import Process
from ebpftrace.target.space import AddressSpace
from tests.unit.elf_builder import TEXT_OFFSET, Elf

BASE = 0x7F0000000000


class StubProcess:
    """Stands for a process: counts how often its maps are read. Its files cannot be opened."""

    pid = 1

    def __init__(self, *maps: Mapping, ended: bool = False) -> None:
        self.reads = 0
        self.now = maps
        self.has_ended = ended
        self.raises: Exception | None = None

    def ended(self) -> bool:
        return self.has_ended

    def maps(self) -> tuple[Mapping, ...]:
        self.reads += 1
        if self.raises:
            raise self.raises
        return self.now

    def proc_path(self) -> NoReturn:
        raise TargetGone("Process 1 has ended.")

    anchor = proc_path


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def mapping(
    start=BASE, size=0x1000, path="/x.so", inode=5, offset=TEXT_OFFSET, perms="r-xp"
) -> Mapping:
    return Mapping(
        Address(start), Address(start + size), perms, FileOffset(offset), "00:01", inode, path
    )


@contextlib.contextmanager
def module_of(elf: Elf, *where: Mapping) -> Iterator[Module]:
    with tempfile.TemporaryFile() as file:
        file.write(elf.build())
        file.flush()
        key = (where[0].device, where[0].inode, where[0].path)
        module = Module(key, where, os.dup(file.fileno()), "")
        try:
            yield module
        finally:
            module.close()


def space(stub: StubProcess, *modules: Module, **options) -> AddressSpace:
    return AddressSpace(cast(Process, stub), modules, **options)
