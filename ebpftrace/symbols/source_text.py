"""The text of source files, as they are in the target's own file tree, and of single lines of it.

Their paths are what the target's debug information says: nothing is shown but a file that its user, or
anybody, may read, so that no picture shows what only root may see.
"""

import ctypes
import os
import stat
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress

from ebpftrace.target.root import Opener
from ebpftrace.text import clean

_MOST_BYTES = 4 << 20
_MOST_HELD = 32 << 20
_LINE_BYTES = 48  # that a line takes beside its text
_MOST_TEXT = 240
_READABLE_BY_ALL = 0o004


class SourceText:
    """For one file tree. For one thread."""

    def __init__(self, opener: Opener, users: Collection[int]) -> None:
        """`users`: whose files may be shown although not everybody may read them."""
        self._opener = opener
        self._users = users
        self._files: OrderedDict[str, list[bytes]] = OrderedDict()
        self._held = 0

    def line(self, path: str | None, number: int | None) -> str | None:
        """Line `number`, from 1, without its indentation, at most 240 characters; None without it."""
        if path is None or number is None or not path.startswith("/"):
            return None
        lines = self._lines(path)
        if not 0 < number <= len(lines):
            return None
        text = lines[number - 1][: 4 * _MOST_TEXT].strip().expandtabs(4)
        return clean(text)[:_MOST_TEXT] or None

    def _lines(self, path: str) -> list[bytes]:
        if path in self._files:
            self._files.move_to_end(path)
            return self._files[path]
        try:
            lines = read_source(self._opener, self._users, path)[0].split(b"\n")
        except (OSError, ValueError):  # ValueError: a path with a NUL
            lines = []
        self._files[path] = lines
        self._held += _weight(path, lines)
        while self._held > _MOST_HELD and len(self._files) > 1:
            self._held -= _weight(*self._files.popitem(last=False))
        return lines


def read_source(opener: Opener, users: Collection[int], path: str) -> tuple[bytes, os.stat_result]:
    """What is in the file at `path`, if it may be shown to those who see the pictures; which it is.

    OSError; ValueError for a path that is none. Any thread may ask.
    """
    fd = _open(opener, users, path)
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        shown = status.st_mode & _READABLE_BY_ALL or status.st_uid in users
        if not stat.S_ISREG(status.st_mode) or not shown or status.st_size > _MOST_BYTES:
            raise PermissionError(path)
        return file.read(status.st_size), status


def _open(opener: Opener, users: Collection[int], path: str) -> int:
    """With the rights of its user: a file that all may read may be in a directory of root's."""
    if os.geteuid() != 0 or 0 in users:
        return opener(path)
    for user in users:
        with suppress(OSError), _acting_as(user):
            return opener(path)
    raise FileNotFoundError(path)


@contextmanager
def _acting_as(user: int) -> Iterator[None]:
    """In file systems, this thread only: setfsuid(2) takes the capabilities for files along."""
    libc = ctypes.CDLL(None)
    libc.setfsuid(ctypes.c_uint(user))
    try:
        yield
    finally:
        libc.setfsuid(0)


def _weight(path: str, lines: Sequence[bytes]) -> int:
    return len(path) + sum(map(len, lines)) + _LINE_BYTES * (len(lines) + 1)
