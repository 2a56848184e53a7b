"""What `--on WHAT=VALUE` says."""

import re
from typing import NamedTuple

from ebpftrace.errors import UsageError
from ebpftrace.units import parse_size

SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_FORMS = "--on takes rss=2G, tracked=500M, rss=50M/m, tracked=10M/m or pressure=10%"
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%?", re.ASCII)


class Condition(NamedTuple):
    """`what`: rss, tracked, pressure. `limit` in bytes, bytes per second, or percent.

    `per`, of a rate: s, m, h. `text` as it was given.
    """

    text: str
    what: str
    limit: float
    per: str | None = None


def parse(text: str) -> Condition:
    """UsageError where it is none of the forms."""
    what, equals, value = text.strip().partition("=")
    if not equals or what not in ("rss", "tracked", "pressure"):
        raise UsageError(f"{text!r} is no condition: {_FORMS}.")
    if what == "pressure":
        return Condition(text, what, _percent(text, value))
    size, slash, per = value.partition("/")
    if slash and per not in SECONDS:
        raise UsageError(f"{text!r} is no rate: write it per s, m or h, as in rss=50M/m.")
    limit = float(parse_size(size))
    if not limit:
        raise UsageError(f"{text!r} would always hold; give a size above 0.")
    return (
        Condition(text, what, limit / SECONDS[per], per) if slash else Condition(text, what, limit)
    )


def _percent(text: str, value: str) -> float:
    """Finer ones than a thousandth are below what the kernel takes."""
    match = _PERCENT.fullmatch(value)
    percent = float(match[1]) if match else 0.0
    if not 0.001 <= percent <= 100:
        raise UsageError(f"{text!r} is no pressure: write it as 10%, at most 100%.")
    return percent
