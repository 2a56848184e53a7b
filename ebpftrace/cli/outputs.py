"""Where `run` writes: all of it is opened, or looked at, before the program starts."""

import argparse
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from io import FileIO, TextIOWrapper
from typing import TextIO, final

from ebpftrace.cli.growing import asked_for, growing
from ebpftrace.cli.output import Output
from ebpftrace.errors import UsageError

_STDOUT, _STDERR = 1, 2


@final
class Outputs:
    """A context manager. UsageError for what cannot be written.

    `report`: text, or lines of JSON. `moved`: the program's descriptors that go elsewhere, so that
    its own lines are not among those.
    """

    def __init__(self, given: argparse.Namespace) -> None:
        self._given = given
        self._opened = ExitStack()
        self.report: TextIO = sys.stdout if given.json else sys.stderr
        self.moved: Mapping[int, int] = {}
        self.save: Output | None = None
        self._trace: FileIO | None = None

    def __enter__(self) -> "Outputs":
        with ExitStack() as undo:
            self._open(undo)
            self._opened = undo.pop_all()
        return self

    def __exit__(self, *unused: object) -> None:
        self._opened.close()

    def _open(self, undo: ExitStack) -> None:
        given = self._given
        if given.save is not None:
            if given.save.endswith((".gz", ".zst")):
                raise UsageError(f"{given.save}: a snapshot is packed as it is; name it otherwise.")
            self.save = Output(given.save, packed=False, force=given.force)
        if given.output is not None:
            file = asked_for(given.output, force=given.force)
            self.report = undo.enter_context(TextIOWrapper(file, "utf-8", write_through=True))
        elif given.json:
            self.moved = {_STDOUT: _STDERR}
        if given.trace_log is not None:
            self._trace = undo.enter_context(asked_for(given.trace_log, force=given.force))

    def trace_log(self, number: int) -> FileIO:
        """Of the program that is the n-th, from 1 on; the first one is open. OSError."""
        if number == 1 and self._trace is not None:
            return self._trace
        return growing(f"{self._given.trace_log}.{number}", force=self._given.force)
