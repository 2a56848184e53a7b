"""Stacks that gdb sees when it stops a live process at random calls of malloc.

Owns starting gdb and where malloc begins; gdb_side.py is what runs in it. A uprobe and a breakpoint
of gdb at one address break each other: take stops before the process is traced, see `run`.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ebpftrace.model.ids import FileOffset
from ebpftrace.probes.plan import plan
from ebpftrace.target.modules import open_modules
from ebpftrace.target.process import Process
from tests.kernel.harness import TIME_SCALE

GDB_LIMIT = 60 * TIME_SCALE  # gdb reads the symbols of every mapped file first
DETACH_LIMIT = 10 * TIME_SCALE
_SCRIPT = Path(__file__).with_name("gdb_side.py")
_QUIET = ("-nx", "-batch", "-iex", "set debuginfod enabled off", "-iex", "set auto-load off")


@dataclass(frozen=True, slots=True)
class AllocatorCode:
    """Where one function of an allocator is in the process: [start, end)."""

    family: str
    function: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Stop:
    """The process at the first instruction at `at`; `pcs` are return addresses, outward.

    `end`: why gdb went no further, None where it reached the outermost frame.
    """

    at: int
    pcs: tuple[int, ...]
    end: str | None = None


def allocator_code(pid: int) -> tuple[AllocatorCode, ...]:
    """Every allocator function that `attach` would probe in process `pid`."""
    process = Process.open(pid)
    modules = open_modules(process)
    try:
        return tuple(
            AllocatorCode(probe.family.name, probe.function.name, start, start + probe.symbol_size)
            for probe in plan(process, modules).probes
            if probe.kind == "entry"
            for start in probe.module.address_of(FileOffset(probe.offset - probe.moved))
        )
    finally:
        for module in modules:
            module.close()
        process.close()


def take(
    pid: int, at: Sequence[int], stops: int, calls: tuple[int, int], seed: int
) -> tuple[Stop, ...]:
    """Stop process `pid` so often at the instructions `at`, from one to the next after `calls`.

    It runs on when this returns. AssertionError with what gdb said where it takes too long, or the
    process ends.
    """
    with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as out:
        order = {
            "at": list(at),
            "stops": stops,
            "fewest": calls[0],
            "most": calls[1],
            "seed": seed,
            "out": out.name,
        }
        said = _run_gdb(pid, {**os.environ, "EBPFTRACE_STOPS": json.dumps(order)})
        found = [json.loads(line) for line in out]
    assert len(found) == stops, f"{len(found)} stops of {stops}; gdb said: {said[-2000:]}"
    return tuple(Stop(each["at"], tuple(each["pcs"]), each["end"]) for each in found)


def _run_gdb(pid: int, environment: dict[str, str]) -> str:
    """What it said. Ended by a signal that lets it take its breakpoints out where it hangs."""
    gdb = subprocess.Popen(
        ["gdb", *_QUIET, "-p", str(pid), "-x", str(_SCRIPT)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        text=True,
    )
    try:
        return gdb.communicate(timeout=GDB_LIMIT)[0]
    except subprocess.TimeoutExpired:
        gdb.terminate()
        try:
            return gdb.communicate(timeout=DETACH_LIMIT)[0]
        except subprocess.TimeoutExpired:
            gdb.kill()
            return gdb.communicate()[0]
