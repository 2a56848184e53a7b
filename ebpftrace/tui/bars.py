"""Horizontal bars and short tables about the blocks of a site, and how two of them share a width."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from rich.cells import cell_len

from ebpftrace.analysis.wording import many
from ebpftrace.model.epochs import epoch_at, length_of
from ebpftrace.model.picture import Block, Cohort, SiteBlocks
from ebpftrace.tui.glyphs import Glyphs
from ebpftrace.tui.lines import Line, Span
from ebpftrace.tui.spark import held_between
from ebpftrace.units import format_bytes, format_seconds

_GAP = "  "
_LEAST_BAR = 4
# Beyond that the figures are too far from what they belong to.
_MOST_BAR = 40
# A block whose size, age and thread are read beside another block of lines wants this much.
_LEAST_BESIDE = 80
_DIVIDER = " │ "
# Ages that rows may begin and end at.
_AGES = (
    (1, "1 s"),
    (10, "10 s"),
    (60, "1 min"),
    (600, "10 min"),
    (3600, "1 h"),
    (6 * 3600, "6 h"),
    (86_400, "1 d"),
    (7 * 86_400, "7 d"),
)


class _Row(NamedTuple):
    label: str
    value: float
    figures: tuple[str, ...]


def size_lines(blocks: SiteBlocks, width: int, glyphs: Glyphs) -> list[Line]:
    """A line per size class that holds something; the bars are bytes."""
    return _chart(
        [
            _Row(_size_class(floor), size, (many(count, "block"), format_bytes(size)))
            for floor, count, size in blocks.sizes
        ],
        width,
        glyphs,
    )


def age_lines(
    cohorts: Sequence[Cohort], now: float, width: int, glyphs: Glyphs, most: int
) -> list[Line]:
    """At most `most` lines of ages, the youngest first: their share, and bytes. None without blocks.

    Ages that the epochs of the time cannot tell apart are one line; two at least, where `most` and
    the time since the attach allow.
    """
    if not cohorts or most < 1:
        return []
    limits = _limits(now, most)
    held = held_between(cohorts, tuple([now - age for age, _ in reversed(limits)]), now)[::-1]
    total = sum(held)
    return _chart(
        [
            _Row(label, size, (f"{100 * size / total:.1f}%" if total else "", format_bytes(size)))
            for label, size in zip(_age_labels(limits), held, strict=True)
        ],
        width,
        glyphs,
    )


def last_lines(blocks: SiteBlocks, width: int) -> list[Line]:
    """The last blocks under a heading, the youngest first; a column that finds no room is left out."""
    if not blocks.last:
        return []
    rows = [("ADDRESS", "SIZE", "AGE", "THREAD"), *map(_block, blocks.last)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    while len(widths) > 1 and sum(widths) + len(_GAP) * (len(widths) - 1) > width:
        widths.pop()
    texts = [
        _GAP.join(cell.rjust(cells) for cell, cells in zip(row, widths, strict=False))[:width]
        for row in rows
    ]
    return [(Span(texts[0], "label"),), *((Span(text),) for text in texts[1:])]


def half(width: int) -> int:
    """The width to write each of two blocks of lines for that `beside` sets into `width` cells."""
    return width if width < _LEAST_BESIDE else (width - len(_DIVIDER)) // 2


def beside(left: Sequence[Line], right: Sequence[Line], width: int, glyphs: Glyphs) -> list[Line]:
    """Both side by side, each in `half` of `width`; one below the other where that is too narrow."""
    cells = half(width)
    if cells == width:
        return [fitted(row, width, glyphs) for row in (*left, *right)]
    rest = width - cells - len(_DIVIDER)
    divider = Span(_DIVIDER, "label")
    return [
        (
            *fitted(left[y] if y < len(left) else (), cells, glyphs),
            divider,
            *fitted(right[y] if y < len(right) else (), rest, glyphs),
        )
        for y in range(max(len(left), len(right)))
    ]


def fitted(row: Line, width: int, glyphs: Glyphs) -> Line:
    """`row` in exactly `width` cells, marked where it is cut."""
    spans: list[Span] = []
    left = width
    whole = [span for span in row if span.text]
    for number, (text, role) in enumerate(whole, 1):
        shown = glyphs.safe(text, left)
        cells = cell_len(shown)
        if cells + (number < len(whole)) > left:
            spans.append(Span(glyphs.fit(shown + " " * (left + 1), left), role))
            return tuple(spans)
        spans.append(Span(shown, role))
        left -= cells
    if left > 0:
        spans.append(Span(" " * left))
    return tuple(spans)


def bar(value: float, highest: float, width: int, glyphs: Glyphs) -> str:
    """`value` of `highest` in exactly `width` cells; what is above 0 is seen."""
    steps = len(glyphs.across) - 1
    share = min(1.0, value / highest) if highest > 0 else 0.0
    full, part = divmod(max(int(share * width * steps), 1 if share > 0 else 0), steps)
    return (glyphs.across[-1] * full + glyphs.across[part]).ljust(width)[:width]


def _chart(rows: Sequence[_Row], width: int, glyphs: Glyphs) -> list[Line]:
    """Labels, bars and figures under each other; what finds no room goes: bars, then figures."""
    if not rows:
        return []
    labels = max(len(row.label) for row in rows)
    columns = list(zip(*(row.figures for row in rows), strict=True))
    widths = [max(map(len, column)) for column in columns]
    while widths and width < _taken(labels, widths):
        widths.pop(0)
    first = len(columns) - len(widths)
    room = min(_MOST_BAR, width - _taken(labels, widths) - len(_GAP))
    highest = max(row.value for row in rows)
    lines = []
    for label, value, figures in rows:
        spans = [Span(glyphs.fit(label, min(width, labels)), "label")]
        if room >= _LEAST_BAR:
            spans += [Span(_GAP), Span(bar(value, highest, room, glyphs), "bar")]
        shown = zip(figures[first:], widths, strict=True)
        spans.append(Span("".join(_GAP + text.rjust(cells) for text, cells in shown)))
        lines.append(tuple(spans))
    return lines


def _taken(labels: int, widths: Sequence[int]) -> int:
    return labels + sum(widths) + len(_GAP) * len(widths)


def _size_class(floor: int) -> str:
    """`64-127 B`, `4-8 KiB`."""
    if floor <= 1:
        return f"{floor} B"
    if floor < 1024:
        return f"{floor}-{2 * floor - 1} B"
    unit = min(4, (floor.bit_length() - 1) // 10)
    scaled = floor >> 10 * unit
    return f"{scaled}-{2 * scaled} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[unit]}"


def _limits(now: float, most: int) -> list[tuple[int, str]]:
    """Where one row of ages ends and the next begins: fewer than `most`, spread over what there is.

    An age is of use where the epoch of a birth so long ago is no longer than that age.
    """
    usable = [
        (age, name) for age, name in _AGES if age < now and length_of(epoch_at(now - age)) <= age
    ]
    kept = most - 1
    if len(usable) <= kept:
        return usable
    return [usable[(2 * number + 1) * len(usable) // (2 * kept)] for number in range(kept)]


def _age_labels(limits: Sequence[tuple[int, str]]) -> list[str]:
    if not limits:
        return ["all ages"]
    names = [name for _, name in limits]
    between = [f"{low} to {high}" for low, high in pairwise(names)]
    return [f"< {names[0]}", *between, f"> {names[-1]}"]


def _block(block: Block) -> tuple[str, str, str, str]:
    age = format_seconds(max(0.0, block.age_s))
    return f"{block.address:#x}", format_bytes(block.size), age, str(block.thread)
