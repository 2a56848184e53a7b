"""The directory that a recorder fills with snapshots and streams, and that readers look into.

One file each, named by time; locks and temporary files begin with a dot. What a file holds is left
to who makes its bytes. One thread at a time uses a Folder.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

from ebpftrace.errors import UsageError
from ebpftrace.snapshot.storage import names, whole
from ebpftrace.snapshot.storage.lock import Held
from ebpftrace.snapshot.storage.place import TEMPORARY, Place
from ebpftrace.snapshot.storage.retention import Ages, Clock, Keep, too_much
from ebpftrace.snapshot.storage.stream_file import StreamFile
from ebpftrace.snapshot.storage.unwritten import NotWritten, holder, made, reason, told

__all__ = ["Clock", "Folder", "Keep", "NotWritten", "listed", "write_new"]

log = logging.getLogger(__name__)

_TEMPORARY_NEW = ".new-ebpftrace-"
"""No recorder removes these: whoever saves a picture in its directory may be at it."""

_TRIES = 1000
"""Names that are tried, a millisecond apart, where others are taken."""

_MOST_STREAM_BYTES = 256 << 20
_STREAMS = 4
"""A stream is removed as a whole: this many share what is kept."""

_AHEAD_MS = 60_000
"""More than the clocks of hosts differ that set them by the network."""

_CLOCK = Clock()


class Folder:
    """Open for one recorder, until `close` or its end.

    Names never go back in time: where the newest file there is later than the clock they go on from
    it, a millisecond apart, until the clock has caught up or somebody moves that file away.
    """

    @classmethod
    def open(cls, path: str, keep: Keep, clock: Clock = _CLOCK) -> "Folder":
        """Make the directory and those above it with mode 0700 unless they are there; take its lock.

        UsageError: another recorder has it, others may change it. What killed recorders left half
        written is removed. One that vanishes later is made anew, but not those above it: what was
        mounted there may have gone.
        """
        if not path:
            # An unset variable of a shell would mean the current directory.
            raise UsageError("Snapshots need the name of a directory, and the one given is empty.")
        try:
            place = Place.enter(Path.cwd() / path, parents=True)
            try:
                return cls(place, keep, clock)
            except BaseException:
                place.leave()
                raise
        except Held as held:
            raise UsageError(
                f"{path} is in use: {holder(held)} writes there. "
                "Give each recorder a directory of its own, or end that one."
            ) from held
        except OSError as error:
            raise UsageError(
                f"Snapshots cannot be kept in {path}: {reason(error, path)}"
            ) from error

    def __init__(self, place: Place, keep: Keep, clock: Clock) -> None:
        self._place = place
        self._path = str(place.path)
        self._keep = keep
        self._clock = clock
        self._ages = Ages(clock)
        self._stream: StreamFile | None = None
        self._immovable: set[str] = set()
        self._newest = -1
        self._look_around()
        if self._newest > clock.wall() * 1000 + _AHEAD_MS:
            log.warning(
                "The newest file in %s is of %s, later than this host's clock: names go on from "
                "there, in order. Move it elsewhere to have names by the clock.",
                self._path,
                names.shown(self._newest),
            )

    def write(self, taken: datetime, kind: str, pieces: Iterable[bytes]) -> str:
        """A snapshot in a file of its own, whole or not there; its path. NotWritten.

        Then the oldest files go, as far as there is more than is to be kept.
        """
        with told(self._path):
            self._return()
            wanted = (names.of_snapshot(stamp, kind) for stamp in _stamps(taken, self._newest))
            name = self._new_file(wanted, pieces)
        return self._written(name)

    def append(
        self, taken: datetime, head: Callable[[], bytes], record: Callable[[], bytes]
    ) -> str:
        """A record at the end of the stream; the path of its file. NotWritten.

        A file begins with what `head` gives, and the records after it must rest on none before it:
        at first, after a failure, and where the one before has its share of what is kept.
        """
        try:
            with told(self._path):
                self._return()
                stream = self._fit_stream()
                if stream is None:
                    return self._written(self._begin_stream(taken, head, record))
                stream.append(b"".join(made(self._path, _called(record))))
                return self._written(stream.name)
        except BaseException:
            # What `record` takes for written is not there.
            self._end_stream()
            raise

    def close(self) -> None:
        """Let another recorder have the directory."""
        self._end_stream()
        self._place.leave()

    def _return(self) -> None:
        """Be in the directory that has the path by now, which is made where it is missing."""
        if self._place.there():
            return
        new = Place.enter(self._place.path)
        log.warning(
            "%s was removed or replaced: what comes goes to the one that is there now.", self._path
        )
        self._end_stream()
        self._place.leave()
        self._place = new
        self._look_around()

    def _fit_stream(self) -> StreamFile | None:
        """The one that goes on, unless it cannot or has its share."""
        stream = self._stream
        if stream is not None and stream.intact(self._place.fd) and not self._full(stream):
            return stream
        self._end_stream()
        return None

    def _full(self, stream: StreamFile) -> bool:
        keep = self._keep
        if keep.age_s is not None and self._clock.boot() - stream.begun >= keep.age_s / _STREAMS:
            return True
        share = _MOST_STREAM_BYTES if keep.bytes is None else keep.bytes // _STREAMS
        return stream.size >= min(share, _MOST_STREAM_BYTES)

    def _begin_stream(
        self, taken: datetime, head: Callable[[], bytes], record: Callable[[], bytes]
    ) -> str:
        wanted = map(names.of_stream, _stamps(taken, self._newest))
        name = self._new_file(wanted, _called(head, record))
        self._stream = StreamFile(self._place.fd, name, self._clock.boot())
        return name

    def _new_file(self, wanted: Iterable[str], pieces: Iterable[bytes]) -> str:
        name = whole.write(self._place.fd, TEMPORARY, made(self._path, pieces), wanted)
        if named := names.read(name):
            self._newest = named.stamp
        return name

    def _end_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _written(self, name: str) -> str:
        self._ages.wrote(name)
        try:
            self._look_around(name)
        except OSError as error:
            log.warning("What is too old in %s stays: %s.", self._path, error.strerror)
        return str(self._place.path / name)

    def _look_around(self, written: str | None = None) -> None:
        """Find the newest name, and remove what is too much now that `written` is there."""
        files = self._place.files()
        self._newest = max((file.named.stamp for file in files), default=-1)
        if written is None:
            return
        files = [file for file in files if file.named.name not in self._immovable]
        spared = {written, self._stream.name} if self._stream else {written}
        for name in too_much(files, self._ages.of(files), self._keep, spared):
            try:
                os.unlink(name, dir_fd=self._place.fd)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._immovable.add(name)
                log.warning(
                    "%s cannot be removed, and stays: %s.",
                    self._place.path / name,
                    error.strerror,
                )


def write_new(folder: Path, taken: datetime, pieces: Iterable[bytes]) -> str:
    """A snapshot that somebody asked for, in a new file in `folder`; its path. NotWritten.

    Nothing is overwritten or removed, and no lock is needed.
    """
    try:
        at = folder.absolute()
    except OSError:
        at = Path("the current directory")
    with told(str(at)):
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            wanted = (names.of_snapshot(stamp, "asked") for stamp in _stamps(taken, -1))
            name = whole.write(fd, _TEMPORARY_NEW, made(str(at), pieces), wanted)
        finally:
            os.close(fd)
    return str(at / name)


def listed(path: str) -> list[str]:
    """Paths of the snapshots and streams in a directory, in order of time. UsageError."""
    try:
        with os.scandir(path) as entries:
            found = [entry.name for entry in entries if _is_listed(entry)]
    except OSError as error:
        raise UsageError(
            f"{path} cannot be listed: {error.strerror}. "
            "Give a directory that ebpftrace record writes to, as one who may read it."
        ) from error
    return [str(Path(path) / name) for name in sorted(found)]


def _is_listed(entry: os.DirEntry[str]) -> bool:
    return names.read(entry.name) is not None and entry.is_file(follow_symlinks=False)


def _called(*calls: Callable[[], bytes]) -> Iterator[bytes]:
    """One after the other, as they are asked for."""
    return (call() for call in calls)


def _stamps(taken: datetime, newest: int) -> Iterator[int]:
    """Of names to try: after all that are there."""
    first = max(names.stamp_of(taken), newest + 1)
    return iter(range(first, min(first + _TRIES, names.LAST)))
