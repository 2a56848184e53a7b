"""A file that grows by records, and holds only whole ones while no disk or power fails."""

import contextlib
import os

from ebpftrace.snapshot.storage import whole


class StreamFile:
    """`name` in the directory that `folder` has open, which already holds its head.

    `begun` is the CLOCK_BOOTTIME at which that was written, `size` in bytes.
    """

    def __init__(self, folder: int, name: str, begun: float) -> None:
        self.name = name
        self.begun = begun
        flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        self._fd = os.open(name, flags, dir_fd=folder)
        self.size = os.fstat(self._fd).st_size

    def intact(self, folder: int) -> bool:
        """Whether it still has its name, and nobody else wrote to it or cut it."""
        try:
            found = os.stat(self.name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        ours = os.fstat(self._fd)
        return os.path.samestat(found, ours) and ours.st_size == self.size

    def append(self, record: bytes) -> None:
        """One record, on disk when this returns. OSError: as before it, unless that fails too."""
        try:
            whole.write_all(self._fd, record)
            os.fdatasync(self._fd)
        except BaseException:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self.size)
                os.fdatasync(self._fd)
            raise
        self.size += len(record)

    def close(self) -> None:
        os.close(self._fd)
