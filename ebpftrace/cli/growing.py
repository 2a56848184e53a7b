"""Files that grow while a watch lasts: what is in them so far is there whatever comes."""

import os
import stat
from io import FileIO

from ebpftrace.errors import UsageError


def growing(path: str, *, force: bool) -> FileIO:
    """A new file, or what is no regular file; one that exists is emptied with `force`. OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOCTTY | os.O_CLOEXEC
    if force or _is_no_file(path):
        flags = flags & ~os.O_EXCL | os.O_TRUNC
    return FileIO(os.open(path, flags, 0o666), "w")


def asked_for(path: str, *, force: bool) -> FileIO:
    """The same; UsageError."""
    try:
        return growing(path, force=force)
    except FileExistsError as error:
        raise UsageError(f"{path} is there already. Give --force to have it replaced.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{path} cannot be written: {reason}.") from error


def _is_no_file(path: str) -> bool:
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return False
