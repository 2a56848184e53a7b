"""Memory pressure: how much of the time tasks waited for memory (Documentation/accounting/psi.rst)."""

import os
import re
from pathlib import Path

HOST = Path("/proc/pressure/memory")
_WINDOWS_S = (1, 2)
"""What is asked for, and what those without CAP_SYS_RESOURCE are allowed (d82caa273565)."""
_MOST_BYTES = 4096
_AVERAGE = re.compile(r"some avg10=(\d{1,3}\.\d{1,2}) ", re.ASCII)


def file_of(group: Path | None) -> Path:
    """That of a group of version 2, where it has one, else that of the host."""
    own = group / "memory.pressure" if group is not None else None
    return own if own is not None and own.exists() else HOST


def average(file: Path) -> float:
    """Percent of the last ten seconds in which some task waited. OSError."""
    with file.open("rb") as opened:
        match = _AVERAGE.match(opened.read(_MOST_BYTES).decode(errors="replace"))
    if match is None:
        raise OSError(0, "it holds no averages")
    return float(match[1])


def listener(file: Path, percent: float) -> tuple[int, int]:
    """A descriptor that has POLLPRI when it is passed, and the seconds of the window."""
    descriptor = os.open(file, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        for window in _WINDOWS_S:
            try:
                os.write(descriptor, b"some %d %d\n" % (percent * window * 10_000, window * 10**6))
            except OSError:
                if window == _WINDOWS_S[-1]:
                    raise
            else:
                return descriptor, window
        raise AssertionError
    except BaseException:
        os.close(descriptor)
        raise
