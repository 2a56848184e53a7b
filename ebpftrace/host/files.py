"""Reading the small files of /proc and /sys that a fact stands in."""

from pathlib import Path

_MOST = 64 << 10


def read(path: str | Path) -> str | None:
    """The text of `path`, 64 KiB at most, without the white space around it; None if unreadable."""
    try:
        with Path(path).open("rb") as file:
            return file.read(_MOST).decode(errors="replace").strip()
    except OSError:
        return None


def read_number(path: str | Path) -> int | None:
    """The number that `path` holds."""
    try:
        return int(read(path) or "")
    except ValueError:
        return None


def inode(path: str | Path) -> int | None:
    """The inode number of what `path` leads to: namespaces are told apart by it."""
    try:
        return Path(path).stat().st_ino
    except OSError:
        return None
