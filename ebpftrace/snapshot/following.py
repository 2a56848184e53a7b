"""What a recorder writes, as it comes: the snapshots of a directory, and the records of a stream."""

import os
import time
from dataclasses import replace
from pathlib import Path

from ebpftrace.errors import UsageError
from ebpftrace.model.snapshot import Snapshot
from ebpftrace.snapshot.format.reading import StreamReader, read_snapshot
from ebpftrace.snapshot.source import Refined, Source, Tape, as_it_is
from ebpftrace.snapshot.storage.folder import listed
from ebpftrace.snapshot.storage.names import STREAM
from ebpftrace.text import clean

_LOOK_S = 0.25
# A file that comes within the same tick as the last change leaves the directory's time as it is.
_LIST_ANYWAY_S = 2.0


class Followed(Source):
    """Gives each snapshot of a tape that grows, once it is there; none of them is final.

    A new watch begins anew, and is noted.
    """

    def __init__(self, tape: Tape, waits_for: str, refined: Refined = as_it_is) -> None:
        super().__init__(refined)
        self._waits_for = waits_for
        self._tape = tape
        self._look_at = 0.0
        self._watch: str | None = None

    @property
    def doing(self) -> str:
        """What it waits for, and what has kept that from coming."""
        return "  ".join((f"waiting for {self._waits_for}", *self._tape.notes()[-1:]))

    def notes(self) -> tuple[str, ...]:
        return (*self._tape.notes(), *self._said)

    def close(self) -> None:
        self.stop()
        with self._turn:
            self._tape.close()

    def _begin(self) -> None:
        """The first one is waited for, as all others."""

    def _advance(self, ends: float) -> None:
        while not self._stopping.wait(max(0.0, min(self._look_at, ends) - time.monotonic())):
            if time.monotonic() < self._look_at:
                return
            found = self._tape.next()
            if found is not None:
                self._take(found)
                return
            self._look_at = time.monotonic() + _LOOK_S
            if ends <= time.monotonic():
                return

    def _take(self, found: Snapshot) -> None:
        if self._watch not in (None, found.watch):
            began = found.picture.time.astimezone()
            self._said.append(
                f"With the snapshot of {began:%Y-%m-%d %H:%M:%S} another watch began; what was shown "
                "before it is of the one before."
            )
            self._order = []
        self._watch = found.watch
        self._give(found, final=False)


class Growing:
    """A tape of the last record of a stream file, then of those that are appended to it."""

    def __init__(self, path: str, *, from_end: bool = True) -> None:
        """UsageError where it is none. Not `from_end`: all of its records."""
        self._path = path
        self._reader = StreamReader(path)
        self._from_end = from_end

    def next(self) -> Snapshot | None:
        if self._from_end:
            found = self._reader.last()
            self._from_end = found is None
        else:
            found = self._reader.next()
        return None if found is None else replace(found, file=self._path)

    def notes(self) -> tuple[str, ...]:
        return self._reader.notes()

    def close(self) -> None:
        self._reader.close()


class Directory:
    """A tape of the newest snapshot of a directory, then of every newer one.

    What retention removes before it is read is passed over; what cannot be read is noted.
    """

    def __init__(self, path: str) -> None:
        """UsageError where it cannot be listed."""
        self._path = path
        self._notes: list[str] = []
        self._stream: Growing | None = None
        self._changed: object = None
        self._list_at = 0.0
        names = self._names()
        self._waiting = names[-1:]
        self._seen = names[-1] if names else ""
        """The newest name that was waited for."""
        streams = [name for name in names if name.endswith(STREAM)]
        if streams and self._written(streams[-1]) > self._written(names[-1]):
            self._waiting = streams[-1:]  # the older file by name, and still written to
        self._is_first = True

    def next(self) -> Snapshot | None:
        """The next one that is there by now."""
        while True:
            if not self._waiting:
                self._waiting = self._newer()
                self._seen = self._waiting[-1] if self._waiting else self._seen
            # A stream is at its end only if it had none when a newer file was there already.
            found = self._record()
            if found is None and self._waiting:
                found = self._opened(self._waiting.pop(0))
                self._is_first = self._is_first and found is None
            elif found is None:
                return None
            if found is not None:
                return found

    def notes(self) -> tuple[str, ...]:
        return (*self._notes, *(self._stream.notes() if self._stream is not None else ()))

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def _record(self) -> Snapshot | None:
        """The next one of the stream that is open."""
        if self._stream is None:
            return None
        try:
            return self._stream.next()
        except UsageError as error:
            self._note(str(error))
            self._turn_to(None)
            return None

    def _opened(self, name: str) -> Snapshot | None:
        path = self._in_it(name)
        try:
            if not name.endswith(STREAM):
                return replace(read_snapshot(path), file=path)
            self._turn_to(Growing(path, from_end=self._is_first))
        except UsageError as error:
            if os.path.lexists(path):
                self._note(str(error))
            return None
        return self._record()

    def _turn_to(self, stream: Growing | None) -> None:
        if self._stream is not None:
            self._notes += self._stream.notes()
            self._stream.close()
        self._stream = stream

    def _newer(self) -> list[str]:
        """Names that have come since, if there may be any."""
        try:
            about = os.stat(self._path)
            changed = about.st_ino, about.st_mtime_ns
            if changed == self._changed and time.monotonic() < self._list_at:
                return []
            names = self._names()
        except (OSError, UsageError) as error:
            # It may come back: a recorder makes its directory anew if it can.
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self._note(f"{self._path} could not be looked at: {reason}")
            return []
        self._changed = changed
        self._list_at = time.monotonic() + _LIST_ANYWAY_S
        return [name for name in names if name > self._seen]

    def _names(self) -> list[str]:
        return [os.path.basename(path) for path in listed(self._path)]

    def _in_it(self, name: str) -> str:
        return str(Path(self._path) / name)

    def _written(self, name: str) -> int:
        try:
            return os.stat(self._in_it(name)).st_mtime_ns
        except OSError:
            return 0

    def _note(self, sentence: str) -> None:
        said = clean(sentence)
        if said not in self._notes:
            self._notes.append(said)
