"""The pictures of one watch up to that of a snapshot, one at a time, as often as they are wanted."""

import os
import re
from collections.abc import Iterator
from contextlib import closing

from ebpftrace.errors import UsageError
from ebpftrace.model.picture import Picture
from ebpftrace.model.snapshot import Snapshot
from ebpftrace.snapshot.files import File
from ebpftrace.snapshot.following import Growing
from ebpftrace.snapshot.format.heads import STREAM, head_of
from ebpftrace.snapshot.format.reading import read_snapshot
from ebpftrace.snapshot.jsonl.lines import Lines
from ebpftrace.snapshot.jsonl.recording import Recording
from ebpftrace.snapshot.loading import Kind, kind_of
from ebpftrace.snapshot.source import Refined, Tape, as_it_is
from ebpftrace.snapshot.storage.folder import listed

# export/jsonl.py writes it behind schema, final and time.
_SINCE = re.compile(rb'"since_attach_s": ?(\d+(?:\.\d+)?)')
_HEAD = 256


class Series:
    """Call it for a pass over the pictures that a path leads to: oldest first, the last that of `last`.

    Those of other watches are left out, and what cannot be read any more. Sites of lines of --json
    are in order of rank.
    """

    def __init__(self, path: str, last: Snapshot, refined: Refined = as_it_is) -> None:
        """`last` is what `loading.load` gives of `path`, with `refined` names."""
        self._path = path
        self._last = last
        self._refined = refined
        self._notes: dict[str, None] = {}

    def __call__(self) -> Iterator[Picture]:
        """UsageError where `path` itself cannot be read any more."""
        last = self._last.picture
        for found in self._all():
            if found.picture.since_attach_s < last.since_attach_s:
                yield self._refined(found.picture)
        yield last

    def notes(self) -> tuple[str, ...]:
        """Sentences on what the passes so far could not read."""
        return tuple(self._notes)

    def _all(self) -> Iterator[Snapshot]:
        kind = kind_of(self._path)
        if kind is Kind.STREAM:
            yield from self._of_stream(self._path)
        elif kind is Kind.LINES:
            yield from self._of_lines()
        elif kind is Kind.DIRECTORY:
            for path in listed(self._path):
                try:
                    yield from self._of_file(path)
                except UsageError as error:
                    if os.path.lexists(path):  # else retention has removed it
                        self._notes[str(error)] = None

    def _of_file(self, path: str) -> Iterator[Snapshot]:
        file = File(path)
        try:
            head = head_of(file)
        finally:
            file.close()
        if head.kind == STREAM:
            yield from self._of_stream(path)
        elif head.watch == self._last.watch:
            yield read_snapshot(path)

    def _of_stream(self, path: str) -> Iterator[Snapshot]:
        """A stream is of one watch."""
        with closing(Growing(path, from_end=False)) as tape:
            for found in _taken(tape):
                if found.watch != self._last.watch:
                    return
                yield found
            self._notes.update(dict.fromkeys(tape.notes()))

    def _of_lines(self) -> Iterator[Snapshot]:
        """Of the last watch, where several were written to one file."""
        skipped = _lines_before_the_last_watch(self._path)
        with closing(Recording(self._path)) as tape:
            tape.skip(skipped)
            yield from _taken(tape)


def _taken(tape: Tape) -> Iterator[Snapshot]:
    while (found := tape.next()) is not None:
        yield found


def _lines_before_the_last_watch(path: str) -> int:
    """Time goes back where a watch begins. Lines are not decoded for that: it would take as long again."""
    first, before = 0, 0.0
    with closing(Lines(path, lambda: False)) as lines:
        while (line := lines.next()) is not None:
            match = _SINCE.search(line, 0, _HEAD)
            since = float(match[1]) if match else before
            if since < before:
                first = lines.number - 1
            before = since
    return first
