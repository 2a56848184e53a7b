"""One picture kept in a file: the line that `--json --top 0` would print at that moment."""

import os
from dataclasses import replace
from pathlib import Path

from ebpftrace.analysis.selection import Selection
from ebpftrace.export import jsonl
from ebpftrace.model.picture import Picture

_TRIES = 100


def save(picture: Picture, chosen: Selection, folder: Path) -> str:
    """Write all sites of `picture` to a new file in `folder`; where, or why not, in a sentence.

    The file is its owner's alone, and no other is overwritten or written through.
    """
    everything = replace(chosen, top=0, older=None, suppressions=None)
    stem = f"ebpftrace-{picture.time.astimezone():%Y%m%dT%H%M%S}"
    for number in range(_TRIES):
        path = folder / (f"{stem}.jsonl" if not number else f"{stem}-{number}.jsonl")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            fd = os.open(path, flags, 0o600)
        except FileExistsError:
            continue
        except OSError as error:
            return f"nothing was saved: {_named(folder)}: {error.strerror}"
        return _written(fd, path, picture, everything)
    return f"nothing was saved: {_named(folder)} has {_TRIES} files of this second"


def _named(path: Path) -> str:
    """In full, unless the current folder has gone."""
    try:
        return str(path.absolute())
    except OSError:
        return "the current folder"


def _written(fd: int, path: Path, picture: Picture, chosen: Selection) -> str:
    try:
        with open(fd, "w", encoding="utf-8") as out:
            jsonl.write(picture, chosen, out)
            os.fsync(fd)
    except OSError as error:
        path.unlink(missing_ok=True)
        return f"nothing was saved: {_named(path)}: {error.strerror}"
    return f"saved to {_named(path)}"
