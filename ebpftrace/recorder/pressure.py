"""Memory pressure: how much of the time tasks waited for memory (Documentation/accounting/psi.rst)."""

import os
import re
from pathlib import Path

from ebpftrace.model.picture import Picture
from ebpftrace.model.snapshot import Trigger
from ebpftrace.recorder.alarms import Alarm, Spent
from ebpftrace.recorder.levels import Level

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


class Stall(Alarm):
    """By the kernel's own trigger (since 5.2), which looks ten times in a window of a second or two."""

    def __init__(self, file: Path, percent: float, where: str) -> None:
        """OSError where the kernel does not take it."""
        self.descriptor, window = _listener(file, percent)
        self._file = file
        self._waited = f"for memory for {percent:g} % of {window} s"
        self._where = f"tasks of {where}"
        super().__init__(f"{self._where} wait {self._waited}")

    def at_event(self) -> Trigger | None:
        # That of a group that was removed is ready for ever.
        now = _average_or_spent(self._file)
        return Trigger(
            "pressure", f"{self._where} waited {self._waited}, {now:g} % of the last 10 s"
        )

    def close(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)
        self.descriptor = None


def _listener(file: Path, percent: float) -> tuple[int, int]:
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


class Average(Alarm):
    """Where the kernel takes no trigger: by its average of ten seconds, at each picture."""

    def __init__(self, file: Path, percent: float, where: str) -> None:
        """OSError where it cannot be read."""
        average(file)
        super().__init__(f"tasks of {where} wait for memory for {percent:g} % of 10 s")
        self._file, self._where = file, where
        self._level = Level(percent)

    def at_picture(self, _picture: Picture) -> Trigger | None:
        now = _average_or_spent(self._file)
        if not self._level.passed(now):
            return None
        return Trigger(
            "pressure", f"tasks of {self._where} waited for memory for {now:g} % of 10 s"
        )


def _average_or_spent(file: Path) -> float:
    try:
        return average(file)
    except OSError as error:
        raise Spent(f"{file} cannot be read: {error.strerror}") from error
