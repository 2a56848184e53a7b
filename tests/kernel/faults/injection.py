"""What tests/workloads/injector.c does in the tool, from this side: the calls it made, one that fails, one that waits."""

import mmap
import os
import re
import select
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kernel.harness import workload

_SIZE = 4 << 20
_TARGET = "/proc/TARGET/"
_OF_A_PROCESS = re.compile(r"/proc/\d|/self/fdinfo/")
_HEAD = struct.Struct("<III")  # calls that were asked for, those that were met, bytes of the log

BPF = {
    0: "MAP_CREATE",
    1: "MAP_LOOKUP_ELEM",
    2: "MAP_UPDATE_ELEM",
    3: "MAP_DELETE_ELEM",
    5: "PROG_LOAD",
    15: "OBJ_GET_INFO_BY_FD",
    17: "RAW_TRACEPOINT_OPEN",
    24: "MAP_LOOKUP_BATCH",
    25: "MAP_LOOKUP_AND_DELETE_BATCH",
    28: "LINK_CREATE",
    32: "ENABLE_STATS",
}


@dataclass(frozen=True)
class Call:
    """The `number`-th call of those whose line in the log begins with `line`; `on`: and all after it."""

    line: str
    number: int
    on: bool = False

    def __str__(self) -> str:
        who, name, *what = self.line.split()
        if name == "bpf" and what:
            what = [BPF.get(int(what[0]), what[0])]
        return " ".join([who, name, *what, f"#{self.number}{'+' if self.on else ''}"])


class Injector:
    """The injector of one run of the tool, in files of `folder`."""

    def __init__(self, folder: Path, target: int) -> None:
        self._target = f"/proc/{target}/"
        self._file = folder / "calls"
        self._file.write_bytes(bytes(_SIZE))
        self._tell, self._wait = folder / "tell", folder / "wait"

    def counting(self) -> dict[str, str]:
        """The environment of a tool that only writes down its calls."""
        return {
            "LD_PRELOAD": str(workload("injector.so")),
            "INJECT_FILE": str(self._file),
            "INJECT_FROM": "/ebpftrace/__",
        }

    def failing(self, call: Call, number: int) -> dict[str, str]:
        """Of one in which that call fails."""
        return {**self._at(call), "INJECT_ERRNO": str(number)}

    def pausing(self, call: Call) -> dict[str, str]:
        """Of one that waits before that call, see `paused`."""
        return {**self._at(call), "INJECT_PAUSE": f"{self._tell} {self._wait}"}

    def jumping(self, seconds: int, after_s: float) -> dict[str, str]:
        """Of one whose wall clock jumps."""
        return {**self.counting(), "INJECT_CLOCK": f"{seconds} {int(after_s * 1000)}"}

    def _at(self, call: Call) -> dict[str, str]:
        at = f"{call.number}{'+' if call.on else ''}"
        return {
            **self.counting(),
            "INJECT_CALL": call.line.replace(_TARGET, self._target),
            "INJECT_AT": at,
        }

    @contextmanager
    def gate(self) -> Iterator["Gate"]:
        """Before the start of a tool that is to wait."""
        for fifo in (self._tell, self._wait):
            fifo.unlink(missing_ok=True)
            os.mkfifo(fifo, 0o600)
        gate = Gate(os.open(self._tell, os.O_RDWR), os.open(self._wait, os.O_RDWR))
        try:
            yield gate
        finally:
            gate.close()

    def met(self) -> int:
        """How many calls failed or waited."""
        return self._head()[1]

    def calls(self) -> list[str]:
        """The lines of the log, without those about processes that no other run has."""
        with self._file.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as log:
            length = self._head()[2]
            assert length < _SIZE - _HEAD.size, "the log of the injector is full"
            text = log[_HEAD.size : _HEAD.size + length].decode(errors="replace")
        lines = text.replace(self._target, _TARGET).splitlines()
        return [line for line in lines if not _OF_A_PROCESS.search(line)]

    def _head(self) -> tuple[int, int, int]:
        with self._file.open("rb") as file:
            seen, met, length = _HEAD.unpack(file.read(_HEAD.size))
        return seen, met, length


class Gate:
    """Where a tool waits before a call."""

    def __init__(self, tell: int, wait: int) -> None:
        self._tell, self._wait = tell, wait

    def reached(self, limit_s: float) -> bool:
        """Has it come there within `limit_s` seconds?"""
        return bool(select.select([self._tell], [], [], limit_s)[0])

    def open(self) -> None:
        """Let it go on."""
        os.write(self._wait, b"x")

    def close(self) -> None:
        os.close(self._tell)
        os.close(self._wait)
