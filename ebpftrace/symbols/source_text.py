"""The text of single lines of source files, as they are in the target's own file tree.

Their paths are what the target's debug information says: nothing is shown but a file that its user, or
anybody, may read, so that no picture shows what only root may see.
"""

import os
import stat
from collections import OrderedDict
from collections.abc import Callable, Collection

from ebpftrace.text import clean

_MOST_BYTES = 4 << 20
_MOST_FILES = 64
_MOST_TEXT = 240
_READABLE_BY_ALL = 0o004

Opener = Callable[[str], int]
"""From a path in the target's file tree to a descriptor of a regular file. OSError."""


class SourceText:
    """For one file tree. For one thread."""

    def __init__(self, opener: Opener, users: Collection[int]) -> None:
        """`users`: whose files may be shown although not everybody may read them."""
        self._opener = opener
        self._users = users
        self._files: OrderedDict[str, list[bytes]] = OrderedDict()

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
            lines = self._read(path)
        except (OSError, ValueError):  # ValueError: a path with a NUL
            lines = []
        self._files[path] = lines
        if len(self._files) > _MOST_FILES:
            self._files.popitem(last=False)
        return lines

    def _read(self, path: str) -> list[bytes]:
        fd = self._opener(path)
        with os.fdopen(fd, "rb") as file:
            status = os.fstat(fd)
            shown = status.st_mode & _READABLE_BY_ALL or status.st_uid in self._users
            if not stat.S_ISREG(status.st_mode) or not shown or status.st_size > _MOST_BYTES:
                return []
            return file.read(_MOST_BYTES).split(b"\n")
