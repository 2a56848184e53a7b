"""What a program says while the dashboard has the terminal."""

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from typing import final

from ebpftrace.cli.saying import told

_INPUT = 0
_OUTPUTS = (1, 2)


@final
class Captured:
    """A context manager: a file without a name, which is gone with us.

    `moved`: the program's descriptors that are the terminal: its input is empty, its output goes to
    the file. What was redirected stays as it is.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="ebpftrace-")  # noqa: SIM115 - closed by `__exit__`
        self._empty = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self.moved: Mapping[int, int] = {
            number: self._empty if number == _INPUT else self._file.fileno()
            for number in (_INPUT, *_OUTPUTS)
            if os.isatty(number)
        }

    def __enter__(self) -> "Captured":
        return self

    def __exit__(self, *unused: object) -> None:
        os.close(self._empty)
        self._file.close()

    def show(self) -> None:
        """As it was said, on stderr. The dashboard is over. OutputClosed."""
        self._file.seek(0)
        with told():
            sys.stderr.flush()
            shutil.copyfileobj(self._file, sys.stderr.buffer)
            sys.stderr.buffer.flush()
