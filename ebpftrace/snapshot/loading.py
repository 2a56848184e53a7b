"""What a path leads to, told by its first bytes, and how each of it is read: whole, played, followed."""

import os
from dataclasses import replace
from enum import Enum, auto
from pathlib import Path

from ebpftrace.errors import UsageError
from ebpftrace.model.snapshot import Snapshot
from ebpftrace.snapshot.files import File
from ebpftrace.snapshot.following import Directory, Followed, Growing
from ebpftrace.snapshot.format.heads import STREAM, head_of
from ebpftrace.snapshot.format.reading import StreamReader, read_snapshot
from ebpftrace.snapshot.jsonl.lines import GZIP
from ebpftrace.snapshot.jsonl.recording import Recording
from ebpftrace.snapshot.replay import NOTHING_WHOLE, Replay
from ebpftrace.snapshot.source import Refined, Source, Still, as_it_is
from ebpftrace.snapshot.storage.folder import listed
from ebpftrace.text import clean

_TRIES = 5


class Kind(Enum):
    """What a path leads to. LINES: of --json, perhaps packed by gzip."""

    SNAPSHOT = auto()
    STREAM = auto()
    LINES = auto()
    DIRECTORY = auto()


def kind_of(path: str) -> Kind:
    """By its first bytes. UsageError where it can be none of them, or not be read."""
    if Path(path).is_dir():
        return Kind.DIRECTORY
    file = File(path)
    try:
        if file.read(0, len(GZIP)).startswith((b"{", GZIP)):
            return Kind.LINES
        return Kind.STREAM if head_of(file).kind == STREAM else Kind.SNAPSHOT
    finally:
        file.close()


def load(path: str) -> Snapshot:
    """A snapshot; the last whole one of a stream or of a recording; the newest of a directory.

    UsageError where there is none. What is missing stands in its notes.
    """
    kind = kind_of(path)
    if kind is Kind.DIRECTORY:
        return _newest(path)
    return read_snapshot(path) if kind is Kind.SNAPSHOT else _last(path, kind)


def pictures(path: str, speed: float = 1.0, refined: Refined = as_it_is) -> Source:
    """A snapshot, or the newest of a directory, as one picture; all others are played at `speed`."""
    kind = kind_of(path)
    if kind in (Kind.SNAPSHOT, Kind.DIRECTORY):
        return Still(load(path), refined)
    if kind is Kind.STREAM:
        return Replay(path, lambda _: StreamReader(path), speed, refined)
    return Replay(path, lambda gives_up: Recording(path, gives_up), speed, refined)


def following(path: str, refined: Refined = as_it_is) -> Followed:
    """What a recorder writes to a directory or a stream, from its newest snapshot on."""
    kind = kind_of(path)
    if kind is Kind.DIRECTORY:
        return Followed(Directory(path), f"the first snapshot in {clean(path)}", refined)
    if kind is Kind.STREAM:
        return Followed(Growing(path), f"the first record of {clean(path)}", refined)
    raise UsageError(
        f"{path} does not grow: --follow takes a directory that ebpftrace record writes to, or a "
        "stream in it."
    )


def _newest(path: str) -> Snapshot:
    """Retention may remove one between the look and the reading."""
    for _ in range(_TRIES):
        names = listed(path)
        if not names:
            break
        newest = str(Path(path) / os.path.basename(names[-1]))
        try:
            return replace(load(newest), file=newest)
        except UsageError:
            if os.path.lexists(newest):
                raise
    raise UsageError(
        f"{path} holds no snapshot (yet). ebpftrace record -o {path} writes them; "
        f"ebpftrace open --follow {path} waits for the first."
    )


def _last(path: str, kind: Kind) -> Snapshot:
    """Of a stream or of lines."""
    if kind is Kind.LINES:
        recording = Recording(path)
        try:
            found, notes = recording.last(), recording.notes()
        finally:
            recording.close()
    else:
        reader = Growing(path)
        try:
            found, notes = reader.next(), reader.notes()
        finally:
            reader.close()
    if found is None:
        raise UsageError(NOTHING_WHOLE.format(path))
    return replace(found, notes=(*found.notes, *notes))
