"""heaptrack on the same loop: preloaded, which takes a restart, and injected into it by gdb.

It works within the process, so it is cheaper than any breakpoint; injected it stays there, and its
own help calls that unstable. Its files go to a temporary folder.
"""

import contextlib
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from scripts.bench import tracers
from scripts.bench.figures import Section, Spread, as_figures, cell, narrate, ratios, table, wide
from scripts.bench.loops import WORKLOADS, Child
from scripts.bench.pairs import DEPTHS, SETTLE_S, Effort, tool_by, wait_until_bare

_LOOP = "depthloop_fp"
_INJECTED = "injection finished"
_LIMIT_S = 60.0
_SLACK = 5.0


@contextlib.contextmanager
def _injected(child: Child, command: str, folder: Path) -> Iterator[None]:
    """Inject it into `child`, which has to end before this does: heaptrack waits for that."""
    process = subprocess.Popen(
        [command, "-o", folder / "injected", "-p", str(child.pid)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read(said: Iterator[str]) -> None:
        for line in said:
            lines.put(line.strip())
        lines.put(_INJECTED)

    reader = threading.Thread(target=read, args=(process.stdout,), daemon=True)
    reader.start()
    try:
        said = []
        with contextlib.suppress(queue.Empty):
            while (line := lines.get(timeout=_LIMIT_S)) != _INJECTED:
                said.append(line)
        if process.poll() is not None:
            raise tracers.TracerFailed(f"heaptrack was not injected: {' '.join(said[-3:])}")
        yield
        child.leave(_LIMIT_S)
        process.wait(_LIMIT_S)
    finally:
        process.terminate()
        process.wait()
        reader.join(5)
        process.stdout.close()


def _round(command: str, gdb: bool, effort: Effort, folder: Path) -> dict[str, dict[int, float]]:
    one = {}
    with Child(WORKLOADS / _LOOP, *DEPTHS) as child:
        child.go()
        time.sleep(SETTLE_S)
        one["bare"] = child.sample(effort.seconds / 2, DEPTHS)
        with tool_by(effort.back_ends[0], child.pid):
            time.sleep(SETTLE_S)
            one["ebpftrace"] = child.sample(effort.seconds, DEPTHS)
        wait_until_bare(child, DEPTHS, one["bare"][DEPTHS[0]], _SLACK)
        if gdb:
            with _injected(child, command, folder):
                time.sleep(SETTLE_S)
                one["injected"] = child.sample(effort.seconds, DEPTHS)
    under = (command, "-o", folder / "preloaded")
    with Child(WORKLOADS / _LOOP, *DEPTHS, under=under) as child:
        child.go()
        time.sleep(SETTLE_S)
        one["preloaded"] = child.sample(effort.seconds, DEPTHS)
        child.leave(_LIMIT_S)
    return one


def measure(effort: Effort) -> Section | None:
    """None where it is not installed."""
    command, gdb = shutil.which("heaptrack"), shutil.which("gdb")
    if command is None:
        narrate("overhead", "heaptrack is not installed: left out.")
        return None
    if gdb is None:
        narrate("overhead", "gdb is not installed: heaptrack is preloaded only.")
    rounds = []
    for number in range(effort.rounds):
        narrate("overhead", f"heaptrack, round {number + 1} of {effort.rounds}")
        with tempfile.TemporaryDirectory(prefix="overhead-") as folder:
            rounds.append(_round(command, gdb is not None, effort, Path(folder)))
    conditions = tuple(rounds[0])
    theirs = tuple(name for name in ("preloaded", "injected") if name in conditions)

    def spread(name: str, depth: int) -> Spread | None:
        return Spread.of(one[name][depth] for one in rounds)

    def ratio(name: str, depth: int) -> Spread | None:
        return Spread.of(
            ratios(
                [one["ebpftrace"][depth] for one in rounds], [one[name][depth] for one in rounds]
            )
        )

    text = table(
        (f"{_LOOP}, depth", *conditions, *(f"ebpftrace/{name}" for name in theirs)),
        [
            (
                str(depth),
                *(cell(spread(name, depth)) for name in conditions),
                *(wide(ratio(name, depth), 1) for name in theirs),
            )
            for depth in DEPTHS
        ],
    )
    figures = {
        "backend": effort.back_ends[0],
        "ns": {
            str(depth): {name: as_figures(spread(name, depth)) for name in conditions}
            for depth in DEPTHS
        },
        "ratios": {
            str(depth): {f"ebpftrace/{name}": as_figures(ratio(name, depth)) for name in theirs}
            for depth in DEPTHS
        },
        "rounds": rounds,
    }
    head = f"heaptrack, ns per pair; ebpftrace by {effort.back_ends[0]}\n"
    return Section("heaptrack", head + text, figures)
