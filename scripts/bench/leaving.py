"""From SIGTERM to the end: until the target is as it was, and until the tool has gone.

Seen from outside. Each millisecond the target's memory is read at every place that was probed: the
first breakpoint that is missing says that the tool has begun to remove them, the last one that it is
done. The target's own windows of 5 ms say when it runs at its bare pace again.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median as middle

from scripts.bench import tracers
from scripts.bench.figures import Section, Spread, Target, median, narrate, table, wide
from scripts.bench.floors import probed_addresses
from scripts.bench.loops import WORKLOADS, Child, LoopEnded

MOST_MS = 150
_BOUND = ("session", "multi")  # perf events take the kernel 0.1 s each
_BREAKPOINT = b"\xcc"
_BARE_S, _TRACED_S, _LIMIT_S = 0.2, 0.5, 20.0
_BARE_IS = 3.0
_LOOK_S = 0.001


@dataclass(frozen=True, slots=True)
class Leave:
    """ms from the signal; `removing` is from the first breakpoint gone to the last."""

    first_gone: float
    last_gone: float
    removing: float
    bare: float
    ended: float


def _breakpoints(memory: int, addresses: frozenset[int]) -> frozenset[int]:
    return frozenset(at for at in addresses if os.pread(memory, 1, at) == _BREAKPOINT)


def _windows_until(child: Child, enough: Callable[[int, float], bool]) -> list[float]:
    """Paces of its windows up to the first that ends it, by its end (ns) and pace."""
    found = []
    limit = time.monotonic() + _LIMIT_S
    while time.monotonic() < limit:
        end, pace = child.line(_LIMIT_S).split()
        found.append(float(pace))
        if enough(int(end), float(pace)):
            return found
    raise LoopEnded(f"The loop is still slowed down {_LIMIT_S:.0f} s after a tracer.")


def _pace(child: Child, seconds: float) -> float:
    child.forget()
    end = time.monotonic_ns() + int(seconds * 1e9)
    return middle(_windows_until(child, lambda moment, _: moment > end))


class _BareAgain:
    """Reads the loop's windows beside the rest, until one is at its bare pace."""

    def __init__(self, child: Child, bare_ns: float, from_ns: int) -> None:
        self._child, self._bare_ns, self._from_ns = child, bare_ns, from_ns
        self._ended_ns: int | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        def bare(end: int, pace: float) -> bool:
            self._ended_ns = end
            return end > self._from_ns and pace <= _BARE_IS * self._bare_ns

        _windows_until(self._child, bare)

    def after_ms(self) -> float:
        """From the moment given to the end of that window."""
        self._thread.join(_LIMIT_S)
        if self._thread.is_alive() or self._ended_ns is None:
            raise LoopEnded("The loop did not come back to its bare pace.")
        return (self._ended_ns - self._from_ns) / 1e6


def _leave(child: Child, memory: int, addresses: frozenset[int], backend: str) -> Leave:
    bare_ns = _pace(child, _BARE_S)
    with tracers.tool([child.pid], "--backend", backend) as run:
        _pace(child, _TRACED_S)
        placed = left = _breakpoints(memory, addresses)
        if not placed:
            raise tracers.TracerFailed(f"No breakpoint is in the target by {backend}.")
        start = time.monotonic_ns()
        run.process.send_signal(signal.SIGTERM)
        again = _BareAgain(child, bare_ns, start)
        first = last = ended = None
        while last is None or ended is None:
            now = (time.monotonic_ns() - start) / 1e6
            if now > 1000 * _LIMIT_S:
                raise tracers.TracerFailed(f"The tool has not left by {backend}. {run.said()}")
            if last is None:
                left = _breakpoints(memory, left)
                first = now if first is None and left != placed else first
                last = None if left else now
            if ended is None and run.process.poll() is not None:
                ended = now
            time.sleep(_LOOK_S)
        assert first is not None
    return Leave(first, last, last - first, again.after_ms(), ended)


def measure(times: int, back_ends: tuple[str, ...]) -> Section:
    """Leave the same loop `times` by each back end."""
    found: dict[str, list[Leave]] = {backend: [] for backend in back_ends}
    with Child(WORKLOADS / "pace") as child:
        addresses = probed_addresses(child.pid)
        memory = os.open(f"/proc/{child.pid}/mem", os.O_RDONLY)
        try:
            child.go()
            for number in range(times):
                narrate("overhead", f"leaving, {number + 1} of {times}")
                for backend, leaves in found.items():
                    leaves.append(_leave(child, memory, addresses, backend))
        finally:
            os.close(memory)
    names = ("first_gone", "last_gone", "removing", "bare", "ended")

    def spread(backend: str, name: str) -> Spread | None:
        return Spread.of(asdict(leave)[name] for leave in found[backend])

    head = (
        f"Leaving, ms from SIGTERM to the tool ({len(addresses)} breakpoints; "
        "removing: from the first that is gone to the last)"
    )
    heads = ("back end", "first gone", "all gone", "removing", "loop bare", "tool ended")
    rows = [(backend, *(wide(spread(backend, name)) for name in names)) for backend in found]
    targets = [
        Target(
            f"ms from SIGTERM until no breakpoint is left, by {backend}",
            MOST_MS,
            median(spread(backend, "last_gone")) if backend in found else None,
        )
        for backend in _BOUND
    ]
    figures = {backend: [asdict(leave) for leave in leaves] for backend, leaves in found.items()}
    return Section("leaving", f"{head}\n{table(heads, rows)}", figures, targets)
