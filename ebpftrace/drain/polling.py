"""How often a picture is drawn: as was asked for, unless that takes more of a processor than it may."""

HEADLESS, WATCHED = 0.02, 0.15
"""Shares of a processor, also where somebody looks at a dashboard."""


class Polling:
    """`interval` seconds from one picture to the next, as was asked for.

    An interval of less than a second asks for so much more of a processor, and may have it.
    """

    def __init__(self, interval: float, share: float) -> None:
        self._interval = interval
        self._share = share * max(1.0, 1.0 / interval)
        self._before = self._last = 0.0

    def drew(self, cpu_s: float) -> None:
        """A picture took so many seconds of a processor."""
        self._before, self._last = self._last, cpu_s

    @property
    def every_s(self) -> float:
        """Seconds from one picture to the next, as the cheaper of the last two was: one may be dear."""
        return max(self._interval, min(self._before, self._last) / self._share)

    @property
    def slowed(self) -> bool:
        """Is that more than was asked for?"""
        return self.every_s > self._interval
