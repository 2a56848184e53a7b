"""What the targets may use of a processor: who may use less than one has so much less to give."""

import logging
import time
from collections.abc import Iterable

from ebpftrace.session.governing import Governor
from ebpftrace.session.traced import Traced
from ebpftrace.target.cpu_group import cpu_limit

log = logging.getLogger(__name__)

_EVERY_S = 5.0


class Limits:
    """By the limits of their control groups, looked at every 5 s."""

    def __init__(self) -> None:
        self._due = 0.0
        self._share = 1.0

    def look(
        self, governor: Governor, budget_percent: float | None, living: Iterable[Traced]
    ) -> None:
        """Tell `governor` what is left of the budget."""
        if budget_percent is None or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _EVERY_S
        limits = [
            limit for traced in living if (limit := cpu_limit(traced.process.pid)) is not None
        ]
        share = min(1.0, *limits) if limits else 1.0
        if share != self._share:
            log.info(
                "the budget is %.2g %% of a CPU: the targets may use %.2g",
                budget_percent * share,
                share,
            )
        self._share, governor.budget = share, budget_percent * share
