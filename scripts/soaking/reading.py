"""What the tool has of this host, read again and again: memory, descriptors, threads, processor time."""

import contextlib
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

EVERY_S = 2.0
_SIZES = ("VmRSS", "RssAnon")


@dataclass(frozen=True, slots=True)
class Reading:
    """Of the tool and of every process below it, at `at_s` since the begin."""

    at_s: float
    rss_bytes: int
    own_bytes: int
    """Anonymous memory of the tool itself, which no cache of files bends."""
    descriptors: int
    threads: int
    processes: int


def read(pid: int, at_s: float) -> Reading:
    """Now. OSError where it has ended."""
    family = [pid, *_below(pid)]
    rss = own = descriptors = threads = 0
    for each in family:
        with contextlib.suppress(OSError):
            sizes = _sizes(each)
            rss += sizes["VmRSS"]
            own += sizes["RssAnon"] if each == pid else 0
            descriptors += len(list(Path(f"/proc/{each}/fd").iterdir()))
            threads += len(list(Path(f"/proc/{each}/task").iterdir()))
    return Reading(at_s, rss, own, descriptors, threads, len(family))


def _below(pid: int) -> list[int]:
    words: list[str] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            words += file.read_text().split()
    return [each for word in words for each in (int(word), *_below(int(word)))]


def _sizes(pid: int) -> dict[str, int]:
    fields = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {field[0][:-1]: int(field[1]) << 10 for field in fields if field[0][:-1] in _SIZES}


def cpu_s(pid: int) -> float:
    """Processor time of the tool and of what it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / 100


class Readings:
    """Takes them on a thread until `stop`."""

    def __init__(self, pid: int) -> None:
        self.taken: list[Reading] = []
        self._pid = pid
        self._began = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_S):
            with contextlib.suppress(OSError):
                self.taken.append(read(self._pid, time.monotonic() - self._began))

    def stop(self) -> list[Reading]:
        """All of them."""
        self._stopping.set()
        self._thread.join()
        return self.taken


def quarters(values: Sequence[float]) -> list[float]:
    """The median of each quarter of the time."""
    size = max(len(values) // 4, 1)
    parts = [values[i * size : (i + 1) * size if i < 3 else None] for i in range(4)]
    return [statistics.median(part) for part in parts if part]
