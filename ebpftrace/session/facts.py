"""What is known of all traced processes besides their allocations, for whoever asks.

Owns that it is read on the poller's thread: before each picture where that is wanted, else when
somebody asks. Leaves one process to `known`.
"""

import threading
import time
from collections.abc import Callable

from ebpftrace.model.snapshot import ProcessFacts
from ebpftrace.session.known import Known
from ebpftrace.session.traced import Traced

ANSWER_S = 1.0
"""So long who asks waits: the poller's thread listens for 50 ms at a time, or draws."""

SHARE = 0.004
"""So much of the time is for reading before pictures, of all processes together, and as much for
their smaps_rollup. 200 that were read before each picture took 4 % of a processor at the usual interval."""


class Facts:
    """`newest` is for any thread, all else for the poller's."""

    def __init__(
        self, since_attach: Callable[[], float], *, always: bool, environment: bool
    ) -> None:
        """`always`: read before pictures, each process in its turn where there are many, so that
        the last figures before an end are kept.
        """
        self._since_attach = since_attach
        self._always = always
        self._environment = environment
        self._known: list[Known] = []
        self._turn = threading.Condition()
        self._asked = self._answered = 0
        self._over = False

    def add(self, traced: Traced) -> None:
        """A target, which is attached to just now."""
        self._known.append(Known(traced, self._share, environment=self._environment))

    def remove(self, traced: Traced) -> None:
        """It is no longer a target."""
        self._known = [known for known in self._known if not known.is_of(traced)]

    def _share(self) -> float:
        """Of one process that lives."""
        return SHARE / max(1, sum(known.lives for known in self._known))

    def before_picture(self, *, final: bool) -> None:
        """Read them where that is wanted; `final`: for the last time."""
        if self._always:
            self._look(fresh=final)
        if final:
            with self._turn:
                self._over = True
                self._turn.notify_all()

    def on_idle(self) -> None:
        """Answer who waits."""
        asked = self._asked
        if asked == self._answered:
            return
        self._look(fresh=True)
        with self._turn:
            self._answered = asked
            self._turn.notify_all()

    def _look(self, *, fresh: bool) -> None:
        for known in self._known:
            known.look(self._since_attach, fresh=fresh)

    def newest(self) -> tuple[ProcessFacts, ...]:
        """In the order of the targets: as they are now, or after ANSWER_S as they were last seen."""
        end = time.monotonic() + ANSWER_S
        with self._turn:
            self._asked += 1
            mine = self._asked
            self._turn.wait_for(lambda: self._over or self._answered >= mine, ANSWER_S)
        known = list(self._known)
        for one in known:
            one.wait(max(0.0, end - time.monotonic()))
        return tuple(one.facts() for one in known)
