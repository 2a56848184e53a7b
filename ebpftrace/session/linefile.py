"""A file that grows by whole lines, and whose end is no disaster: a full disk is said once."""

import logging
from contextlib import suppress
from io import FileIO

log = logging.getLogger(__name__)


class LineFile:
    """Takes over `file`, which is unbuffered, and which nobody else writes to."""

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self._size = 0
        self.unwritten = 0
        """Lines that it could not take."""
        self._failed = False

    def write(self, lines: bytes) -> None:
        """Add whole lines; once that has failed, count them."""
        if not self._failed:
            try:
                self._write(lines)
            except OSError as error:
                self._failed = True
                log.error(
                    "%s cannot be written any more: %s. It ends here; the watch goes on.",
                    self._file.name,
                    error.strerror,
                )
                self._cut()
            else:
                self._size += len(lines)
        if self._failed:
            self.unwritten += lines.count(b"\n")

    def close(self) -> None:
        """What a network file system could not keep may be told only now."""
        try:
            self._file.close()
        except OSError as error:
            log.error("%s may not be whole: %s.", self._file.name, error.strerror)

    def _write(self, lines: bytes) -> None:
        left = memoryview(lines)
        while left:
            left = left[self._file.write(left) or 0 :]

    def _cut(self) -> None:
        """Leave no half a line, nor lines that are counted as missing. A pipe cannot be cut."""
        with suppress(OSError):
            self._file.truncate(self._size)
