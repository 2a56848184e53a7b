"""From a picture to bytes in a folder: a file each, or one stream."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ebpftrace.model.picture import Picture, Point
from ebpftrace.model.snapshot import Snapshot, Trigger
from ebpftrace.recorder.recorder import Kept
from ebpftrace.snapshot.format.writing import Counted, StreamWriter, pieces
from ebpftrace.snapshot.storage.folder import Folder

Take = Callable[[Picture, Trigger, Sequence[Point]], Snapshot]
"""A snapshot of a picture, with what explains it, read now."""


class Files:
    """A file for each snapshot."""

    def __init__(self, folder: Folder, take: Take) -> None:
        self._folder = folder
        self._take = take

    def keep(self, picture: Picture, trigger: Trigger, history: Sequence[Point]) -> Kept:
        """NotWritten."""
        counted = Counted(pieces(self._take(picture, trigger, history)))
        path = self._folder.write(picture.time, trigger.kind, counted)
        return Kept(Path(path).name, counted.size)


class Stream:
    """A record for each, in which what did not change since the one before is not repeated."""

    def __init__(self, folder: Folder, take: Take) -> None:
        self._folder = folder
        self._take = take
        self._writer = StreamWriter()

    def keep(self, picture: Picture, trigger: Trigger, history: Sequence[Point]) -> Kept:
        """NotWritten."""
        snapshot = self._take(picture, trigger, history)
        size = 0

        def begun() -> bytes:
            self._writer = StreamWriter()
            return counted(self._writer.start())

        def counted(piece: bytes) -> bytes:
            nonlocal size
            size += len(piece)
            return piece

        path = self._folder.append(
            picture.time, begun, lambda: counted(self._writer.record(snapshot))
        )
        return Kept(Path(path).name, size)
