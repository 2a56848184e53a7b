"""The columns of the table: their titles, widths and texts, and which of them a width has room for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ebpftrace.analysis import wording
from ebpftrace.analysis.responsible import Rules
from ebpftrace.analysis.selection import SortKey
from ebpftrace.model.picture import Picture, Site
from ebpftrace.tui.glyphs import Glyphs
from ebpftrace.tui.lines import Line, Span
from ebpftrace.tui.rows import View
from ebpftrace.units import format_bytes, format_count, format_seconds

_UNKNOWN = "?"
_LEAST_SITE = 32
_MOST_CALLERS = 16


class Moment(NamedTuple):
    """What a cell needs beside its site."""

    since_attach_s: float
    bytes: int

    @classmethod
    def of(cls, picture: Picture) -> "Moment":
        return cls(picture.since_attach_s, picture.totals.bytes)


@dataclass(frozen=True, slots=True)
class Column:
    """`rank`: the higher, the sooner it goes when the screen is narrow."""

    title: str
    width: int
    rank: int
    text: Callable[[Site, Moment], str]
    sort: SortKey | None = None
    right: bool = True


def _share(site: Site, moment: Moment) -> str:
    return f"{100 * site.counts.bytes / moment.bytes:.1f}%" if moment.bytes > 0 else ""


def _growth(site: Site, _moment: Moment) -> str:
    if site.growth is None:
        return _UNKNOWN
    return wording.signed(site.growth) if round(site.growth) else "0 B"


def _age(site: Site, moment: Moment) -> str:
    if site.oldest_at is None:
        return ""
    return format_seconds(moment.since_attach_s - site.oldest_at)


COLUMNS = (
    Column("BYTES", 8, 0, lambda site, _: format_bytes(site.counts.bytes), "bytes"),
    Column("SHARE", 6, 5, _share),
    Column("BLOCKS", 9, 3, lambda site, _: format_count(site.counts.blocks), "blocks"),
    Column("GROWTH/s", 9, 1, _growth, "growth"),
    Column("OLDEST", 7, 4, _age, "age"),
    Column("PID", 7, 2, lambda site, _: str(site.at.pid)),
    Column("ALLOCATOR", 14, 6, lambda site, _: site.at.allocator or _UNKNOWN, right=False),
)


def choose(width: int, several: bool) -> tuple[Column, ...]:
    """The columns that leave the names enough of `width`; PID only with `several` targets."""
    chosen = [column for column in COLUMNS if several or column.title != "PID"]
    while len(chosen) > 1 and width - _taken(chosen) < _LEAST_SITE:
        chosen.remove(max(chosen, key=lambda column: column.rank))
    return tuple(chosen)


def heading(columns: Sequence[Column], view: View, width: int, glyphs: Glyphs) -> Line:
    """The line over the rows; the column that is sorted by bears the direction."""
    cells = [" "]
    for column in columns:
        mark = ""
        if column.sort == view.selection.sort:
            mark = glyphs.ascending if view.reverse else glyphs.descending
        cells.append(glyphs.fit(column.title + mark, column.width, column.right))
    cells.append(glyphs.fit("SITE", width - _taken(columns)))
    return (Span(glyphs.fit(" ".join(cells), width), "head"),)


def row(
    site: Site,
    columns: Sequence[Column],
    moment: Moment,
    rules: Rules,
    here: bool,
    width: int,
    glyphs: Glyphs,
) -> Line:
    """One site; `here` marks the row that the cursor is on."""
    cells = [glyphs.cursor if here else " "]
    cells += [
        glyphs.fit(column.text(site, moment), column.width, column.right) for column in columns
    ]
    front, left = " ".join(cells) + " ", width - _taken(columns)
    name, callers = wording.chain(site, rules, _MOST_CALLERS)
    shown = glyphs.fit(f" {glyphs.caller} ".join((name, *callers)), left)
    if here:
        return (Span(front + shown, "cursor"),)
    end = len(glyphs.safe(name, left))
    return Span(front), Span(shown[:end], "strong"), Span(shown[end:], "label")


def sort_at(columns: Sequence[Column], x: int) -> SortKey | None:
    """What a click on the heading at column `x` of the screen sorts by."""
    edge = 2
    for column in columns:
        edge += column.width + 1
        if x < edge:
            return column.sort
    return None


def _taken(columns: Sequence[Column]) -> int:
    return 2 + sum(column.width + 1 for column in columns)
