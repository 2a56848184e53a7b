"""Names of the files that a recorder keeps: `20261121T031500.123Z-end.ebpftrace`.

A stamp is the milliseconds since 1970 in UTC. Names sort by it, then by the trigger's kind.
"""

import re
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)
STREAM = ".ebpfstream"
_KIND = re.compile(r"[a-z]{1,16}", re.ASCII)
_NAME = re.compile(
    r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)\.(\d{3})Z(?:-[a-z]{1,16}\.ebpftrace|\.ebpfstream)",
    re.ASCII,
)


class Named(NamedTuple):
    """What the name of a file says."""

    name: str
    stamp: int
    stream: bool


def read(name: str) -> Named | None:
    """None for one that no recorder gives."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    year, month, day, hour, minute, second, millis = map(int, match.groups())
    try:
        at = datetime(year, month, day, hour, minute, second, millis * 1000, timezone.utc)
    except ValueError:
        return None
    return Named(name, stamp_of(at), name.endswith(STREAM))


def stamp_of(at: datetime) -> int:
    return (at - _EPOCH) // _MILLISECOND


LAST = stamp_of(datetime.max.replace(tzinfo=timezone.utc))
"""No name has a later one."""


def of_snapshot(stamp: int, kind: str) -> str:
    """ValueError where `kind` is no word."""
    if not _KIND.fullmatch(kind):
        raise ValueError(f"{kind!r} is no kind of trigger")
    return f"{shown(stamp)}-{kind}.ebpftrace"


def of_stream(stamp: int) -> str:
    return shown(stamp) + STREAM


def shown(stamp: int) -> str:
    at = _EPOCH + stamp * _MILLISECOND
    millis = at.microsecond // 1000
    return f"{at.year:04d}{at:%m%dT%H%M%S}.{millis:03d}Z"
