"""Signals that are meant for the program that we run, not for us: we are to outlive it."""

import os
import signal
from collections.abc import Callable
from types import FrameType

_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
_OTHERS = (signal.SIGTERM, signal.SIGHUP)


class Forwarding:
    """Hands them on. `stopped`: we were told to end, a second time, and it had not; by `number`.

    Ctrl-C goes to all of the terminal's foreground group, so the program has it by itself.
    """

    def __init__(self, send: Callable[[int], None]) -> None:
        self.stopped = False
        self.number = 0
        self._send = send
        for number in (*_TERMINAL, *_OTHERS):
            signal.signal(number, self._hand_on)

    def _hand_on(self, number: int, _frame: FrameType | None) -> None:
        if number in _TERMINAL and _in_foreground():
            return
        if self.number in _OTHERS and number in _OTHERS:
            self.stopped = True
        self.number = number
        self._send(number)


def _in_foreground() -> bool:
    try:
        fd = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(fd)
