"""What is said where nothing can be written, and what to do then."""

import contextlib
import errno
import logging
from collections.abc import Iterable, Iterator

from ebpftrace import shortage
from ebpftrace.errors import EbpftraceError, UsageError
from ebpftrace.snapshot.storage.lock import NAME, Held

log = logging.getLogger(__name__)

_FULL = "Free space there; the snapshots before it are whole, and the next one is tried again."
_ADVICE = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "Raise the limit for a file: ulimit -f unlimited (systemd: LimitFSIZE=infinity).",
    errno.EIO: "The disk may be failing (see dmesg): write to another one.",
    errno.EROFS: "Write to another file system, or mount this one for writing.",
    errno.ENOENT: "Make that directory first, or give another one.",
    errno.ENOLCK: "Give a directory on a file system of this host.",
    errno.EPERM: "Give a directory that only root and you may change, or a new name for one.",
    errno.ENOTDIR: "Give a directory.",
}
_ELSE = "See what is wrong there, or give another directory."


class NotWritten(UsageError):
    """A snapshot is not on disk. Those before it are, and the next one may be tried."""


def reason(error: OSError, path: str) -> str:
    """Full sentences on what is wrong in the directory `path`, from the middle of one on."""
    if error.errno == errno.EMFILE:
        return f"too many files are open. {shortage.open_files()}"
    at = error.filename
    # Nobody knows the name of a temporary file.
    apart = isinstance(at, str) and at != path and at.startswith(("/", NAME))
    clause = error.strerror or str(error)
    advice = _ADVICE.get(error.errno or 0, _ELSE)
    return f"{at}: {clause}. {advice}" if apart else f"{clause}. {advice}"


def holder(held: Held) -> str:
    return "another recorder" if held.pid is None else f"the recorder with pid {held.pid}"


@contextlib.contextmanager
def told(path: str) -> Iterator[None]:
    """What fails in the directory `path` is NotWritten."""
    try:
        yield
    except Held as held:
        raise NotWritten(
            f"No snapshot was written to {path}: {holder(held)} writes there by now. "
            "Somebody removed its lock or put another directory there; end one of the two."
        ) from held
    except OSError as error:
        raise NotWritten(f"No snapshot was written to {path}: {reason(error, path)}") from error


def made(path: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same pieces; what making them raises is NotWritten."""
    try:
        yield from pieces
    except EbpftraceError as error:
        raise NotWritten(f"No snapshot was written to {path}: {error}") from error
    except Exception as error:
        # What is wrong with one snapshot must not end the watch: the next one may be right.
        log.debug("A snapshot could not be made.", exc_info=True)
        raise NotWritten(
            f"No snapshot was written to {path}: it could not be made "
            f"({type(error).__name__}: {error}). The next one is tried again; --debug says more."
        ) from error
