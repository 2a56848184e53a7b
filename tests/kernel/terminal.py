"""A real terminal, that of a private tmux server, with a command in it."""

import re
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.kernel.harness import (
    EXACT,
    LEAVE_LIMIT,
    REPOSITORY,
    START_LIMIT,
    TOOL,
    Workload,
    wait_until,
)

WIDTH, HEIGHT = 100, 30


class Terminal:
    """One tmux pane with a command in it; the server and its socket go with it."""

    def __init__(
        self,
        folder: Path,
        command: list[str],
        environment: dict[str, str],
        cwd: Path = REPOSITORY,
    ) -> None:
        self.socket = folder / "tmux"
        self.status = folder / "status"
        variables = " ".join(f"{name}={shlex.quote(v)}" for name, v in environment.items())
        line = f"{variables} {shlex.join(command)}; echo $? >{self.status}; echo ended; sleep 600"
        self._tmux(
            *("-f", "/dev/null", "new-session", "-d", "-x", str(WIDTH), "-y", str(HEIGHT)),
            *("-c", str(cwd), line),
        )

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *unused: object) -> None:
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], check=False)

    def _tmux(self, *words: str) -> str:
        command = ["tmux", "-u", "-S", str(self.socket), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def resize(self, width: int, height: int) -> None:
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def until(self, condition: Callable[[str], object], limit: float = START_LIMIT) -> str:
        """The first screen of which `condition` holds."""
        end = time.monotonic() + limit
        while not condition(screen := self.screen()):
            assert time.monotonic() < end, f"not so within {limit:.0f} s:\n{screen}"
            time.sleep(0.05)
        return screen

    def ended(self) -> int:
        wait_until(lambda: self.status.exists() and self.status.read_text(), "end", LEAVE_LIMIT)
        return int(self.status.read_text())


def dashboard(
    folder: Path, target: Workload, *options: str, cwd: Path = REPOSITORY, **environment: str
) -> Terminal:
    command = [*TOOL, "attach", *EXACT, "-p", str(target.pid), "--interval", "0.2", *options]
    # A shell that exports the size it had at its start, as many do: it may not count.
    stale = {"COLUMNS": "80", "LINES": "24"}
    variables = {"TERM": "screen-256color", "PYTHONPATH": str(REPOSITORY), **stale, **environment}
    return Terminal(folder, command, variables, cwd)


def rows(screen: str) -> list[str]:
    """Those of the table, from the top."""
    below = re.split(r"^ +BYTES.*$", screen, maxsplit=1, flags=re.MULTILINE)[-1]
    return re.split(r"^ (?:\w+ \d+ of \d+|none)", below, flags=re.MULTILINE)[0].splitlines()[1:]


def names(screen: str) -> list[str]:
    """The functions in the rows of the table, from the top."""
    title = r"(\w+) (?:\[leaking_server\]|leaking_server\.c:)"
    return re.findall(title, "\n".join(rows(screen)))
