"""What was before the picture that is shown: its watch, the totals until then, when it was taken."""

from collections.abc import Callable
from datetime import datetime, timezone

from ebpftrace.analysis import wording
from ebpftrace.analysis.history import History
from ebpftrace.model.picture import Picture, Point
from ebpftrace.tui.options import Recorded


class Past:
    """Of live pictures, and of those that `recorded` knows more of.

    What goes back in time, or is of another watch, begins anew.
    """

    def __init__(self, recorded: Callable[[Picture], Recorded | None]) -> None:
        self.known: Recorded | None = None
        """Of the picture that was asked about last."""
        self._recorded = recorded
        self._shown: tuple[str, float] | None = None
        self._latest: tuple[str, float] | None = None
        self._before = self._history = History()

    def add(self, picture: Picture) -> None:
        """The newest one."""
        known = self._recorded(picture)
        now = known.watch if known is not None else picture.watch, picture.since_attach_s
        if _is_anew(self._latest, now):
            self._before, self._history = self._history, History()
        self._latest = now
        if known is not None and known.history:
            self._history = History(known.history)
        self._history.add(picture)

    def turns_to(self, picture: Picture) -> bool:
        """Is `picture`, which is shown now, of another watch than the one that was shown before?"""
        known = self._recorded(picture)
        before, self._shown = (
            self._shown,
            (
                known.watch if known is not None else picture.watch,
                picture.since_attach_s,
            ),
        )
        return _is_anew(before, self._shown)

    def points(self, picture: Picture) -> list[Point]:
        """The totals until `picture`, which may be paused; the newest one was added."""
        same = self._shown is None or not _is_anew(self._shown, self._latest)
        history = self._history if same else self._before
        return [point for point in history.points if point.at <= picture.since_attach_s]

    def taken(self, picture: Picture) -> str | None:
        """When that was, in words; None of a live one. What is known of it is in `known`."""
        self.known = self._recorded(picture)
        if self.known is None:
            return None
        return wording.taken(picture.time, datetime.now(timezone.utc))


def _is_anew(before: tuple[str, float] | None, now: tuple[str, float] | None) -> bool:
    """Both are a watch and seconds since its attach."""
    if before is None or now is None:
        return False
    return before[0] != now[0] or now[1] < before[1]
