"""One measurement of names and lines in a process of its own: nothing is loaded or known before.

Reads {"pid", "pcs", "cache", "limit_s"} from stdin, `cache` null for none, and writes what `Reading`
has. The imports of the tool are made by then, as in `attach`: its modules are loaded before it looks
anything up.
"""

import json
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ebpftrace.symbols.lines import Lines
from ebpftrace.symbols.resolver.client import Resolver
from ebpftrace.symbols.store import LineStore
from scripts.naming import mapped

_WATCH_S = 0.005


@dataclass(frozen=True, slots=True)
class Reading:
    """Of `places` different return addresses. ms from the question to the answer; MB (10**6).

    `names_ms`: opening the modules and reading their tables included. `lines_ms` from then on, to the
    last line; `first_ms` to the first, None where all were there. `located`: places that have a line.
    `resolver_mb`: the most that processes reading debug information had resident.
    """

    places: int
    located: int
    names_ms: float
    first_ms: float | None
    lines_ms: float
    pending: int
    resolvers: int
    resolver_mb: float


class _Watch:
    """Of the processes that read debug information, our only children, by looking every 5 ms."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self.pids: set[int] = set()
        self.most_bytes = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._done.wait(_WATCH_S):
            for pid in _children():
                self.pids.add(pid)
                self.most_bytes = max(self.most_bytes, resident(pid))

    def end(self) -> None:
        self._done.set()
        self._thread.join()


def _children() -> list[int]:
    return [
        int(pid)
        for task in Path("/proc/self/task").glob("*/children")
        for pid in task.read_text().split()
    ]


def resident(pid: int) -> int:
    """The most that a process had resident so far, in bytes; 0 where it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next(
        (int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")),
        0,
    )


def measure(asked: dict[str, Any]) -> Reading:
    """What stdin asks for."""
    cache, pcs = asked["cache"], asked["pcs"]
    lines = Lines(Resolver(), lambda: None if cache is None else LineStore.open(Path(cache)))
    start = time.perf_counter()
    with mapped.named(asked["pid"], lines) as process:
        frames = process.names(pcs)
        named = time.perf_counter()
        watch = _Watch()
        better = process.with_lines(frames, asked["limit_s"])
        done = time.perf_counter()
        watch.end()
        first, pending = process.first_s, lines.naming().pending
    return Reading(
        places=len(pcs),
        located=sum(chain[-1].line is not None for chain in better),
        names_ms=(named - start) * 1e3,
        first_ms=None if first is None else first * 1e3,
        lines_ms=(done - named) * 1e3,
        pending=pending,
        resolvers=len(watch.pids),
        resolver_mb=watch.most_bytes / 1e6,
    )


if __name__ == "__main__":
    json.dump(asdict(measure(json.load(sys.stdin))), sys.stdout)
