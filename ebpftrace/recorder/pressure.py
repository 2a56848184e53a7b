"""Alarms of memory pressure: tasks have waited for memory for so much of the time."""

import os
from pathlib import Path

from ebpftrace.model.picture import Picture
from ebpftrace.model.snapshot import Trigger
from ebpftrace.recorder.alarms import Alarm, Spent
from ebpftrace.recorder.levels import Level
from ebpftrace.target.pressure import average, listener


class Stall(Alarm):
    """By the kernel's own trigger (since 5.2), which looks ten times in a window of a second or two."""

    def __init__(self, file: Path, percent: float, where: str) -> None:
        """OSError where the kernel does not take it."""
        self.descriptor, window = listener(file, percent)
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
