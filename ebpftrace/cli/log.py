"""The tool's own words: warnings are for the user, on stderr; the log goes where it is told to."""

import argparse
import logging
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from ebpftrace.cli.common import note
from ebpftrace.errors import UsageError
from ebpftrace.text import clean_lines

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_MOST_LINES_HELD = 10_000


class _Notes(logging.Handler):
    """Warnings as sentences, wherever the rest of the log goes."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        note(record.getMessage())


class _File(logging.FileHandler):
    """Of --log-file. That it cannot be written is said once: the watch goes on."""

    def __init__(self, path: str) -> None:
        super().__init__(path, encoding="utf-8")
        self._path = path
        self._said = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - of the library
        """For what `emit` ran into."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._said:
            self._said = True
            note(f"--log-file {self._path} cannot be written: {error.strerror}. It has gaps.")


class _Printable(logging.Formatter):
    """A message may quote what a target has chosen: a log is looked at on a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return clean_lines(super().format(record))


def start_logging(given: argparse.Namespace) -> None:
    """Set up the log, which every command does first. UsageError where its file cannot be written."""
    log = logging.getLogger("ebpftrace")
    handlers: list[logging.Handler] = [_Notes()]
    if given.log_file:
        try:
            handlers.append(_File(given.log_file))
        except OSError as error:
            raise UsageError(
                f"--log-file {given.log_file} cannot be written: {error.strerror}."
            ) from error
    elif given.debug:
        handlers = [logging.StreamHandler()]
    for handler in handlers:
        handler.setFormatter(_Printable(_FORMAT))
    if given.log_file or given.debug:
        log.setLevel(logging.DEBUG if given.debug else logging.INFO)
    log.handlers[:] = handlers


class _Holder(logging.Handler):
    """Keeps what would be written over the screen."""

    def __init__(self) -> None:
        super().__init__()
        self.records: deque[logging.LogRecord] = deque(maxlen=_MOST_LINES_HELD)

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextmanager
def log_held_back() -> Iterator[None]:
    """What would go to stderr comes when the screen is gone; a file goes on."""
    log, holder = logging.getLogger("ebpftrace"), _Holder()
    kept = log.handlers[:]
    to_file = [handler for handler in kept if isinstance(handler, logging.FileHandler)]
    log.handlers[:] = [*to_file, holder]
    try:
        yield
    finally:
        log.handlers[:] = kept
        for handler in kept:
            for record in holder.records if handler not in to_file else ():
                if record.levelno >= handler.level:
                    handler.handle(record)
