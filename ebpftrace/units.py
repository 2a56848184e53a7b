"""Sizes and times: how they are typed on the command line, and how they are printed."""

import math
import re

from ebpftrace.errors import UsageError

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE | re.ASCII)
_SIZE_FACTORS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?", re.IGNORECASE | re.ASCII)
_TIME_FACTORS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MOST_BYTES = 1 << 63
_MOST_SECONDS = 366 * 86400.0


def parse_size(text: str) -> int:
    """Bytes of `512`, `4k`, `2M`, `1.5G` (powers of 1024). UsageError where it is none of these."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is not a size; write it as 512, 4k, 2M or 1.5G.")
    size = float(match[1]) * _SIZE_FACTORS[match[2].lower()]
    if size >= _MOST_BYTES:
        raise UsageError(f"{text!r} is larger than any process can hold; the most is 8388607T.")
    return int(size)


def parse_time(text: str) -> float:
    """Seconds of `500ms`, `0.5s`, `10s`, `5m`, `2h`; a bare number is seconds. UsageError else."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is not a time; write it as 500ms, 0.5s, 10s or 5m.")
    seconds = float(match[1]) * _TIME_FACTORS[(match[2] or "s").lower()]
    if not math.isfinite(seconds) or seconds > _MOST_SECONDS:
        raise UsageError(f"{text!r} is longer than a year; the most is 366d.")
    return seconds


def format_bytes(size: float) -> str:
    """`size` bytes in at most seven characters and a unit: `512 B`, `1.5 KiB`, `-20 MiB`."""
    magnitude = abs(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if magnitude < 999.5 or unit == "TiB":
            break
        magnitude /= 1024
    digits = 0 if unit == "B" or magnitude >= 99.95 else 1
    sign = "-" if size < 0 and round(magnitude, digits) else ""
    return f"{sign}{magnitude:.{digits}f} {unit}"


def format_seconds(seconds: float) -> str:
    """`seconds` as people say it: `850 ms`, `12.3 s`, `4m 05s`, `3h 12m`, `2d 04h`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h {minutes:02d}m"
    return f"{hours // 24}d {hours % 24:02d}h"


def format_count(count: float) -> str:
    """A whole count with its thousands apart: `1 234 567`."""
    return f"{count:,.0f}".replace(",", " ")
