"""Resident memory or tracked bytes past a size, or growing faster than a rate."""

from collections import deque

from ebpftrace.model.picture import Picture
from ebpftrace.model.snapshot import Trigger
from ebpftrace.recorder.alarms import Alarm
from ebpftrace.recorder.conditions import SECONDS, Condition
from ebpftrace.recorder.levels import Level
from ebpftrace.units import format_bytes, format_seconds

_SPAN_S = 60.0
_LEAST_S = 10.0  # what a program allocates for a moment is no growth
_NAMES = {"rss": "resident memory", "tracked": "tracked memory"}
_UNITS = {"s": "a second", "m": "a minute", "h": "an hour"}


def threshold(condition: Condition) -> Alarm:
    """The alarm of `rss=2G`, `tracked=10M/m`."""
    return Size(condition) if condition.per is None else Rate(condition)


def value_of(what: str, picture: Picture) -> int | None:
    """Of all processes together, in bytes; of rss those that live."""
    if what == "tracked":
        return picture.totals.bytes
    known = [one.rss_bytes for one in picture.targets if one.alive and one.rss_bytes is not None]
    return sum(known) if known else None


class Size(Alarm):
    """Once when it is passed, also if it is already at the first picture."""

    def __init__(self, condition: Condition) -> None:
        self._what = condition.what
        self._level = Level(condition.limit)
        super().__init__(f"{_NAMES[self._what]} reaches {format_bytes(condition.limit)}")

    def at_picture(self, picture: Picture) -> Trigger | None:
        value = value_of(self._what, picture)
        if value is None or not self._level.passed(value):
            return None
        limit = format_bytes(self._level.limit)
        return Trigger(
            self._what, f"{_NAMES[self._what]} has reached {limit}: {format_bytes(value)}"
        )


class Rate(Alarm):
    """By the growth over the last minute, or over what there is of it from 10 s on."""

    def __init__(self, condition: Condition) -> None:
        assert condition.per is not None
        self._what, self._per = condition.what, condition.per
        self._level = Level(condition.limit)
        self._seen: deque[tuple[float, int]] = deque()
        super().__init__(f"{_NAMES[self._what]} grows by {self._said(condition.limit)}")

    def at_picture(self, picture: Picture) -> Trigger | None:
        value, now = value_of(self._what, picture), picture.since_attach_s
        if value is None:
            return None
        if self._seen and now < self._seen[-1][0]:  # the numbers began anew
            self._seen.clear()
        while len(self._seen) > 1 and self._seen[1][0] <= now - _SPAN_S:
            self._seen.popleft()
        self._seen.append((now, value))
        since, before = self._seen[0]
        span = now - since
        if span < _LEAST_S or not self._level.passed((value - before) / span):
            return None
        rate, over = self._said((value - before) / span), format_seconds(span)
        return Trigger(self._what, f"{_NAMES[self._what]} grew by {rate} over the last {over}")

    def _said(self, bytes_per_s: float) -> str:
        return f"{format_bytes(bytes_per_s * SECONDS[self._per])} {_UNITS[self._per]}"
