"""A program on a pseudo-terminal of its own: what it writes, when, and keys for it."""

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ebpftrace.errors import EbpftraceError
from scripts.bench.loops import REPOSITORY
from scripts.showing.screen import Screen

_READ = 1 << 16
_LEAVE_S = 10.0
_ESCAPE_S = 0.2  # Textual waits 0.1 s for the rest of a sequence


class NotShown(EbpftraceError):
    """The program on the terminal ended, or did not show in time what was waited for."""


class Size(NamedTuple):
    """Of a terminal, in cells."""

    width: int
    height: int

    @property
    def name(self) -> str:
        return f"{self.width}x{self.height}"


class Terminal:
    """`command` on a terminal of `size`; killed on the way out if it has not left by then.

    `started`: when it was executed, on `time.monotonic`; `written`: bytes that it wrote so far.
    """

    def __init__(self, command: Sequence[str], size: Size, pass_fds: Sequence[int] = ()) -> None:
        self.screen = Screen(*size)
        self.written = 0
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", size.height, size.width, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        for name in ("NO_COLOR", "COLUMNS", "LINES", "COLORTERM"):
            environment.pop(name, None)
        self.started = time.monotonic()
        self._process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            pass_fds=pass_fds,
            start_new_session=True,
        )
        os.close(slave)
        self.pid = self._process.pid

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *unused: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._master)

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def read(self, until: float) -> float | None:
        """Take what has come, or comes first before the moment `until`; when it came, None without."""
        ready = select.select([self._master], [], [], max(0.0, until - time.monotonic()))[0]
        if not ready:
            return None
        try:
            data = os.read(self._master, _READ)
        except OSError:  # EIO: nobody has the terminal open any more
            data = b""
        came = time.monotonic()
        if not data:
            raise NotShown(f"The dashboard has ended: {self._said()}")
        self.written += len(data)
        self.screen.feed(data)
        return came

    def wait(self, until: float) -> None:
        """Read all that comes up to the moment `until`."""
        while time.monotonic() < until:
            self.read(until)

    def until(self, condition: Callable[[Screen], object], limit_s: float) -> float:
        """When the screen first fulfilled `condition`. NotShown where that takes too long."""
        end = time.monotonic() + limit_s
        while True:
            came = self.read(end)
            if came is None:
                raise NotShown(f"Not on the screen within {limit_s:.0f} s: {self._said()}")
            if condition(self.screen):
                return came

    def leave(self) -> int:
        """Close what is on top, press q and wait for the end; the exit status. NotShown without one."""
        for _ in range(2):
            self.press(b"\x1b")
            self.wait(time.monotonic() + _ESCAPE_S)
        self.press(b"q")
        with contextlib.suppress(NotShown):
            self.wait(time.monotonic() + _LEAVE_S)
        try:
            return self._process.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            raise NotShown(f"The dashboard did not leave at q: {self._said()}") from None

    def _said(self) -> str:
        words = " / ".join(filter(None, map(str.strip, self.screen.text().splitlines())))
        return words[-500:] or "an empty screen"
