"""Frames of places in a file, through everything that the tool names live code with.

A process of its own maps the file as code, never runs it, and is read as a target is: modules, symbol
tables, the process that reads debug information, inlined functions.
"""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ebpftrace.errors import EbpftraceError
from ebpftrace.host import status
from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import Address, ImageAddress
from ebpftrace.symbols.line_frames import LineFrames
from ebpftrace.symbols.lines import Lines
from ebpftrace.symbols.symbolizer import Symbolizer
from ebpftrace.target.modules import Module, open_modules
from ebpftrace.target.process import Process
from ebpftrace.target.root import TargetRoot
from ebpftrace.target.space import AddressSpace

_HOLD = """
import mmap, sys
with open(sys.argv[1], "rb") as file:
    held = mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)
print("ready", flush=True)
sys.stdin.read()
"""


class NotMapped(EbpftraceError):
    """The file cannot be mapped as code, or is not ELF."""


class NamedProcess:
    """One process and what names its code. Close it; `process` and `lines` stay the caller's."""

    def __init__(self, process: Process, lines: Lines) -> None:
        """Opens modules; no name is looked up yet."""
        self.space = AddressSpace(process, open_modules(process))
        self._root = TargetRoot.open(process)
        self._symbolizer = Symbolizer(self.space)
        self.lines = lines
        users = status.of(process.pid).uids
        self._refining = LineFrames(self._symbolizer, self.space, lines, self._root, users)
        self.first_s: float | None = None

    def names(self, pcs: Sequence[Address]) -> tuple[Frame, ...]:
        """One frame a return address, by symbol tables."""
        return self._symbolizer.frames(pcs)

    def with_lines(self, frames: Sequence[Frame], limit_s: float) -> list[tuple[Frame, ...]]:
        """What takes the place of each; itself where nothing came within `limit_s` seconds.

        `first_s` is how long the first of those that were not known at once took.
        """
        start = time.monotonic()
        self.first_s = None
        better = self._refining.refined(frames)
        if None in better:
            while not self.lines.arrived(0) and time.monotonic() - start < limit_s:
                time.sleep(0.0005)
            self.first_s = time.monotonic() - start
        self.lines.settle(limit_s - (time.monotonic() - start))
        come = self._refining.arrived()
        return [
            now if now is not None else come.get(frame, (frame,))
            for frame, now in zip(frames, better, strict=True)
        ]

    def close(self) -> None:
        """Let go of its files."""
        self.space.close()
        if self._root is not None:
            self._root.close()


@contextlib.contextmanager
def named(pid: int, lines: Lines) -> Iterator[NamedProcess]:
    """A running process; `lines` are closed at the end."""
    with Process.open(pid) as process:
        found = NamedProcess(process, lines)
        try:
            yield found
        finally:
            lines.close()
            found.close()


@contextlib.contextmanager
def mapping(path: Path) -> Iterator[int]:
    """The pid of a process that has the whole of `path` mapped as code. NotMapped."""
    with subprocess.Popen(
        [sys.executable, "-I", "-c", _HOLD, path.resolve()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        try:
            if not holder.stdout.readline():
                raise NotMapped(f"{path} cannot be mapped as code.")
            yield holder.pid
        finally:
            holder.kill()


def module_of(space: AddressSpace, path: Path) -> Module:
    """The module that is `path`. NotMapped where it is no ELF file."""
    wanted = str(path.resolve())
    for module in space.modules:
        if module.path == wanted and module.image is not None:
            return module
    raise NotMapped(f"{path} is no ELF file, or cannot be read.")


def return_address(module: Module, address: ImageAddress) -> Address:
    """The return address by which `address` of a `module` mapped by `mapping` is looked up."""
    assert module.image is not None, "module_of saw to it"
    offset = module.image.file_offset(address)
    if offset is None:
        raise NotMapped(f"{address:#x} of {module.path} is in no segment.")
    return Address(module.address_of(offset)[0] + 1)


def return_addresses(pid: int, path: Path, addresses: Sequence[ImageAddress]) -> list[Address]:
    """Those by which `addresses` of `path` are looked up in a process of `mapping`. NotMapped."""
    with Process.open(pid) as process:
        space = AddressSpace(process, open_modules(process))
        try:
            module = module_of(space, path)
            return [return_address(module, address) for address in addresses]
        finally:
            space.close()
