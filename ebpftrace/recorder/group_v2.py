"""memory.events of a control group of version 2 (Documentation/admin-guide/cgroup-v2.rst)."""

import os
from pathlib import Path

from ebpftrace.kernelfiles import counters
from ebpftrace.model.snapshot import Trigger
from ebpftrace.recorder.alarms import Alarm, Spent

_MOST_BYTES = 4096
_MOST_ABOVE = 32
_WORDS = {
    "oom": "out of memory {}",
    "oom_kill": "{} killed for memory",
    "oom_group_kill": "the whole group killed {}",
    "high": "above memory.high {}",
}


def event_files(group: Path) -> list[Path]:
    """Those that tell what limits do to the processes of `group`.

    All of its own, with what is below it; of those above it only what their own limits do (since
    5.2), not what befalls its siblings. None for the root, which has no limits.
    """
    above = [parent / "memory.events.local" for parent in group.parents][:_MOST_ABOVE]
    return [file for file in (group / "memory.events", *above) if file.exists()]


class MemoryEvents(Alarm):
    """The kernel tells at most a hundred times a second (CGROUP_FILE_NOTIFY_MIN_INTV)."""

    def __init__(self, file: Path, name: str) -> None:
        """OSError where it cannot be read."""
        super().__init__(f"memory group {name} is above memory.high or out of memory")
        self._name = name
        self.descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._counts = self._read(self.descriptor)
        except BaseException:
            self.close()
            raise

    def at_event(self) -> Trigger | None:
        assert self.descriptor is not None
        try:
            now = self._read(self.descriptor)
        except OSError as error:  # ENODEV of a group that was removed, ready for ever
            raise Spent(f"its memory.events cannot be read: {error.strerror}") from error
        more = {name: now.get(name, 0) - self._counts.get(name, 0) for name in _WORDS}
        self._counts = now
        said = [_WORDS[name].format(_times(name, n)) for name, n in more.items() if n > 0]
        if not said:  # low and max: reclaim at a limit, a cache's daily bread
            return None
        kind = "high" if all(more[name] <= 0 for name in _WORDS if name != "high") else "oom"
        return Trigger(kind, f"memory group {self._name}: {', '.join(said)}")

    def close(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)
        self.descriptor = None

    @staticmethod
    def _read(descriptor: int) -> dict[str, int]:
        """From its start, which also lets it be ready again at the next change only."""
        return counters(os.pread(descriptor, _MOST_BYTES, 0).decode(errors="replace"))


def _times(name: str, count: int) -> str:
    if name == "oom_kill":
        return f"{count} process{'' if count == 1 else 'es'}"
    return "once" if count == 1 else f"{count} times"
