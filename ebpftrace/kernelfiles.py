"""Files that the kernel writes as they are read, of no size to go by, and the forms that many have."""

import os
import re

_SIZE = re.compile(r"^(\w+):\s+(\d{1,17}) kB$", re.MULTILINE)
_MOST_DIGITS = 20


def read_bytes(path: str, most: int) -> bytes | None:
    """At most `most` bytes; None where there is no such file (any more), or it may not be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    parts: list[bytes] = []
    try:
        while most > 0 and (part := os.read(fd, min(most, 1 << 20))):
            parts.append(part)
            most -= len(part)
    except OSError:
        return None
    finally:
        os.close(fd)
    return b"".join(parts)


def read(path: str, most: int) -> str | None:
    """The same as text, undecodable bytes as surrogates."""
    raw = read_bytes(path, most)
    return None if raw is None else raw.decode("utf-8", "surrogateescape")


def sizes(text: str) -> dict[str, int]:
    """Bytes of the `VmRSS:   12 kB` lines of /proc/meminfo, status and smaps_rollup."""
    return {name: int(size) << 10 for name, size in _SIZE.findall(text)}


def counters(text: str) -> dict[str, int]:
    """Of the `oom_kill 2` lines of vmstat and of control groups (Documentation: flat keyed)."""
    pairs = (line.split() for line in text.split("\n"))
    return {
        pair[0]: number
        for pair in pairs
        if len(pair) == 2 and (number := whole(pair[1])) is not None
    }


def whole(text: str) -> int | None:
    """The number that is all of it, but for white space."""
    word = text.strip()
    return int(word) if word.isdecimal() and len(word) <= _MOST_DIGITS else None
