"""The file that a command makes: packed by its name, and whole or not there."""

import errno
import gzip
import io
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from ebpftrace.cli.saying import CLOSED, OutputClosed
from ebpftrace.cli.streams import mute
from ebpftrace.errors import UsageError
from ebpftrace.snapshot.storage import whole

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

Made = Callable[[BinaryIO], None]

STANDARD = "-"
_TEMPORARY = ".new-ebpftrace-"
_MOST_LINKS = 40  # as many as the kernel follows (include/linux/namei.h)
_BUFFER = 1 << 20
# 294 MB of JSON: 7.8 MB by level 1 in 1.8 s, 5.1 MB by level 4 in 2.5 s, 3.5 MB by level 6 in 2.7 s; what
# is less alike takes level 6 far longer.
_GZIP_LEVEL = 4
_ZSTD_LEVEL = 3
_ADVICE = {
    errno.ENOENT: " Make that directory first, or give another file.",
    errno.ENOSPC: " Free space there, or give another file.",
    errno.EDQUOT: " Free space there, or give another file.",
    errno.EFBIG: " Raise the limit for a file (ulimit -f), or pack it: .gz, .zst.",
}


class _Place(NamedTuple):
    """Where it goes: a name in `folder`, or `number`, a descriptor, or else a `device` or pipe."""

    folder: Path | None = None
    name: str = ""
    number: int | None = None
    device: Path | None = None
    before: os.stat_result | None = None
    """Of the file that is there."""


