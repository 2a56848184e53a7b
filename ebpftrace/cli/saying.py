"""What is written to stdout, and what it means where that fails."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ebpftrace.cli.streams import mute
from ebpftrace.errors import UsageError

CLOSED = (errno.EPIPE, errno.EIO, errno.ENXIO)
"""What writing to a pipe or a terminal fails by where nobody reads it any more."""


class OutputClosed(Exception):
    """Whoever read our output has gone: end as asked, quietly."""


@contextmanager
def told() -> Iterator[None]:
    """A closed pipe or lost terminal is OutputClosed, a full disk a UsageError."""
    try:
        yield
    except OSError as error:
        if error.errno in CLOSED:
            raise OutputClosed from error
        raise UsageError(f"The output cannot be written: {error.strerror}.") from error


@contextmanager
def said() -> Iterator[None]:
    """As `told`, for what is written once: that its reader has gone changes no exit status."""
    try:
        with told():
            yield
    except OutputClosed:
        mute(sys.stdout)


def say(text: str) -> None:
    """Write a line, or several."""
    with said():
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
