"""Out of memory in a memory control group of version 1 (Documentation/admin-guide/cgroup-v1/memory.rst)."""

import os
import select
from pathlib import Path

from ebpftrace.kernelfiles import counters
from ebpftrace.model.picture import Picture
from ebpftrace.model.snapshot import Trigger
from ebpftrace.recorder.alarms import Alarm, Spent

CONTROL = "memory.oom_control"
_MOST_BYTES = 4096


class OutOfMemory(Alarm):
    """Told by the kernel before it kills; also of limits further up, for those reach all below them."""

    events = select.POLLIN

    def __init__(self, directory: Path, name: str) -> None:
        """OSError where the kernel does not take it."""
        super().__init__(f"memory group {name} runs out of memory")
        self._file, self._name = directory / CONTROL, name
        self.descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            with self._file.open("rb") as control:
                register(directory, self.descriptor, control.fileno())
        except BaseException:
            self.close()
            raise

    def at_event(self) -> Trigger | None:
        assert self.descriptor is not None
        try:
            os.eventfd_read(self.descriptor)
        except BlockingIOError:
            return None
        if not self._file.exists():  # the removal of a group is an event, too
            raise Spent("the group was removed")
        return Trigger("oom", f"memory group {self._name} ran out of memory")

    def close(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)
        self.descriptor = None


def register(directory: Path, event: int, control: int) -> None:
    """Let the kernel signal the eventfd `event` for the open file `control`. OSError."""
    opened = os.open(directory / "cgroup.event_control", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(opened, f"{event} {control}".encode())
    finally:
        os.close(opened)


class Kills(Alarm):
    """Where that is not possible: by the number of processes killed (since 4.13), at each picture."""

    def __init__(self, directory: Path, name: str) -> None:
        """OSError where it cannot be read."""
        super().__init__(f"the kernel has killed a process of memory group {name} for its memory")
        self._file, self._name = directory / CONTROL, name
        killed = _killed(self._file)
        if killed is None:
            raise OSError(0, f"{self._file} does not count")
        self._killed = killed

    def at_picture(self, _picture: Picture) -> Trigger | None:
        try:
            now = _killed(self._file)
        except OSError as error:
            raise Spent(f"{self._file} cannot be read: {error.strerror}") from error
        if now is None:
            return None
        before, self._killed = self._killed, now
        if now <= before:
            return None
        return Trigger("oom", f"memory group {self._name} was out of memory: {now - before} killed")


def _killed(control: Path) -> int | None:
    """OSError where it cannot be read; None where it does not count."""
    with control.open("rb") as opened:
        return counters(opened.read(_MOST_BYTES).decode(errors="replace")).get("oom_kill")
