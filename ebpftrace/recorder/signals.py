"""What the recorder is told by signals; each wakes who waits for `descriptor`."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

from ebpftrace.model.snapshot import Trigger

_MOST_BYTES = 4096


class Signals:
    """SIGINT, SIGTERM and SIGHUP end it, SIGUSR1 asks for a snapshot; from the constructor on.

    A hang-up that was ignored before (nohup) stays so.
    """

    def __init__(self) -> None:
        self.stopped: str | None = None
        """The name of the signal that told to end."""
        self._asked = 0
        self._taken: list[signal.Signals] = []
        self.descriptor, self._wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._before = signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        self._take(signal.SIGINT, self._stop)
        self._take(signal.SIGTERM, self._stop)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            self._take(signal.SIGHUP, self._stop)
        self._take(signal.SIGUSR1, self._ask)

    def asked(self) -> list[Trigger]:
        """A trigger for each SIGUSR1 since the last call; ends the readiness of `descriptor`."""
        with suppress(BlockingIOError):
            os.read(self.descriptor, _MOST_BYTES)
        count, self._asked = self._asked, 0
        return [Trigger("asked", "asked for by SIGUSR1")] * count

    def close(self) -> None:
        """Wake nobody any more, and ignore the signals.

        The interpreter gives up handlers at its end, and what is ended by a signal then has not
        ended as asked.
        """
        for number in self._taken:
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(self._before)
        os.close(self._wake)
        os.close(self.descriptor)

    def _take(
        self, number: signal.Signals, handler: Callable[[int, FrameType | None], None]
    ) -> None:
        signal.signal(number, handler)
        self._taken.append(number)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        self.stopped = signal.Signals(number).name

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._asked += 1
