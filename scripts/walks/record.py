"""Record real stacks of a live process, for the test that walks them: scripts/record-walks."""

import argparse
import base64
import json
import os
import platform
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ebpftrace.model.ids import Address
from ebpftrace.target.modules import open_modules
from ebpftrace.target.process import Process
from ebpftrace.target.space import AddressSpace
from ebpftrace.unwind.rules import GUESSED, Rule
from ebpftrace.unwind.table import UnwindTable

_IN_GDB = Path(__file__).with_name("in_gdb.py")
_GDB_S = 120
_LEAST_TEXT = 4


class Stop(NamedTuple):
    """`sp` and `fp` as they are when the function has returned, to `frames[0]`. `stack`: from `sp` to
    behind the outermost frame's stack pointer.
    """

    sp: int
    fp: int
    frames: list[int]
    stack: bytes


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/record-walks", description=__doc__)
    parser.add_argument("pid", type=int)
    parser.add_argument("file", type=Path)
    parser.add_argument("--stops", type=int, default=3, help="how many different stacks")
    parser.add_argument("--at", default="(long)&malloc", help="where, in gdb's words")
    parser.add_argument("--skip", type=int, default=400, help="up to so many calls between two")
    parser.add_argument("--what", default="", help="the program and its version")
    options = parser.parse_args()
    if platform.machine() != "x86_64":
        print("record-walks: this reads the registers of x86-64 only.", file=sys.stderr)
        return 1
    stops = list(_stops(options.pid, options.at, options.stops, options.skip))
    if len(stops) < options.stops:
        print(f"record-walks: gdb saw {len(stops)} different stacks.", file=sys.stderr)
        return 1
    with Process.open(options.pid) as process:
        space = AddressSpace(process, open_modules(process))
        space.refresh()
        rules = _rules(space, {Address(pc) for stop in stops for pc in stop.frames})
        walks = [_walk(stop, space) for stop in stops]
        space.close()
    recorded = {
        "what": options.what,
        "machine": platform.machine(),
        "rules": {hex(pc): hex(rules[pc].pack()) for pc in sorted(rules)},
        "walks": walks,
    }
    options.file.write_text(json.dumps(recorded, indent=1) + "\n", encoding="ascii")
    return 0


def _stops(pid: int, at: str, stops: int, skip: int) -> Iterator[Stop]:
    with tempfile.NamedTemporaryFile("r") as out:
        wanted = {"at": at, "stops": stops, "skip": skip, "out": out.name}
        subprocess.run(
            ["gdb", "-nx", "-batch", "-p", str(pid), "-x", str(_IN_GDB)],
            env={**os.environ, "RECORD_WALKS": json.dumps(wanted), "DEBUGINFOD_URLS": ""},
            stdout=subprocess.DEVNULL,
            timeout=_GDB_S,
            check=True,
        )
        for line in map(json.loads, out):
            yield Stop(line["sp"], line["fp"], line["frames"], base64.b64decode(line["stack"]))


def _rules(space: AddressSpace, pcs: Iterable[Address]) -> dict[Address, Rule]:
    """As `session.unwinder` makes them."""
    tables: dict[int, UnwindTable] = {}
    rules = {}
    for pc in pcs:
        located = space.locate(Address(pc - 1))
        if located is None:
            rules[pc] = GUESSED
            continue
        image, address = located
        table = tables.setdefault(id(image), UnwindTable(image))
        rules[pc] = table.rule_at(address).rule
    return rules


def _walk(stop: Stop, space: AddressSpace) -> dict[str, object]:
    words = memoryview(stop.stack[: len(stop.stack) & -8]).cast("Q")
    plain = b"".join(b"\0" * 8 if _is_text(w, space) else w.to_bytes(8, "little") for w in words)
    return {
        "sp": hex(stop.sp),
        "fp": hex(stop.fp),
        "frames": [hex(pc) for pc in stop.frames],
        "stack": base64.b64encode(zlib.compress(plain, 9)).decode(),
    }


def _is_text(word: int, space: AddressSpace) -> bool:
    """What a program holds in strings is its owner's, and no walk reads it."""
    text = word.to_bytes(8, "little").rstrip(b"\0")
    if len(text) < _LEAST_TEXT or space.find(Address(word)) is not None:
        return False
    return sum(0x20 <= byte < 0x7F for byte in text) >= len(text) - 1


if __name__ == "__main__":
    sys.exit(main())
