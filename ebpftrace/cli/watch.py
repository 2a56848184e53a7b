"""The loop of every headless view: take pictures from a source until somebody says stop."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

from ebpftrace.cli.saying import told
from ebpftrace.model.picture import Picture
from ebpftrace.model.source import PictureSource

_LOOK_S = 0.1  # a signal does not wake who waits for a picture; at 0.02 that takes 0.5 % of a core


class Stopping(Protocol):
    """Who knows whether the user wants an end."""

    @property
    def stopped(self) -> bool:
        """Told so by now?"""


class StopSignals:
    """Turns Ctrl-C, SIGTERM and hang-up into a flag, so that nothing is cut off half way.

    A hang-up that was ignored before (nohup) stays so.
    """

    def __init__(self) -> None:
        self.stopped = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._stop)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopped = True


@dataclass(frozen=True, slots=True)
class Limits:
    """When to end by ourselves; `duration` in seconds."""

    duration: float | None = None
    count: int | None = None


def guarded(write: Callable[[Picture], None]) -> Callable[[Picture], None]:
    """`write`, where what fails is as in `told`."""

    def attempt(picture: Picture) -> None:
        with told():
            write(picture)

    return attempt


def watch(
    source: PictureSource,
    write: Callable[[Picture], None],
    worth: Callable[[Picture], bool],
    limits: Limits,
    signals: Stopping,
) -> bool:
    """Write pictures that are `worth` it until a limit, a signal or the last target's end.

    Returns whether the source ended by itself; its final picture is not written here.
    """
    seen: Picture | None = None
    written = 0
    ends = None if limits.duration is None else time.monotonic() + limits.duration
    while not signals.stopped:
        if ends is not None and time.monotonic() >= ends:
            return False
        left = _LOOK_S if ends is None else max(0.0, min(_LOOK_S, ends - time.monotonic()))
        picture = source.after(seen, left)
        if picture is None:
            continue
        if picture.final:
            return True
        seen = picture
        if not worth(picture):
            continue
        written += 1
        if limits.count is not None and written >= limits.count:
            return False  # the final picture is the last of them
        write(picture)
    return False
