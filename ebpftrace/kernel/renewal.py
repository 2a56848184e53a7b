"""Freeing the children that a target has forked off of the breakpoints that links leave in them."""

import errno
import logging
import time
from collections.abc import Callable, Sequence

from ebpftrace.kernel.backends import Placement
from ebpftrace.kernel.worker import LIMIT_S, Channel
from ebpftrace.model.ids import Pid

log = logging.getLogger(__name__)


class Renewal:
    """One after another, for one target; nothing here waits for the kernel.

    It has a conversation of its own: at a process that is stuck it hangs, before it places anything,
    and what removes the probes must not hang behind it. CannotAttach everywhere where the worker is
    gone.
    """

    def __init__(
        self, connect: Callable[[], Channel], placed: Sequence[Placement], process: Pid
    ) -> None:
        self._connect = connect
        self._channel: Channel | None = None
        self._placed: list[Placement] = []
        self.extend(placed)
        self._process = process
        self._owed = 0
        self._began = self._took = 0.0
        self._told = False

    def extend(self, placed: Sequence[Placement]) -> None:
        """Renew these, too, from the next one on."""
        self._placed += [placement for placement in placed if not placement.returns]

    def begin(self) -> None:
        """Start one; the one before has been `over`."""
        self._channel = self._channel or self._connect()
        self._began, self._took, self._told = time.monotonic(), 0.0, False
        for placement in self._placed:
            request = {"do": "renew", "offsets": placement.offsets, "process": self._process}
            self._channel.say(request, [placement.file])
            self._owed += 1

    @property
    def going_on(self) -> bool:
        """Is there one that has not been found `over`?"""
        return self._owed > 0

    def over(self) -> float | None:
        """The seconds that it took, once; None while it goes on, and where there is none.

        That it failed is only logged.
        """
        if self._channel is None or not self._owed:
            return None
        while self._owed and self._channel.answered():
            answer = self._channel.hear(LIMIT_S)
            self._owed -= 1
            self._took += answer.get("took_s", 0.0)
            if answer["errno"]:
                log.info("breakpoints not renewed: %s", errno.errorcode.get(answer["errno"]))
        if not self._owed:
            return self._took
        if time.monotonic() - self._began > LIMIT_S and not self._told:
            self._told = True
            log.warning(
                "Children that pid %d forks off stay slow: a process of this host is stuck in the "
                "kernel, and freeing them of breakpoints would wait for it.",
                self._process,
            )
        return None

    def close(self) -> None:
        """No more of them."""
        if self._channel is not None:
            self._channel.close()
