"""Opening a file of a target's choosing without acting on what it may be instead of a file."""

import os
import stat


class NotRegular(OSError):
    """What is there is no regular file; opening it could do something."""


def open_regular(path: str) -> int:
    """A descriptor for reading. OSError, NotRegular."""
    return reopen(os.open(path, os.O_PATH | os.O_CLOEXEC))


def reopen(handle: int) -> int:
    """A descriptor for reading in place of `handle`, an O_PATH one, which is closed. OSError.

    O_PATH first, as opening a device or a FIFO acts on it. O_NONBLOCK, as whoever holds a lease on
    the file keeps others waiting for 45 s (fcntl(2), F_SETLEASE); to regular files it is nothing.
    """
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise NotRegular("it is a device, not a regular file")
        return os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    finally:
        os.close(handle)
