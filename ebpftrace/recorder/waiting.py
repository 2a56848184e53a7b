"""Waiting for whatever comes first: a picture, a signal, an alarm."""

import select
from typing import NamedTuple

from ebpftrace.model.picture import Picture
from ebpftrace.model.snapshot import Trigger
from ebpftrace.recorder.alarms import Alarms
from ebpftrace.recorder.arrivals import Arrivals
from ebpftrace.recorder.signals import Signals

_MOST_S = 3600.0


class Seen(NamedTuple):
    """What came; `stopped` is the signal that told to end."""

    picture: Picture | None = None
    fired: tuple[Trigger, ...] = ()
    stopped: str | None = None


class Waiting:
    """Takes no time of a processor until something comes."""

    def __init__(self, arrivals: Arrivals, signals: Signals, alarms: Alarms) -> None:
        self._arrivals = arrivals
        self._signals = signals
        self._alarms = alarms

    def wait(self, timeout: float) -> Seen:
        """For so many seconds at most. Raises what the source of the pictures raised."""
        poll = select.poll()
        poll.register(self._arrivals.descriptor, select.POLLIN)
        poll.register(self._signals.descriptor, select.POLLIN)
        for descriptor, events in self._alarms.descriptors.items():
            poll.register(descriptor, events)
        # Up to the next whole ms: less would be a round that finds nothing due.
        patience = int(1000 * min(max(timeout, 0.0), _MOST_S)) + 1
        ready = [number for number, _ in poll.poll(patience)]
        fired = self._alarms.at_event(ready)
        fired += self._signals.asked()
        return Seen(self._arrivals.newest(), tuple(fired), self._signals.stopped)
