"""Textual's driver, made to survive the loss of its terminal and to know its size.

Its writer thread dies of the first write to a terminal that has hung up; the next thirty writes then
fill its queue, and the one after waits for ever, with the probes in place.
"""

import os
from typing import IO, Any, cast

from textual.drivers.linux_driver import LinuxDriver


class _Forgiving:
    """Writes to `file` until that fails, and to nowhere from then on."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.gone = False

    def write(self, text: str) -> None:
        if not self.gone:
            try:
                self._file.write(text)
            except OSError:
                self.gone = True

    def flush(self) -> None:
        if not self.gone:
            try:
                self._file.flush()
            except OSError:
                self.gone = True

    def fileno(self) -> int:
        return self._file.fileno()


class TerminalDriver(LinuxDriver):
    """Draws on stderr, as LinuxDriver does; `gone` once that cannot be written any more."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._screen = _Forgiving(cast("IO[str]", self._file))
        self._file = cast(Any, self._screen)

    @property
    def gone(self) -> bool:
        return self._screen.gone

    def _get_terminal_size(self) -> tuple[int, int]:
        """Columns and lines of the terminal itself, whatever COLUMNS and LINES of a shell say."""
        try:
            width, height = os.get_terminal_size(self._screen.fileno())
        except OSError:
            return super()._get_terminal_size()
        return width or 80, height or 24
