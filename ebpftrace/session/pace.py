"""How often something is done that takes time."""

import time
from collections.abc import Callable


class Pace:
    """At most every `gap_s`, and for at most a `share` of the time, as that is when it was done."""

    def __init__(
        self, gap_s: float, share: Callable[[], float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._gap = gap_s
        self._share = share
        self._clock = clock
        self._due = float("-inf")

    def due(self) -> bool:
        return self._clock() >= self._due

    def begin(self) -> Callable[[], None]:
        """It is done now; call what is returned when it has been."""
        began = self._clock()
        self._due = began + self._gap

        def end() -> None:
            took = self._clock() - began
            self._due = began + max(self._gap, took / self._share())

        return end
