"""Tracked bytes and resident memory over time, as bars of characters.

The one stands above the other on one axis of time, so that what happens in both is in one column.
Resident memory may be a thousand times what is tracked: the bars show how far each moves above its
lowest value, on one scale as long as the smaller movement can be read on it, so that equal heights
are equal bytes and memory that grows by more than what is tracked is seen; else each on its own.
"""

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len

from ebpftrace.analysis.charting import column_of
from ebpftrace.model.picture import Point
from ebpftrace.tui.glyphs import Glyphs
from ebpftrace.tui.lines import Line, Span, line
from ebpftrace.tui.series import Series, both
from ebpftrace.units import format_seconds

# From so many cells on there is room for growth and both extremes, and for whole names.
_WIDE = 60
_NARROW = 40
_LEAST_CHART = 4
_SCALES = {True: " one scale", False: " own scale", None: ""}

Mark = tuple[float, str]


class _Form(NamedTuple):
    """How many cells the names at the left and the figures at the right take, with their gaps."""

    names: int
    chart: int
    figures: int


def timeline_lines(
    points: Sequence[Point], marks: Sequence[Mark], width: int, height: int, glyphs: Glyphs
) -> list[Line]:
    """`height` lines of `width` cells; a gap is blank, the lowest value is one step high.

    The figures are the newest value, how far it is from the first, and the extremes. From three
    lines on there is one for the time that the chart spans and the marks (seconds since attach,
    name); one line has both series beside each other, and below 40 cells only what is tracked.
    """
    if height < 1 or width < 1:
        return []
    if not points:
        return [line(Span(glyphs.fit("no picture yet", width), "label")), *[()] * (height - 1)]
    if height == 1:
        return [_one_line(points, width, glyphs)]
    form = _form(width)
    tracked, resident, shared = both(points, form.chart, width >= _WIDE)
    tall = max(1, (height - 1) // 2)
    lines = [*_drawn(tracked, form, tall, glyphs), *_drawn(resident, form, tall, glyphs)]
    if height > 2:
        lines.append(_axis(points, marks, form, shared, glyphs))
    return [*lines, *[()] * (height - len(lines))]


def _form(width: int) -> _Form:
    names = min(width, 9 if width >= _NARROW else 4)
    figures = 21 if width >= _WIDE else 10
    figures = min(figures, max(0, width - names - _LEAST_CHART))
    return _Form(names, max(0, width - names - figures), figures)


def _one_line(points: Sequence[Point], width: int, glyphs: Glyphs) -> Line:
    """Both beside each other; what is tracked alone where that is too narrow."""
    each = width if width < _NARROW else (width - 2) // 2
    form = _form(min(each, _WIDE - 1))
    form = form._replace(chart=max(0, each - form.names - form.figures))
    tracked, resident, _ = both(points, form.chart, False)
    if each == width:
        return _drawn(tracked, form, 1, glyphs)[0]
    rest = width - 2 * each
    return (
        *_drawn(tracked, form, 1, glyphs)[0],
        Span(" " * rest),
        *_drawn(resident, form, 1, glyphs)[0],
    )


def _drawn(series: Series, form: _Form, tall: int, glyphs: Glyphs) -> list[Line]:
    """`tall` lines: the name, a bar per column, the figures."""
    steps = len(glyphs.up) - 1
    most = steps * tall
    levels = [
        0 if value is None else 1 + (value - series.low) * (most - 1) // max(1, series.span)
        for value in series.columns
    ]
    name = series.name if form.names > 4 else {"tracked": "trk", "resident": "rss"}[series.name]
    lines = []
    for row in range(tall):
        under = steps * (tall - 1 - row)
        bars = "".join([glyphs.up[min(steps, max(0, level - under))] for level in levels])
        figure = series.figures[row] if row < len(series.figures) else ""
        lines.append(
            line(
                Span(glyphs.fit("" if row else name, form.names), "label"),
                Span(bars, series.role),
                Span(glyphs.fit(f" {figure}", form.figures), "label" if row else "strong"),
            )
        )
    return lines


def _axis(
    points: Sequence[Point], marks: Sequence[Mark], form: _Form, shared: bool | None, glyphs: Glyphs
) -> Line:
    """The time that the chart spans, the marks on it, and whether equal bars are equal bytes."""
    spanned = format_seconds(max(0.0, points[-1].at - points[0].at))
    return (
        Span(glyphs.fit(spanned if form.names > len(spanned) else "", form.names), "label"),
        *_marked(points, marks, form.chart, glyphs),
        Span(glyphs.fit(_SCALES[shared], form.figures), "label"),
    )


def _marked(
    points: Sequence[Point], marks: Sequence[Mark], chart: int, glyphs: Glyphs
) -> list[Span]:
    """The axis with a sign per mark and, as far as the next leaves room, its name."""
    signs: dict[int, str] = {}
    for at, name in marks if chart else ():
        signs[column_of(at, points, chart)] = glyphs.safe(name, chart)
    spans: list[Span] = []
    used = 0
    ends = [*sorted(signs), chart][1:]
    for (column, name), end in zip(sorted(signs.items()), ends, strict=True):
        cells = cell_len(name)
        room, before = end - column - 1, column - used
        left = name if cells > room and cells < before else ""
        right = "" if left else glyphs.fit(name, min(cells, room))
        spans += [
            Span(glyphs.axis * (before - cell_len(left)), "label"),
            Span(left + glyphs.mark + right, "mark"),
        ]
        used = column + 1 + cell_len(right)
    return [*spans, Span(glyphs.axis * (chart - used), "label")]
