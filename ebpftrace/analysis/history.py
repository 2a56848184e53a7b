"""What has been seen of the totals over time, in a bounded number of points."""

from collections.abc import Iterable
from math import isfinite

from ebpftrace.model.picture import Picture, Point

MOST_POINTS = 400
# Kept ones; the one in the making and the latest come on top.
_MOST_KEPT = MOST_POINTS - 2


class History:
    """The totals of the pictures that were added, over all the time, the latest one included.

    When they become too many the resolution is halved: of two points the one with more tracked bytes
    stays, for a peak is what ends a process, and a chart that lost it would say that it never came.
    Later points are made of as many pictures, so that all are peaks of equal times.
    """

    def __init__(self, points: Iterable[Point] = ()) -> None:
        """Beginning with `points`, by time, as another history gave them."""
        self._begin()
        for point in points:
            self._add(point)

    def _begin(self) -> None:
        self._kept: list[Point] = []
        self._peak: Point | None = None
        self._latest: Point | None = None
        self._count = 0
        self._step = 1

    @property
    def points(self) -> tuple[Point, ...]:
        """At most MOST_POINTS, by time."""
        ends = [self._peak] if self._peak is not None else []
        if self._latest is not None and (not ends or ends[0].at < self._latest.at):
            ends.append(self._latest)
        return (*self._kept, *ends)

    def add(self, picture: Picture) -> None:
        """A picture of the latest one's time takes its place; one of an earlier time is left out."""
        self._add(Point(picture.since_attach_s, picture.totals.bytes, _resident(picture)))

    def forget(self) -> None:
        """Begin anew, as for another source."""
        self._begin()

    def _add(self, point: Point) -> None:
        at = point.at
        if not isfinite(at) or (self._latest is not None and at < self._latest.at):
            return
        again = self._latest is not None and at == self._latest.at
        self._latest = point
        if again:
            if self._peak is not None and self._peak.at == at:
                self._peak = point
            return
        self._take(point)

    def _take(self, point: Point) -> None:
        if self._count == self._step and self._peak is not None:
            self._kept.append(self._peak)
            self._peak, self._count = None, 0
            if len(self._kept) >= _MOST_KEPT:
                self._halve()
        self._peak = point if self._peak is None else _higher(self._peak, point)
        self._count += 1

    def _halve(self) -> None:
        pairs = zip(self._kept[::2], self._kept[1::2], strict=True)
        self._kept = [_higher(*pair) for pair in pairs]
        self._step *= 2


def _higher(earlier: Point, later: Point) -> Point:
    return earlier if earlier.tracked > later.tracked else later


def _resident(picture: Picture) -> int | None:
    known = [one.rss_bytes for one in picture.targets if one.rss_bytes is not None]
    return sum(known) if known else None
