"""Textual's driver, made to survive a terminal that hangs up or stalls, and to know its size.

Its writer thread dies of the first write to a terminal that has hung up, and waits as long as nobody
reads it; thirty writes later its queue is full, and the application waits for ever, with the probes in
place.
"""

import os
import select
from collections.abc import Callable
from typing import Any, cast

from textual.drivers.linux_driver import LinuxDriver

_PATIENCE_S = 2.0


class Screen:
    """What the writer thread writes to. `gone` from the moment that it gave up on the terminal.

    That is when a write fails, or when the dashboard has been told to end and for two seconds nobody
    has read what it wrote.
    """

    def __init__(self, fd: int) -> None:
        self.gone = False
        self.told_to_end: Callable[[], bool] = lambda: False
        self.ascii_only = False
        """Does the terminal know no others? Borders of boxes are, as Textual draws them."""
        self._fd = fd
        self._out: int | None = None

    def open(self) -> None:
        """Before anything is written, and again after it was closed for an editor."""
        if self._out is not None:
            return
        # Opened anew: O_NONBLOCK on the descriptor itself would reach the shell that shares it.
        try:
            path = f"/proc/self/fd/{self._fd}"
            self._out = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:  # the terminal of another user, who only lent it: it is waited for
            self._out = os.dup(self._fd)

    def write(self, text: str) -> None:
        encoding = "ascii" if self.ascii_only else "utf-8"
        left = memoryview(text.encode(encoding, "replace"))
        while left and not self.gone and self._out is not None:
            try:
                left = left[os.write(self._out, left) :]
            except BlockingIOError:
                room = select.select([], [self._out], [], _PATIENCE_S)[1]
                self.gone = not room and self.told_to_end()
            except OSError:
                self.gone = True

    def flush(self) -> None:
        """Nothing is held back."""

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        if self._out is not None:
            os.close(self._out)
            self._out = None


class TerminalDriver(LinuxDriver):
    """Draws on stderr, as LinuxDriver does."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.screen = Screen(cast(Any, self._file).fileno())
        self._file = cast(Any, self.screen)

    def start_application_mode(self) -> None:
        self.screen.open()
        cast(Any, super()).start_application_mode()

    def close(self) -> None:
        super().close()
        self.screen.close()

    def _get_terminal_size(self) -> tuple[int, int]:
        """Columns and lines of the terminal itself, whatever COLUMNS and LINES of a shell say."""
        try:
            width, height = os.get_terminal_size(self.screen.fileno())
        except OSError:
            return super()._get_terminal_size()
        return width or 80, height or 24
