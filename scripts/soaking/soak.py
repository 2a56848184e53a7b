"""One `attach -n` for hours, over many lives of a program that knows what it does.

Every life is compared to the block and the byte: what the totals have grown by since it began with
what it says of itself. Dashboards are opened on it, used and left meanwhile.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

from ebpftrace.session.roster import MOST_ENDED
from scripts.bench.figures import narrate
from scripts.soaking.reading import Reading, Readings, cpu_s, quarters, read
from tests.kernel.harness import LEAVE_LIMIT, START_LIMIT, TOOL, WORK_LIMIT, Workload
from tests.kernel.pictures import Picture
from tests.kernel.terminal import Terminal

_HOUR = 3600.0
_LOOKED_AT_S = (20.0, 60.0)  # a dashboard is left after so long
_KEY_S = 1.5
_KEYS = (
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "8",
    "b",
    "n",
    "g",
    "a",
    "o",
    "p",
    "p",
    "Enter",
    "Escape",
)
_FACTS = ("unmatched_free", "nested", "nested_free", "filtered")
_OF_STACKS = ("stack_cut", "stack_guessed")  # shown, and no total is wrong by them
MOST_GROWTH_BYTES = 8 << 20
MOST_LISTED = MOST_ENDED
"""Programs that have ended are kept one by one up to that many, with their files open."""


class Truth(NamedTuple):
    """Since a beginning: blocks and bytes allocated, and freed."""

    allocated_blocks: int = 0
    allocated_bytes: int = 0
    freed_blocks: int = 0
    freed_bytes: int = 0

    def plus(self, other: "Truth") -> "Truth":
        return Truth(*(a + b for a, b in zip(self, other, strict=True)))

    @classmethod
    def of(cls, picture: Picture) -> "Truth":
        """As the tool has it."""
        return cls(*picture.allocated, *picture.freed)


@dataclass
class Soaked:
    """What was seen."""

    seconds: float = 0.0
    lives: int = 0
    dashboards: int = 0
    keys: int = 0
    pictures: int = 0
    truth: Truth = field(default_factory=Truth)
    counted: Truth = field(default_factory=Truth)
    faults: dict[str, int] = field(default_factory=dict)
    tool_cpu_percent: float = 0.0
    readings: list[Reading] = field(default_factory=list)
    at_ends: list[Reading] = field(default_factory=list)
    """One at the end of each life, the program still there and no dashboard."""
    wrong: list[str] = field(default_factory=list)
    """What was not as it should be, a sentence each."""


class Watching:
    """The tool, whose newest picture is kept."""

    def __init__(self, name: str) -> None:
        options = ("--json", "--interval", "1", "--top", "5", "--mode", "full")
        self.process = subprocess.Popen(
            [*TOOL, "attach", "-n", name, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.last: Picture | None = None
        self.seen = 0
        self._changed = threading.Condition()
        self._ended = False
        self._threads = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=self._listen, daemon=True),
        ]
        self.said = b""
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with self._changed:
                self.last = Picture.parse(line.decode())
                self.seen += 1
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _listen(self) -> None:
        assert self.process.stderr
        self.said = self.process.stderr.read()

    def until(self, condition: Callable[[Picture], object], limit: float) -> Picture:
        """The next picture of which it holds. RuntimeError."""
        end = time.monotonic() + limit
        with self._changed:
            while True:
                if self.last is not None and condition(self.last):
                    return self.last
                if self._ended or not self._changed.wait(max(end - time.monotonic(), 0)):
                    raise RuntimeError("the tool has ended" if self._ended else "not in time")

    def settled(self) -> Picture:
        """One that was begun after this call."""
        seen = self.seen
        return self.until(lambda _: self.seen >= seen + 2, WORK_LIMIT)

    def leave(self) -> int:
        """Its exit status."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(LEAVE_LIMIT)
        self.close()
        return status

    def close(self) -> None:
        """End it in any case; closing twice does nothing."""
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe
            pipe.close()


