"""Which files of a recorder have to go, and how old they are whatever the clock says."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ebpftrace.snapshot.storage.place import KeptFile


@dataclass(frozen=True, slots=True)
class Keep:
    """How much stays in a directory: files, bytes, seconds; None is no bound."""

    count: int | None = None
    bytes: int | None = None
    age_s: float | None = None


class Clock(NamedTuple):
    """Seconds since 1970, which may jump, and since boot, sleep included."""

    wall: Callable[[], float] = time.time
    boot: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME)


class Ages:
    """A file is as old as the time since boot says from when this run wrote or first saw it.

    What an older one had before the start is by its name and the clock of that moment, a stream's
    by its last record. So no jump of the clock makes a file old.
    """

    def __init__(self, clock: Clock) -> None:
        self._boot = clock.boot
        self._ahead = clock.wall() - clock.boot()
        self._written: dict[str, float] = {}
        self._seen: dict[str, float] = {}

    def wrote(self, name: str) -> None:
        """Wholly, or a record at its end."""
        self._written[name] = self._boot()

    def of(self, files: Sequence[KeptFile]) -> list[float]:
        """Seconds. `files` are all there are."""
        now = self._boot()
        there = {file.named.name for file in files}
        self._written = {name: at for name, at in self._written.items() if name in there}
        self._seen = {name: self._seen.get(name, now) for name in there}
        return [self._age(file, now) for file in files]

    def _age(self, file: KeptFile, now: float) -> float:
        name = file.named.name
        if name in self._written:
            return now - self._written[name]
        last = file.named.stamp / 1000
        if file.named.stream:
            last = max(last, file.changed)
        return max(now + self._ahead - last, now - self._seen[name])


def too_much(
    files: Sequence[KeptFile], ages: Sequence[float], keep: Keep, spared: Collection[str]
) -> Iterator[str]:
    """Names from the oldest on, as `files` are; the `spared` count, and stay."""
    count = len(files)
    held = sum(file.bytes for file in files)
    for file, age in zip(files, ages, strict=True):
        if file.named.name in spared:
            continue
        if (
            (keep.count is not None and count > keep.count)
            or (keep.bytes is not None and held > keep.bytes)
            or (keep.age_s is not None and age > keep.age_s)
        ):
            count -= 1
            held -= file.bytes
            yield file.named.name
