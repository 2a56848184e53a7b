"""One dashboard, watched through its phases: still, refreshed once a second, and typed at meanwhile."""

import json
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from scripts.bench.figures import narrate
from scripts.showing.keys import Answers, Percentiles, Presser
from scripts.showing.processes import Spent, resident_bytes, spent
from scripts.showing.shown import Asked
from scripts.showing.terminal import NotShown, Size, Terminal

_PREPARE_S = 120.0
_SETTLE_S = 2.0
_VALIDATED = Size(200, 52)
_MB = 1e6


@dataclass(frozen=True, slots=True)
class Phases:
    """Seconds of each. `keys`: pressed before anything is measured, to come to another view."""

    still: float
    refreshed: float
    typed: float
    keys: str = ""


@dataclass(frozen=True, slots=True)
class Watched:
    """Of one run. ms are of CPU time and per refresh, what the still dashboard takes taken off.

    MB are 10**6 bytes resident: `textual_mb` by its import alone, `added_mb` by all of the dashboard
    at the end of the run. `refreshes`: pictures that the dashboard took in the second phase.
    """

    size: Size
    asked: Asked
    refreshes: int
    cpu_ms: float
    main_ms: float
    still_cpu_percent: float
    still_bytes_per_s: float
    refresh_bytes: float
    answers: Answers
    pictures_mb: float
    textual_mb: float
    added_mb: float

    @property
    def key_ms(self) -> Percentiles | None:
        return Percentiles.of([seconds * 1e3 for seconds in self.answers.waited])

    def as_object(self) -> dict[str, Any]:
        """For JSON."""
        answers = asdict(self.answers)
        answers.pop("waited")
        percentiles = self.key_ms
        figures = {k: v for k, v in asdict(self).items() if k not in {"size", "asked", "answers"}}
        return {
            "terminal": self.size.name,
            **asdict(self.asked),
            **figures,
            "key_ms": None if percentiles is None else percentiles._asdict(),
            "keys": answers,
        }


class Dashboard:
    """The child of `shown`, with its first picture on the screen."""

    def __init__(self, terminal: Terminal, wire: socket.socket) -> None:
        self.terminal = terminal
        self._wire = wire
        self._answers = wire.makefile("r")
        self.pictures_bytes: int = self._answer()["pictures_bytes"]
        self.textual_bytes: int = self._answer()["textual_bytes"]
        terminal.until(lambda screen: screen.alternate and screen.text().strip(), _PREPARE_S)

    def advance(self) -> None:
        self._wire.sendall(b"next\n")

    def taken(self) -> int:
        """Pictures that it has taken so far."""
        self._wire.sendall(b"count\n")
        return int(self._answer()["taken"])

    def wait(self, seconds: float) -> None:
        self.terminal.wait(time.monotonic() + seconds)

    def refresh(self, seconds: float) -> None:
        """A picture a second, and time for the last of them to be drawn."""
        start = time.monotonic()
        for number in range(round(seconds)):
            self.terminal.wait(start + number)
            self.advance()
        self.terminal.wait(start + seconds)

    def spent(self) -> Spent:
        return spent(self.terminal.pid)

    def _answer(self) -> dict[str, Any]:
        line = self._answers.readline()
        if not line:
            self.terminal.wait(time.monotonic() + 1)  # says with what it has ended
            raise NotShown("The process that was to show something has ended.")
        return dict(json.loads(line))


@contextmanager
def dashboard(asked: Asked, size: Size) -> Iterator[Dashboard]:
    """On a terminal of its own. One that does not end at `q` is told of and killed."""
    ours, theirs = socket.socketpair()
    with ours:
        ours.settimeout(_PREPARE_S)
        with theirs:
            number = str(theirs.fileno())
            command = [sys.executable, "-m", "scripts.showing.shown", number]
            command.append(json.dumps(asdict(asked)))
            terminal = Terminal(command, size, [theirs.fileno()])
        with terminal:
            yield Dashboard(terminal, ours)
            try:
                terminal.leave()
            except NotShown as error:
                narrate("tui-bench", str(error))


def watch(asked: Asked, size: Size, phases: Phases) -> Watched:
    """All phases of one run."""
    narrate("tui-bench", f"{size.name}, {asked.sites:,} sites, changed: {asked.scenario}")
    with dashboard(asked, size) as shown:
        terminal = shown.terminal
        shown.wait(_SETTLE_S)
        for key in phases.keys:
            terminal.press(key.encode())
            shown.wait(_SETTLE_S / 4)
        shown.refresh(_SETTLE_S)  # what is made and imported at the first refreshes
        shown.wait(_SETTLE_S / 2)
        wrote, before = terminal.written, shown.spent()
        shown.wait(phases.still)
        still, still_bytes = shown.spent().since(before), terminal.written - wrote
        wrote, before, taken = terminal.written, shown.spent(), shown.taken()
        start = time.monotonic()
        shown.refresh(phases.refreshed)
        shown.wait(1.0)
        seconds = time.monotonic() - start
        busy, refreshes = shown.spent().since(before), max(1, shown.taken() - taken)
        share = seconds / phases.still
        refresh_bytes = terminal.written - wrote - still_bytes * share
        presser = Presser(terminal, shown.advance)
        answers = presser.press_until(time.monotonic() + phases.typed)
        resident = resident_bytes(terminal.pid)
        return Watched(
            size=size,
            asked=asked,
            refreshes=refreshes,
            cpu_ms=(busy.all - still.all * share) / refreshes * 1e3,
            main_ms=(busy.main - still.main * share) / refreshes * 1e3,
            still_cpu_percent=100 * still.all / phases.still,
            still_bytes_per_s=still_bytes / phases.still,
            refresh_bytes=refresh_bytes / refreshes,
            answers=answers,
            pictures_mb=shown.pictures_bytes / _MB,
            textual_mb=(shown.textual_bytes - shown.pictures_bytes) / _MB,
            added_mb=(resident - shown.pictures_bytes) / _MB,
        )


def planted(delay_ms: float, seconds: float) -> float | None:
    """By how many ms the median answer to a key is later where each is delayed by `delay_ms`.

    With 100 sites, no refresh, and keys so far apart that none waits for another.
    """
    medians = []
    for delay in (0.0, delay_ms):
        narrate("tui-bench", f"keys that are delayed by {delay:.0f} ms")
        with dashboard(Asked(100, "all", delay), _VALIDATED) as shown:
            shown.wait(_SETTLE_S)
            presser = Presser(shown.terminal, lambda: None, per_s=10.0)
            answers = presser.press_until(time.monotonic() + seconds)
        found = Percentiles.of(answers.waited)
        if found is None:
            return None
        medians.append(found.p50 * 1e3)
    return medians[1] - medians[0]
