"""What is written to stdout once, and what it means where that fails."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ebpftrace.errors import UsageError


@contextmanager
def said() -> Iterator[None]:
    """UsageError where stdout takes nothing; that its reader has gone changes no exit status."""
    try:
        yield
    except BrokenPipeError:
        # Nothing more can be said there, not even by the interpreter at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        raise UsageError(f"The output cannot be written: {error.strerror}.") from error


def say(text: str) -> None:
    """Write a line, or several."""
    with said():
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
