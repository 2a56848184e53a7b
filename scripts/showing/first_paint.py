"""How soon `ebpftrace attach` has something on the screen, from its exec on, on a process that sleeps."""

import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from scripts.bench.figures import Spread, as_figures, narrate
from scripts.showing.screen import Screen
from scripts.showing.terminal import NotShown, Size, Terminal

_TARGET = ("sleep", "3600")
_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class FirstPaint:
    """ms from exec to the header that names the target, and of a Python that only imports Textual."""

    painted: Spread | None
    imported: Spread | None

    def as_object(self) -> dict[str, Any]:
        """For JSON."""
        return {"painted_ms": as_figures(self.painted), "import_ms": as_figures(self.imported)}


def measure(rounds: int, size: Size) -> FirstPaint:
    """In turn, after one round that fills the caches. Without a dashboard `painted` is None."""
    narrate("tui-bench", f"first paint, {rounds} rounds")
    painted: list[float] = []
    imported: list[float] = []
    with subprocess.Popen(_TARGET) as target:
        try:
            for _ in range(rounds + 1):
                painted.append(_paint(target.pid, size))
                imported.append(_import())
        except NotShown as error:
            narrate("tui-bench", f"No first paint. {error}")
        finally:
            target.kill()
    return FirstPaint(Spread.of(painted[1:]), Spread.of(imported[1:]))


def names_target(screen: Screen, pid: int) -> bool:
    """Does the dashboard, and not what was said before it, name the process?"""
    text = screen.text()
    return screen.alternate and (_TARGET[0] in text or str(pid) in text)


def _paint(pid: int, size: Size) -> float:
    command = [sys.executable, "-m", "ebpftrace", "attach", "-p", str(pid)]
    with Terminal(command, size) as terminal:
        came = terminal.until(lambda screen: names_target(screen, pid), _LIMIT_S)
        terminal.leave()
    return (came - terminal.started) * 1e3


def _import() -> float:
    start = time.monotonic()
    subprocess.run([sys.executable, "-c", "import textual.app"], check=True)
    return (time.monotonic() - start) * 1e3
