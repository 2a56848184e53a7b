"""What the dashboard's key for it writes: a snapshot file, in the folder that the user is in."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ebpftrace.errors import EbpftraceError
from ebpftrace.model.picture import Picture, Point
from ebpftrace.model.snapshot import Snapshot
from ebpftrace.units import format_bytes

Made = Callable[[Picture, Sequence[Point]], Snapshot | None]
"""The snapshot that a picture, with the totals until then, is to be saved as."""


def save(made: Made, picture: Picture, points: Sequence[Point], folder: Path) -> str:
    """Write a new file in `folder`; where it went and how large it is, or why not, in a sentence.

    The file is its owner's alone, and no other is overwritten or written through.
    """
    # Not at the top: msgpack and zstandard are for those who write a file.
    from ebpftrace.snapshot.format.writing import Counted, pieces
    from ebpftrace.snapshot.storage.folder import NotWritten, write_new

    try:
        snapshot = made(picture, points)
        if snapshot is None:
            return "nothing was saved: what this picture is of is not known any more"
        written = Counted(pieces(snapshot))
        path = write_new(folder, picture.time, written)
    except NotWritten as error:
        return str(error)
    except EbpftraceError as error:
        return f"nothing was saved: {error}"
    return f"saved to {_named(Path(path))}, {format_bytes(written.size)}"


def _named(path: Path) -> str:
    """In full, unless the current folder has gone."""
    try:
        return str(path.absolute())
    except OSError:
        return path.name