class Output:
    """What OUT leads to. `said` is how the user knows it. UsageError for all that fails."""

    def __init__(self, path: str, *, packed: bool, force: bool) -> None:
        """`packed`: what is written is gzip already. Nothing is opened or made as yet."""
        self.said = "standard output" if path == STANDARD else path
        self._packing = "" if path == STANDARD else Path(path).suffix
        if packed and self._packing == ".zst":
            raise UsageError(
                f"{path} would be packed twice: this format is packed by gzip. "
                "Leave out the .zst, or end the name in .gz."
            )
        self._binary = packed or self._packing in (".gz", ".zst")
        if packed:
            self._packing = ""
        self._force = force
        self._place = None if path == STANDARD else self._found(path)

    def is_one_of(self, paths: list[str]) -> bool:
        """Is one of these files what would be written over?"""
        place = self._place
        if place is None or place.before is None:
            return False
        for path in paths:
            with suppress(OSError, ValueError):
                if os.path.samestat(os.stat(path), place.before):
                    return True
        return False

    def write(self, made: Made) -> int | None:
        """Have it made; bytes. None where its reader has gone.

        A regular file has its name once it is whole. It is not synced: whoever loses it in a power
        cut can make it again.
        """
        place = self._place
        try:
            if place is not None and place.folder is not None:
                return self._to_file(place.folder, place, made)
            return self._to_stdout(made) if place is None else self._to_descriptor(place, made)
        except OutputClosed:
            if place is None:
                mute(sys.stdout)
            return None
        except OSError as error:
            raise self._failed(error) from error

    def _to_stdout(self, made: Made) -> int:
        self._check_terminal(sys.stdout.isatty())
        with _read_by_somebody():
            size = self._through(sys.stdout.buffer.write, made)
            sys.stdout.buffer.flush()
            return size

    def _to_descriptor(self, place: _Place, made: Made) -> int:
        if place.number is not None:
            fd = os.dup(place.number)
        else:
            assert place.device is not None, "it is one of the three"
            fd = os.open(place.device, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            self._check_terminal(os.isatty(fd))
            with _read_by_somebody():
                return self._through(lambda data: os.write(fd, data), made)
        finally:
            os.close(fd)

    def _to_file(self, at: Path, place: _Place, made: Made) -> int:
        folder = os.open(at, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with whole.temporary(folder, _TEMPORARY, 0o666) as (fd, name):
                size = self._through(lambda data: os.write(fd, data), made)
                if not self._force:
                    whole.give_name(folder, name, place.name)
                else:
                    if place.before is not None:
                        os.fchmod(fd, stat.S_IMODE(place.before.st_mode))
                    os.rename(name, place.name, src_dir_fd=folder, dst_dir_fd=folder)
                return size
        finally:
            os.close(folder)

    def _through(self, write: Callable[["ReadableBuffer"], int], made: Made) -> int:
        raw = _Raw(write)
        with _layers(raw, self._packing) as out:
            made(out)
        return raw.size

    def _check_terminal(self, terminal: bool) -> None:
        if terminal and self._binary:
            raise UsageError("This format is not for a terminal. Give a file with -o, or a pipe.")

    def _found(self, path: str) -> _Place:
        try:
            place = _followed(path)
        except (OSError, ValueError) as error:
            raise self._failed(error) from error
        if place.before is not None and not self._force:
            raise self._taken()
        return place

    def _taken(self) -> UsageError:
        return UsageError(f"{self.said} is there already. Give --force to have it replaced.")

    def _failed(self, error: OSError | ValueError) -> UsageError:
        if isinstance(error, FileExistsError):
            return self._taken()
        number = error.errno if isinstance(error, OSError) else None
        reason = getattr(error, "strerror", None) or error
        return UsageError(f"{self.said} cannot be written: {reason}.{_ADVICE.get(number or 0, '')}")


@contextmanager
def _read_by_somebody() -> Iterator[None]:
    """OutputClosed where that is so no more."""
    try:
        yield
    except OSError as error:
        if error.errno in CLOSED:
            raise OutputClosed from error
        raise


def _followed(path: str) -> _Place:
    """What a path leads to, through links of ours or root's only. OSError, ValueError."""
    if not path or path.endswith("/"):
        raise OSError(errno.EISDIR, "it is no name of a file")
    numbers = Path("/proc/self/fd").resolve()
    at = Path(path)
    for _ in range(_MOST_LINKS):
        folder = at.parent.resolve(strict=True)
        if folder == numbers and at.name.isdigit():
            return _Place(number=int(at.name))
        at = folder / at.name
        try:
            found = at.lstat()
        except FileNotFoundError:
            return _Place(folder, at.name)
        if not stat.S_ISLNK(found.st_mode):
            return _place(folder, at, found)
        # Renaming does what protected_symlinks (Documentation/admin-guide/sysctl/fs.rst) keeps
        # opening from: in /tmp anybody could have chosen where root writes.
        if found.st_uid not in (0, os.geteuid()):
            raise OSError(errno.EPERM, "it is a symbolic link of another user")
        at = folder / os.readlink(at)
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _place(folder: Path, at: Path, found: os.stat_result) -> _Place:
    if stat.S_ISREG(found.st_mode):
        return _Place(folder, at.name, before=found)
    if stat.S_ISDIR(found.st_mode):
        raise OSError(errno.EISDIR, "it is a directory; give a file in it")
    if stat.S_ISBLK(found.st_mode):
        raise OSError(errno.EPERM, "it is a disk")
    return _Place(device=at)


class _Raw(io.RawIOBase):
    """Counts what is written. Once `given_up`, what buffers and packers still have goes nowhere."""

    def __init__(self, write: Callable[["ReadableBuffer"], int]) -> None:
        self._write = write
        self.size = 0
        self.given_up = False

    def writable(self) -> bool:
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        """What the operating system took of it."""
        if self.given_up:
            return memoryview(data).nbytes
        written = self._write(data)
        self.size += written
        return written


@contextmanager
def _layers(raw: _Raw, packing: str) -> Iterator[BinaryIO]:
    """A buffer, and before it what packs; what fails leaves no end that would make it look whole."""
    with io.BufferedWriter(raw, _BUFFER) as buffered:
        try:
            packer = _packer(buffered, packing)
            yield packer
            if packer is not buffered:
                packer.close()
            buffered.flush()
        except BaseException:
            raw.given_up = True
            raise


def _packer(out: BinaryIO, packing: str) -> BinaryIO:
    if packing == ".gz":
        # Without name and time: the same export is the same file.
        made = gzip.GzipFile("", "wb", _GZIP_LEVEL, out, mtime=0)
        return io.BufferedWriter(made, _BUFFER)
    if packing == ".zst":
        import zstandard

        return zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True).stream_writer(
            out, closefd=False
        )
    return out
