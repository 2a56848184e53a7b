"""The lines around a call for whoever looks at them, by the same rules as `source_text`."""

import os
import stat
from collections.abc import Collection

from ebpftrace.model.picture import SourceLines
from ebpftrace.symbols.source_text import read_source
from ebpftrace.target.root import Opener
from ebpftrace.text import clean

MOST_AROUND = 100_000
"""A file of four megabytes may be as many empty lines."""
_MOST_TEXT = 480


def source_lines(
    opener: Opener, users: Collection[int], path: str, number: int, around: int
) -> SourceLines | None:
    """Lines `number - around` to `number + around` of the file at `path`, as far as it has them.

    Up to 100,000 before and after, each up to 480 characters; None where that file may not be shown,
    or has no line `number`. It is read anew each time. Any thread may ask.
    """
    if not path.startswith("/") or number < 1:
        return None
    try:
        content, status = read_source(opener, users, path)
    except (OSError, ValueError):  # ValueError: a path with a NUL
        return None
    lines = content.removesuffix(b"\n").split(b"\n")
    if number > len(lines):
        return None
    around = min(max(0, around), MOST_AROUND)
    first = max(1, number - around)
    shown = tuple(map(_shown, lines[first - 1 : number + around]))
    return SourceLines(path, first, shown, path if _is_here(path, status) else None)


def _shown(line: bytes) -> str:
    return clean(line[: 4 * _MOST_TEXT].rstrip().expandtabs(4))[:_MOST_TEXT]


def _is_here(path: str, status: os.stat_result) -> bool:
    """Is that path the same file in the file tree of this process?"""
    try:
        found = os.stat(path)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and os.path.samestat(found, status)
