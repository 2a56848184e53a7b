"""A file that is read at any place, and what is said of one that cannot be."""

import os
import stat
import weakref

from ebpftrace.errors import UsageError
from ebpftrace.text import clean

GIVE = (
    "Give a snapshot, a stream, a directory that ebpftrace record writes to, or what "
    "ebpftrace attach --json wrote."
)


def opened(path: str) -> int:
    """A descriptor of a regular file. UsageError where it is none."""
    try:
        # Nobody could end the wait for who writes into a pipe.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{path} cannot be read: {reason}.") from error
    if stat.S_ISREG(os.fstat(number).st_mode):
        return number
    os.close(number)
    raise UsageError(f"{path} is no regular file. {GIVE}")


class File:
    """Open until `close`, or until nobody has it any more. Every failure is a UsageError."""

    def __init__(self, path: str) -> None:
        self.path = clean(path)
        """As it is said."""
        self._number = opened(path)
        self._closed = weakref.finalize(self, os.close, self._number)

    @property
    def size(self) -> int:
        """Bytes, at present."""
        return os.fstat(self._number).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Fewer at the end of the file."""
        parts = []
        while length:
            try:
                part = os.pread(self._number, length, offset)
            except OSError as error:
                raise UsageError(
                    f"{self.path} cannot be read at byte {offset}: {error.strerror or error}."
                ) from error
            if not part:
                break
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        self._closed()

    def cut(self, size: int) -> UsageError:
        return UsageError(
            f"{self.path} ends at byte {size}, before all of it was written or copied. "
            "Give a whole copy, or a snapshot before it."
        )

    def damaged(self, part: str, offset: int, reason: str) -> UsageError:
        return UsageError(
            f"{self.path} is damaged in its {part} at byte {offset}: {reason}. "
            "Give an undamaged copy, or a snapshot before it."
        )
