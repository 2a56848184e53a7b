"""The two series of the timeline: a value for each column of time, and the scale of the bars."""

from collections.abc import Sequence
from typing import NamedTuple

from ebpftrace.analysis.charting import columns_of
from ebpftrace.analysis.wording import signed
from ebpftrace.model.picture import Point
from ebpftrace.tui.lines import Role
from ebpftrace.units import format_bytes

# On one scale the smaller movement is at least one of the eight steps of a cell.
_MOST_APART = 8
# Kernels before 6.2 count resident pages in batches of up to 64 a thread: less is no movement.
_LEAST_RESIDENT_SPAN = 64 * 4096


class Series(NamedTuple):
    """One series as it is drawn: a value, or None for a gap, per column; `span` bytes above `low` are a full bar."""

    name: str
    role: Role
    columns: list[int | None]
    low: int
    span: int
    figures: list[str]


def both(points: Sequence[Point], chart: int, wide: bool) -> tuple[Series, Series, bool | None]:
    """Both series, and whether they are on one scale; None where there is one only."""
    tracked = [point.tracked for point in points]
    resident = [point.resident for point in points]
    known = [value for value in resident if value is not None]
    scales = _scales(max(tracked) - min(tracked), max(known, default=0) - min(known, default=0))
    return (
        _series("tracked", "bar", points, tracked, scales[0], chart, wide),
        _series("resident", "second", points, resident, scales[1], chart, wide),
        scales[0] == scales[1] if known else None,
    )


def _scales(tracked: int, resident: int) -> tuple[int, int]:
    """How many bytes a full bar of each is, by how far it moves."""
    if resident < _LEAST_RESIDENT_SPAN:
        return tracked, max(tracked, _LEAST_RESIDENT_SPAN)
    if not tracked or max(tracked, resident) <= _MOST_APART * min(tracked, resident):
        return max(tracked, resident), max(tracked, resident)
    return tracked, resident


def _series(
    name: str,
    role: Role,
    points: Sequence[Point],
    values: Sequence[int | None],
    span: int,
    chart: int,
    wide: bool,
) -> Series:
    known = [value for value in values if value is not None]
    if not known:
        return Series(name, role, [None] * chart, 0, span, ["not known"])
    low, high, newest = min(known), max(known), values[-1]
    now = "?" if newest is None else format_bytes(newest)
    if wide:
        grown = "" if newest is None else f" {signed(newest - known[0])}"
        figures = [now + grown, f"{format_bytes(low)} to {format_bytes(high)}"]
    else:
        figures = [now, f"^{format_bytes(high)}", f"_{format_bytes(low)}"]
    return Series(name, role, columns_of(points, values, chart), low, span, figures)
