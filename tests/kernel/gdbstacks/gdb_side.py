"""Run by gdb's own Python in a gdb that holds a process: stops it at random calls, tells each stack.

EBPFTRACE_STOPS is a JSON object: `at`, addresses of first instructions; `stops`, how many; `fewest`
and `most`, calls from one stop to the next; `seed`; `out`, the file that gets one JSON object a
stop: `at`, `pcs` from the caller outward, `end`: why gdb went no further, by its own words.
"""

import json
import os
import random
from pathlib import Path
from typing import Any

import gdb

# Frames that gdb infers from debug information: they share the stack of the next frame outward.
VIRTUAL = (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME)
MOST_FRAMES = 1000
SETTINGS = (
    "set pagination off",
    "set confirm off",
    "set backtrace past-main on",
    "set backtrace past-entry on",
    "handle all nostop noprint pass",
)


def main() -> None:
    order = json.loads(os.environ["EBPFTRACE_STOPS"])
    for setting in SETTINGS:
        gdb.execute(setting, to_string=True)
    draw = random.Random(order["seed"])
    points = [gdb.Breakpoint(f"*{address}") for address in order["at"]]
    try:
        with Path(order["out"]).open("w", encoding="ascii") as out:
            for _ in range(order["stops"]):
                for point in points:
                    point.ignore_count = draw.randint(order["fewest"], order["most"])
                gdb.execute("continue", to_string=True)
                out.write(json.dumps(stack()) + "\n")
                out.flush()
    finally:
        for point in points:
            point.delete()
        gdb.execute("detach", to_string=True)


def stack() -> dict[str, Any]:
    """The selected thread's, which has just met a breakpoint; gdb.error where none runs any more."""
    pcs: list[int] = []
    frame, end = gdb.newest_frame(), gdb.FRAME_UNWIND_NO_REASON
    while frame is not None and len(pcs) < MOST_FRAMES:
        if frame.type() not in VIRTUAL:
            pcs.append(frame.pc())
        end = frame.unwind_stop_reason()
        frame = frame.older()
    natural = frame is None and end in (gdb.FRAME_UNWIND_NO_REASON, gdb.FRAME_UNWIND_OUTERMOST)
    why = gdb.frame_stop_reason_string(end) if frame is None else f"more than {MOST_FRAMES} frames"
    return {"at": pcs[0], "pcs": pcs[1:], "end": None if natural else why}


main()
