"""Points of a history in the columns of a chart, and as one line of signs."""

from collections.abc import Sequence

from ebpftrace.model.picture import Point

_LEVELS = "▁▂▃▄▅▆▇█"


def line_of(points: Sequence[Point], values: Sequence[int | None], width: int) -> str:
    """`values`, one for each of the points, from the lowest to the highest; blank where not known."""
    known = [value for value in values if value is not None]
    if not known:
        return " " * width
    low, span, top = min(known), max(known) - min(known), len(_LEVELS) - 1
    return "".join(
        " " if value is None else _LEVELS[top * (value - low) // span if span else 0]
        for value in columns_of(points, values, width)
    )


def columns_of(
    points: Sequence[Point], values: Sequence[int | None], chart: int
) -> list[int | None]:
    """The highest value of each column of time; one without a point has that before it."""
    columns: list[int | None] = [None] * chart
    if not chart:
        return columns
    filled = bytearray(chart)
    last: list[int | None] = [None] * chart
    for point, value in zip(points, values, strict=True):
        column = column_of(point.at, points, chart)
        filled[column] = 1
        last[column] = value
        highest = columns[column]
        if value is not None and (highest is None or value > highest):
            columns[column] = value
    before: int | None = None
    for column in range(chart):
        if filled[column]:
            before = last[column]
        else:
            columns[column] = before
    return columns


def column_of(at: float, points: Sequence[Point], chart: int) -> int:
    """Where a moment stands between the first point and the last; at the end without a time."""
    first, spanned = points[0].at, points[-1].at - points[0].at
    if spanned <= 0:
        return chart - 1
    return max(0, min(chart - 1, int((at - first) / spanned * chart)))
