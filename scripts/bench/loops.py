"""The loops that are measured: child processes that say how long each batch of theirs took."""

import contextlib
import os
import queue
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from ebpftrace.errors import EbpftraceError

REPOSITORY = Path(__file__).resolve().parents[2]
WORKLOADS = REPOSITORY / "tests" / "workloads" / "build"
PYTHON_LOOP = Path(__file__).with_name("python_loop.py")
_START_S = 10.0


class LoopEnded(EbpftraceError):
    """A measured process ended before it was told to, or fell silent: nothing can be compared."""


class Child:
    """A workload past its `ready`, which does nothing until `go`. Killed on the way out."""

    def __init__(
        self,
        program: Path,
        *arguments: object,
        environment: Mapping[str, str] | None = None,
        under: Sequence[str | Path] = (),
    ) -> None:
        """Start it; `environment` is added to ours, and `under` is a command that starts it."""
        if program.suffix == ".py":
            under = (*under, sys.executable)
        self._process = subprocess.Popen(
            [*under, program, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            text=True,
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.pid = self._process.pid
        self.said = self.expect("ready", _START_S)

    def __enter__(self) -> "Child":
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(5)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.strip())
        self._lines.put(None)

    def line(self, limit: float) -> str:
        """The next line it says. LoopEnded after `limit` seconds without one."""
        try:
            line = self._lines.get(timeout=max(limit, 0))
        except queue.Empty:
            raise LoopEnded(f"{self._process.args!r} said nothing for {limit:.0f} s.") from None
        if line is None:
            raise LoopEnded(f"{self._process.args!r} ended: status {self._process.wait()}.")
        return line

    def expect(self, word: str, limit: float) -> list[str]:
        """Wait until it says `word`; the lines before that."""
        end = time.monotonic() + limit
        said = []
        while (line := self.line(end - time.monotonic())) != word:
            said.append(line)
        return said

    def go(self) -> None:
        """Start its next phase."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def leave(self, limit: float) -> None:
        """Let it end by itself, at the end of its stdin. LoopEnded where it does not."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(limit)
        except subprocess.TimeoutExpired:
            raise LoopEnded(f"{self._process.args!r} did not end in {limit:.0f} s.") from None

    def forget(self) -> None:
        """Drop what it has said so far."""
        with contextlib.suppress(queue.Empty):
            while self._lines.get_nowait() is not None:
                pass
            self._lines.put(None)

    def sample(self, seconds: float, keys: Sequence[int]) -> dict[int, float]:
        """From now on for `seconds`: the median of what it says of each of `keys`, in ns.

        It says `key ns` after each batch, of one key after the other. The first reading of a key
        is dropped: its batch may have begun earlier. At least two readings of each are waited for.
        """
        self.forget()
        found: dict[int, list[float]] = {key: [] for key in keys}
        end = time.monotonic() + seconds
        while time.monotonic() < end or min(map(len, found.values())) < 3:
            key, nanoseconds = self.line(_START_S).split()
            found[int(key)].append(float(nanoseconds))
        return {key: statistics.median(readings[1:]) for key, readings in found.items()}
