"""The kernel's own library in a process, [vdso], which no file holds: read from its memory."""

import os
from dataclasses import dataclass

from ebpftrace.errors import TargetGone
from ebpftrace.symbols.table import SymbolTable
from ebpftrace.target.elf import BadElf, ElfImage
from ebpftrace.target.maps import Mapping
from ebpftrace.target.process import Process

_MOST_BYTES = 1 << 20  # x86-64 has two pages


@dataclass(frozen=True, slots=True)
class Vdso:
    """Its functions; it is linked at 0, so their addresses count from where it is mapped."""

    table: SymbolTable
    build_id: str | None


def read_vdso(process: Process, mapping: Mapping) -> Vdso | None:
    """The library mapped at `mapping`, None where it cannot be read (the process ended)."""
    content = _read_memory(process, mapping)
    fd = os.memfd_create("ebpftrace-vdso", os.MFD_CLOEXEC)
    try:
        os.write(fd, content)
        image = ElfImage.open(fd)
        return Vdso(SymbolTable(image), image.build_id)
    except (BadElf, OSError):
        return None
    finally:
        os.close(fd)


def _read_memory(process: Process, mapping: Mapping) -> bytes:
    try:
        fd = os.open(f"{process.proc_path()}/mem", os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, TargetGone):
        return b""
    try:
        return os.pread(fd, min(mapping.end - mapping.start, _MOST_BYTES), mapping.start)
    except OSError:
        return b""
    finally:
        os.close(fd)
