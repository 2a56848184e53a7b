"""Processes that are to be attached to as soon as that can be, in a bounded part of the time.

One takes about 20 ms. A server that comes with all its workers is attached to at once; a storm of
children may take BURST_S and then SHARE of the time, and who ends before its turn is counted. So the
poller keeps its interval whatever is forked off.
"""

import heapq
import itertools
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from ebpftrace.errors import CannotAttach, HostRefuses, TargetGone
from ebpftrace.model.ids import Pid

log = logging.getLogger(__name__)

WAIT_S = 2.0
"""In its first moment a program has mapped its loader and no library yet: none that allocates."""
GRACE_S = 0.01
"""That a child has between its fork and an exec: what a shell forks off is not worth attaching to twice."""
BURST_S, SHARE = 4.0, 0.1
_TICK_S = 0.1  # in one call; then the events are read
_LEAST_S, _MOST_S = 0.005, 0.64  # between two tries
_MOST_SAID = 20  # different reasons
_NUMBER = re.compile(r"\d+")


@dataclass(slots=True)
class Arrival:
    """`since`: when it began, by the monotonic clock. `fresh`: when it got the program that it runs.

    `checked`: is it known to be wanted, whatever its name and its groups are?
    """

    pid: Pid
    since: float
    fresh: float
    checked: bool = True
    gap: float = _LEAST_S
    turn: int = 0


class Arrivals:
    """True as long as some are waited for. `missed`: ended before they could be attached to."""

    def __init__(
        self, attach: Callable[[Arrival], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`attach` raises CannotAttach."""
        self._attach = attach
        self._clock = clock
        self._waiting: dict[Pid, Arrival] = {}
        self._turns: list[tuple[float, int, Pid]] = []
        self._number = itertools.count(1)
        self._credit, self._credited = BURST_S, clock()
        self._said: set[str] = set()
        self.missed = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __contains__(self, pid: Pid) -> bool:
        return pid in self._waiting

    def add(self, arrival: Arrival, *, in_s: float | None = 0.0) -> None:
        """Attach to it in so many seconds, at once if that is possible; None: not before its `exec`."""
        self._waiting[arrival.pid] = arrival
        if in_s is not None:
            self._put(arrival, self._clock() + in_s)

    def exec(self, pid: Pid, since: float) -> bool:
        """It runs another program since then, and is waited for anew. False if it is not waited for."""
        arrival = self._waiting.get(pid)
        if arrival is None:
            return False
        arrival.fresh, arrival.gap = since, _LEAST_S
        self._put(arrival, self._clock())
        return True

    def ended(self, pid: Pid) -> None:
        """The kernel says that it has ended."""
        arrival = self._waiting.pop(pid, None)
        if arrival is not None and arrival.turn:  # else it had nothing of its own
            self.missed += 1

    def tick(self) -> None:
        """Attach to those whose turn it is, as many as there is time for."""
        began = now = self._clock()
        self._credit = min(BURST_S, self._credit + SHARE * (now - self._credited))
        self._credited = now
        while self._turns and self._turns[0][0] <= now:
            if self._credit <= 0 or now - began >= _TICK_S:
                return
            _, turn, pid = heapq.heappop(self._turns)
            arrival = self._waiting.get(pid)
            if arrival is None or arrival.turn != turn:
                continue
            self._try(arrival)
            took, now = self._clock() - now, self._clock()
            self._credit -= took

    def due_in(self) -> float:
        """Seconds until `tick` may have something to do."""
        if not self._turns:
            return float("inf")
        short = max(0.0, -self._credit / SHARE)
        return max(self._turns[0][0] - self._clock(), short, 0.0)

    def _put(self, arrival: Arrival, due: float) -> None:
        arrival.turn = next(self._number)
        heapq.heappush(self._turns, (due, arrival.turn, arrival.pid))

    def _try(self, arrival: Arrival) -> None:
        now = self._clock()
        del self._waiting[arrival.pid]
        try:
            self._attach(arrival)
        except TargetGone:
            self.missed += 1
        except CannotAttach as error:
            if isinstance(error, HostRefuses) or now >= arrival.fresh + WAIT_S:
                self._refused(str(error))
                return
            self._waiting[arrival.pid] = arrival
            self._put(arrival, now + arrival.gap)
            arrival.gap = min(2 * arrival.gap, _MOST_S)

    def know(self, why: str) -> None:
        """The user has been told that."""
        self._said.add(_NUMBER.sub("", why))

    def _refused(self, why: str) -> None:
        """Say why one is not traced: the same of another process only once."""
        kind = _NUMBER.sub("", why)
        if kind in self._said:
            log.info("not traced: %s", why)
        elif len(self._said) < _MOST_SAID:
            self._said.add(kind)
            log.warning("Not traced: %s", why)
