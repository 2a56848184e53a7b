"""Modules built from ELF files in code, as if a process had mapped them, and its memory."""

import os
import tempfile

import pytest

from ebpftrace.errors import CannotAttach
from ebpftrace.model.ids import Address, FileOffset, Pid
from ebpftrace.probes.plan import Plan, plan
from ebpftrace.target.maps import Mapping
from ebpftrace.target.modules import Module
from ebpftrace.target.process import Process
from ebpftrace.target.text import LiveText
from tests.unit.elf_builder import TEXT_OFFSET, Elf, Sym

FREE = bytes.fromhex("4885ff 74 0b 55 5d c3").ljust(16, b"\x90")
PUSH = bytes.fromhex("55 5d c3").ljust(16, b"\x90")
STANDARD = [Sym("malloc"), Sym("realloc", value=16), Sym("free", value=32)]
CODE = PUSH + PUSH + FREE + PUSH * 5


class FilesAsMemory(LiveText):
    """The memory of a process that runs what its files say, but for `patches`: (address, byte)."""

    def __init__(self, modules: list[Module]) -> None:
        self.why = ""
        self._memory = None
        self.modules = modules
        self.patches: list[tuple[int, int]] = []

    def read(self, address: Address, length: int) -> bytes:
        for module in self.modules:
            offset = module.offset_of(address)
            if offset is not None and module.image is not None:
                memory = bytearray(module.image.read(offset, length))
                for at, byte in self.patches:
                    if 0 <= at - address < len(memory):
                        memory[at - address] = byte
                return bytes(memory)
        return b""


class Workbench:
    """Modules built from ELF files in code, as if a process had mapped them."""

    def __init__(self) -> None:
        self.modules: list[Module] = []
        self.live = FilesAsMemory(self.modules)
        self._files: list[tempfile._TemporaryFileWrapper[bytes]] = []

    def module(
        self, elf: Elf, path="/usr/lib/liballoc.so", perms="r-xp", start=0x7000000
    ) -> Module:
        file = tempfile.NamedTemporaryFile()  # noqa: SIM115
        file.write(elf.build())
        file.flush()
        self._files.append(file)
        where = Mapping(
            Address(start + len(self.modules) * 0x100000),
            Address(start + len(self.modules) * 0x100000 + 0x1000),
            perms,
            FileOffset(TEXT_OFFSET),
            "00:01",
            len(self.modules) + 1,
            path,
        )
        key = (where.device, where.inode, path)
        module = Module(key, (where,), os.dup(file.fileno()), "")
        self.modules.append(module)
        return module

    def plan(self) -> Plan:
        process = Process(Pid(1234), -1, 0, "prog", "/usr/bin/prog")
        return plan(process, self.modules, self.live)

    def why_none(self) -> str:
        """The sentence with which planning fails."""
        with pytest.raises(CannotAttach) as failure:
            self.plan()
        return str(failure.value)

    def patch(self, value: int, code: bytes, module: int = 0) -> None:
        """Write into the memory of the process, `value` bytes into the text of a module."""
        address = Address(self.modules[module].mappings[0].start + value)
        self.live.patches += ((address + at, byte) for at, byte in enumerate(code))

    def close(self) -> None:
        for module in self.modules:
            module.close()
        for file in self._files:
            file.close()
