"""How often targets meet page faults, as the kernel counts them whether they are watched or not."""

import time
from collections.abc import Iterable

from ebpftrace.session.traced import Traced


class FaultRate:
    """Over the time from one reading to the next."""

    def __init__(self) -> None:
        self._at = 0.0
        self._faults: dict[Traced, int] = {}

    def per_s(self, living: Iterable[Traced]) -> float:
        """Of all of them; those that are new come in with the next reading."""
        now, before, at = time.monotonic(), self._faults, self._at
        counts = {traced: traced.process.page_faults() for traced in living}
        self._faults = {traced: count for traced, count in counts.items() if count is not None}
        self._at = now
        new = sum(
            max(0, count - before[traced])
            for traced, count in self._faults.items()
            if traced in before
        )
        return new / max(now - at, 1e-9)
