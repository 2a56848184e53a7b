"""The code of a process as it is in its memory now, to be compared with the files it came from.

Owns reading it and forgiving breakpoints. Leaves what a difference means to `probes.patched`.
"""

from collections.abc import Iterable

from ebpftrace.errors import CannotAttach
from ebpftrace.model.ids import Address
from ebpftrace.target.memory import Memory
from ebpftrace.target.process import Process

MOST_READ = 4096
"""Bytes of one function that are compared; a prologue has some tens."""

# What a uprobe writes (UPROBE_SWBP_INSN of the kernel): int3; brk #5, little endian.
_BREAKPOINTS = {"x86_64": b"\xcc", "aarch64": bytes.fromhex("a00020d4")}


class LiveText:
    """Reads a process's memory by one of its living threads, for which it is not stopped.

    `why` says why nothing can be read, "" where it can: Yama (kernel.yama.ptrace_scope 3) and other
    security modules refuse this even to root. Close it, or use it as a context manager.
    """

    def __init__(self, process: Process) -> None:
        self.why = ""
        self._memory: Memory | None = None
        self._pid = process.pid
        try:
            self._memory = process.opened_memory()
        except OSError as error:
            self.why = error.strerror or "it cannot be opened"
        except CannotAttach as error:
            self.why = str(error)

    def __enter__(self) -> "LiveText":
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the memory; closing twice does nothing."""
        if self._memory is not None:
            self._memory.close()

    def read(self, address: Address, length: int) -> bytes:
        """Up to `length` bytes (and MOST_READ) at `address`; fewer where they are not mapped.

        CannotAttach where that hangs: what lies there may be of a file system of the target's own.
        """
        if self._memory is None:
            return b""
        try:
            return self._memory.read(address, min(length, MOST_READ))
        except TimeoutError as error:
            raise CannotAttach(
                f"The memory of process {self._pid} at {address:#x} cannot be read: what is mapped there "
                "does not answer. Nothing was placed."
            ) from error


def same_code(live: bytes, file: bytes, starts: Iterable[int], machine: str) -> bool:
    """Is `live` the code of `file`, but for breakpoints on instructions that begin at `starts`?

    Another tracer's uprobe is such a breakpoint: the kernel serves both at one place.
    """
    trap = _BREAKPOINTS.get(machine, b"")
    mended = bytearray(live)
    for start in starts:
        if trap and live.startswith(trap, start):
            mended[start : start + len(trap)] = file[start : start + len(trap)]
    return bytes(mended) == file
