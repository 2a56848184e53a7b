"""Directories of snapshots whose bytes are marks, and clocks that go as they are told."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

from ebpftrace.snapshot.storage.folder import Clock, Folder, Keep

NIGHT = datetime(2026, 11, 21, 3, 15, 0, 123_000, tzinfo=timezone.utc)
FIRST = "20261121T031500.123Z-interval.ebpftrace"
NOBODY = 65534


class Clocks:
    """`wall` is that of NIGHT, `boot` an hour."""

    def __init__(self) -> None:
        self.wall = NIGHT.timestamp()
        self.boot = 3600.0

    def go_on(self, seconds: float) -> None:
        self.wall += seconds
        self.boot += seconds

    def now(self) -> datetime:
        return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=self.wall)

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.boot)


@contextmanager
def opened(path: Path, keep: Keep | None = None, clocks: Clocks | None = None) -> Iterator[Folder]:
    folder = Folder.open(str(path), keep or Keep(), (clocks or Clocks()).clock)
    try:
        yield folder
    finally:
        folder.close()


def kept(
    folder: Folder, taken: datetime = NIGHT, kind: str = "interval", data: bytes = b"whole"
) -> str:
    """Write a snapshot; its name."""
    return Path(folder.write(taken, kind, [data])).name


def appended(folder: Folder, record: bytes = b"record.", taken: datetime = NIGHT) -> str:
    """Append a record; the name of the stream."""
    return Path(folder.append(taken, lambda: b"head.", lambda: record)).name


def seen(path: Path) -> list[str]:
    """All names there but that of the lock."""
    return sorted(set(os.listdir(path)) - {".lock"})
