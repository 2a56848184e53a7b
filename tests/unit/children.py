"""Real processes of our own that tests look at from outside."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class Talking:
    """A child that prints lines, and goes on when it is told to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.pid = process.pid
        self._process = process

    def line(self) -> str:
        """What it says next."""
        assert self._process.stdout
        return self._process.stdout.readline()

    def go_on(self) -> None:
        """Give it the line that it waits for."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def wait(self) -> None:
        """Until it has ended."""
        self._process.wait()

    def kill(self) -> None:
        """End it, and wait for that."""
        self._process.kill()
        self._process.wait()


@contextmanager
def talking(script: str) -> Iterator[Talking]:
    """A Python that runs `script`; it is ended when that is left."""
    command = [sys.executable, "-S", "-c", script]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Talking(process)
        finally:
            process.kill()
