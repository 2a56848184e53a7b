"""Processes that run another program now, until that one can be attached to."""

import logging
import time
from collections.abc import Callable

from ebpftrace.errors import CannotAttach, HostRefuses, TargetGone
from ebpftrace.model.ids import Pid

log = logging.getLogger(__name__)

WAIT_S = 2.0
"""In its first moment a program has mapped its loader and no library yet: none that allocates."""


class Following:
    """True as long as some are waited for."""

    def __init__(
        self, attach: Callable[[Pid], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`attach` raises CannotAttach."""
        self._attach = attach
        self._clock = clock
        self._until: dict[Pid, float] = {}

    def __bool__(self) -> bool:
        return bool(self._until)

    def add(self, pid: Pid) -> None:
        """Attach to what `pid` runs now, at once if that is possible."""
        self._until[pid] = self._clock() + WAIT_S
        self._try(pid)

    def tick(self) -> None:
        """Try the others again."""
        for pid in list(self._until):
            self._try(pid)

    def _try(self, pid: Pid) -> None:
        until = self._until.pop(pid)
        try:
            self._attach(pid)
        except CannotAttach as error:
            hopeless = isinstance(error, (HostRefuses, TargetGone)) or self._clock() >= until
            if hopeless:
                log.warning("Not traced after its exec: %s", error)
            else:
                self._until[pid] = until
