"""The target of the faults: tests/workloads/subject.c, which looks into all of its blocks and knows its speed."""

import queue
from pathlib import Path
from typing import NamedTuple

from tests.kernel.harness import WORK_LIMIT, Workload

_READINGS = 3


class Speed(NamedTuple):
    """Blocks given back, and seconds of a processor."""

    work: int
    cpu_s: float

    def since(self, before: "Speed") -> float:
        """Blocks in a second of a processor."""
        return (self.work - before.work) / max(self.cpu_s - before.cpu_s, 1e-9)


class Subject(Workload):
    """At work, once it is there. `child`: what was forked off by `be("fork")`."""

    def __init__(self, busy: int, idle: int, program: Path | None = None) -> None:
        super().__init__(program or "subject", busy, idle)
        self.child: int | None = None
        self.go()

    def __enter__(self) -> "Subject":
        return self

    def be(self, word: str) -> None:
        """Let happen to it what `word` stands for."""
        assert self.process.stdin
        self.process.stdin.write(f"{word}\n".encode())
        self.process.stdin.flush()

    def speed(self, who: str = "w") -> float:
        """Of its own (`w`) or its child's (`c`) work, from now on for a fifth of a second."""
        self.forget()
        readings = [self._reading(who) for _ in range(_READINGS)]
        return readings[-1].since(readings[0])

    def forget(self) -> None:
        """Read what it has said; AssertionError where a block of its was not as it had left it."""
        while True:
            try:
                line = self.out.lines.get_nowait()
            except queue.Empty:
                return
            if line is None:
                self.out.lines.put(None)
                return
            self._take(line)

    def expect(self, word: str) -> None:
        """Read up to the line that begins with `word`."""
        while not self._next().startswith(word):
            pass

    def runs(self) -> bool:
        return self.process.poll() is None

    def pids(self) -> list[int]:
        """Its own and its child's."""
        return [self.pid, *([self.child] if self.child is not None else [])]

    def _reading(self, who: str) -> Speed:
        while True:
            line = self._next()
            if line.startswith(f"{who} "):
                _, work, cpu_ns = line.split()
                return Speed(int(work), int(cpu_ns) / 1e9)

    def _next(self) -> str:
        line = self.out.next(WORK_LIMIT, "word of the subject")
        assert line is not None, f"the subject has ended: {self.process.wait()}"
        return self._take(line)

    def _take(self, line: str) -> str:
        assert line != "wrong", "a block of the subject was not as it had left it"
        if line.startswith("child "):
            self.child = int(line.split()[1])
        return line
