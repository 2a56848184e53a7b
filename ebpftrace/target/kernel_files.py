"""Files that the kernel writes as they are read, of no size to go by."""

import os


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
