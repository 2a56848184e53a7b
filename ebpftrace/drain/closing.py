"""When an epoch is over for good, so that its empty cohorts can be deleted."""

from collections import deque

from ebpftrace.model.epochs import epoch_at

GRACE_S = 10.0
"""An epoch is closed this long after its end: from then on no birth is given to it."""
SETTLING_S = 2.0
"""Deletion waits this long after closing: no program that read the old limit still runs then."""


class EpochCloser:
    """Says which epochs to close now, and which were closed long enough ago."""

    def __init__(self) -> None:
        self._closed: deque[tuple[float, int]] = deque()
        self._settled = 0

    def close(self, since_attach: float) -> tuple[int, int]:
        """(epochs before this one are closed from now on, those before this one are settled).

        The caller tells the kernel side the first before it deletes by the second.
        """
        open_from = epoch_at(since_attach - GRACE_S) if since_attach > GRACE_S else 0
        self._closed.append((since_attach, open_from))
        while self._closed and since_attach - self._closed[0][0] >= SETTLING_S:
            self._settled = self._closed.popleft()[1]
        return open_from, self._settled