class Soak:
    """The whole of it; `found` afterwards."""

    def __init__(self, seconds: float, rate: int, life_s: float, seed: int = 0) -> None:
        self._seconds, self._rate, self._life_s = seconds, rate, life_s
        self._random = random.Random(seed)
        self.found = Soaked()

    def run(self) -> Soaked:
        """Until the time is over, the last life to its end."""
        found, began = self.found, time.monotonic()
        tool = Watching("soak")
        try:
            tool.until(lambda _: True, START_LIMIT)
            readings = Readings(tool.process.pid)
            while time.monotonic() - began < self._seconds:
                self._one_life(tool, min(began + self._seconds, self._end_of_life()))
            found.readings = readings.stop()
            found.seconds = time.monotonic() - began
            found.tool_cpu_percent = 100 * cpu_s(tool.process.pid) / found.seconds
            status = tool.leave()
        finally:
            tool.close()
        if status or tool.said:
            found.wrong.append(f"the tool ended with {status} and said {tool.said.decode()!r}")
        assert tool.last
        found.pictures = tool.seen
        found.counted = Truth.of(tool.last)
        found.faults = {
            name: count
            for name, count in tool.last.raw["losses"].items()
            if count and name not in _FACTS
        }
        self._judge()
        return found

    def _end_of_life(self) -> float:
        return time.monotonic() + self._life_s * self._random.uniform(0.5, 1.5)

    def _one_life(self, tool: Watching, end: float) -> None:
        found = self.found
        with Workload("soak", self._rate, 2) as program:
            tool.until(lambda picture: _watches(picture, program.pid), START_LIMIT)
            program.go()
            while (left := end - time.monotonic()) > 0:
                self._dashboard(program.pid, left)
            program.go()
            line = program.out.next(WORK_LIMIT, "truth")
            assert line, "the program has ended"
            found.truth = found.truth.plus(Truth(*map(int, line.split()[1:])))
            counted = Truth.of(tool.settled())
            found.lives += 1
            now = read(tool.process.pid, time.monotonic())
            found.at_ends.append(now)
            narrate("soak", f"life {found.lives}: {counted}, {now.descriptors} descriptors")
            if counted != found.truth:
                found.wrong.append(f"life {found.lives}: counted {counted}, not {found.truth}")
        tool.until(lambda picture: not _watches(picture, program.pid), WORK_LIMIT)

    def _dashboard(self, pid: int, most_s: float) -> None:
        """Open one, use it, leave it."""
        end = time.monotonic() + min(most_s, self._random.uniform(*_LOOKED_AT_S))
        variables = {"TERM": "screen-256color"}
        command = [*TOOL, "attach", "-p", str(pid), "--mode", "full"]
        with (
            tempfile.TemporaryDirectory() as folder,
            Terminal(Path(folder), command, variables) as terminal,
        ):
            terminal.until(lambda screen: "renew" in screen or "resize" in screen)
            while time.monotonic() < end:
                terminal.press(self._random.choice(_KEYS))
                self.found.keys += 1
                time.sleep(_KEY_S)
            terminal.press("C-c")
            if status := terminal.ended():
                self.found.wrong.append(f"a dashboard ended with {status}")
        self.found.dashboards += 1

    def _judge(self) -> None:
        found = self.found
        if found.counted != found.truth:
            found.wrong.append(f"at the end: counted {found.counted}, not {found.truth}")
        if found.faults.keys() - set(_OF_STACKS):
            found.wrong.append(f"losses: {found.faults}")
        later = found.at_ends[MOST_LISTED:]
        for name, most in (("descriptors", 0), ("threads", 0), ("own_bytes", MOST_GROWTH_BYTES)):
            parts = quarters([getattr(reading, name) for reading in later])
            if parts and parts[-1] - parts[0] > most:
                found.wrong.append(f"{name} grew: {parts}")


def _watches(picture: Picture, pid: int) -> bool:
    return any(target["pid"] == pid and target["alive"] for target in picture.targets)


def report(found: Soaked) -> str:
    """For people."""
    lines = [
        f"{found.seconds / _HOUR:.2f} h, {found.lives} lives of the program, {found.pictures} pictures",
        f"{found.dashboards} dashboards, {found.keys} keys; tool {found.tool_cpu_percent:.1f} % of a CPU",
        f"the programs did  {found.truth}",
        f"it was counted    {found.counted}",
        f"lost              {found.faults or 'nothing'}",
    ]
    for name, unit, digits in (
        ("own_bytes", 1 << 20, 1),
        ("rss_bytes", 1 << 20, 1),
        ("descriptors", 1, 0),
        ("threads", 1, 0),
        ("processes", 1, 0),
    ):
        values = [getattr(reading, name) / unit for reading in found.readings]
        if values:
            medians = ", ".join(f"{value:.{digits}f}" for value in quarters(values))
            extremes = f"{min(values):.{digits}f} to {max(values):.{digits}f}"
            lines.append(f"{name:12s}      medians of the quarters {medians}; {extremes}")
            later = [getattr(reading, name) / unit for reading in found.at_ends[MOST_LISTED:]]
            if later:
                medians = ", ".join(f"{value:.{digits}f}" for value in quarters(later))
                lines.append(f"{'':12s}      from life {MOST_LISTED + 1} on {medians}")
    return "\n".join([*lines, *(f"WRONG: {sentence}" for sentence in found.wrong)])


def main() -> int:
    """See `scripts/soak`."""
    parser = argparse.ArgumentParser(prog="scripts/soak")
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--rate", type=int, default=50_000)
    parser.add_argument("--life", type=float, default=50.0, metavar="S")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    seconds = given.seconds if given.seconds is not None else given.hours * _HOUR
    found = Soak(seconds, given.rate, given.life).run()
    print(report(found))
    if given.json:
        given.json.write_text(json.dumps(asdict(found)))
    return int(bool(found.wrong))


if __name__ == "__main__":
    sys.exit(main())
