"""Run by gdb, attached to a process: stop in a function, and write down stack, registers, frames.

One line of JSON for each stop, of a stack that was not written yet; see `Stop` of record.py.
"""

import base64
import json
import os
import random
from pathlib import Path

import gdb

_MOST_BYTES = 64 << 10
_BEHIND = 16  # bytes that are kept behind the outermost frame's stack pointer
_TRIES_A_STOP = 20


def frames() -> tuple[list[int], int]:
    """Return addresses from the innermost on, as a walk counts them, and the stack's outer end."""
    found, top = [], 0
    frame, interrupted = gdb.newest_frame().older(), False
    while frame is not None:
        if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
            found.append(int(frame.pc()) + interrupted)
            interrupted = frame.type() == gdb.SIGTRAMP_FRAME
            top = int(frame.read_register("rsp"))
        frame = frame.older()
    return found, top + _BEHIND


def main() -> None:
    wanted = json.loads(os.environ["RECORD_WALKS"])
    for setting in ("pagination off", "backtrace past-main on", "backtrace past-entry on"):
        gdb.execute(f"set {setting}")
    gdb.execute("handle all nostop noprint pass", to_string=True)
    breakpoint_ = gdb.Breakpoint(f"*({wanted['at']})")
    chance = random.Random(wanted["stops"])
    seen: set[tuple[int, ...]] = set()
    with Path(wanted["out"]).open("w", encoding="ascii") as out:
        for _ in range(_TRIES_A_STOP * wanted["stops"]):
            if len(seen) == wanted["stops"]:
                break
            breakpoint_.ignore_count = chance.randrange(wanted["skip"])
            gdb.execute("continue", to_string=True)
            frame = gdb.newest_frame()
            sp = int(frame.read_register("rsp")) + 8  # `ret` will have popped the return address
            fp = int(frame.read_register("rbp")) & (1 << 64) - 1
            pcs, top = frames()
            if tuple(pcs) in seen or not 0 < top - sp <= _MOST_BYTES:
                continue
            seen.add(tuple(pcs))
            stack = bytes(gdb.selected_inferior().read_memory(sp, top - sp))
            line = {"sp": sp, "fp": fp, "frames": pcs, "stack": base64.b64encode(stack).decode()}
            out.write(json.dumps(line) + "\n")
    breakpoint_.delete()
    gdb.execute("detach")


main()
