"""The columns of the table: their titles, widths and texts, and which of them a width has room for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ebpftrace.analysis import wording
from ebpftrace.analysis.selection import SortKey
from ebpftrace.analysis.trend import Trend, trend_of
from ebpftrace.model.picture import MAPPINGS
from ebpftrace.tui.glyphs import Glyphs
from ebpftrace.tui.lines import Line, Role, Span
from ebpftrace.tui.rows import Row
from ebpftrace.tui.spark import spark, survivors
from ebpftrace.tui.view import GROUPED, TREES, View
from ebpftrace.units import format_bytes, format_count, format_seconds

_UNKNOWN = "?"
_LEAST_SITE = 40
_SPARK_CELLS = 10
_JUDGED_S = 3.0
_MOST_JUDGED = 4096
_TREND_ROLES: dict[str, Role] = {"growing": "alarm", "levelling off": "strong"}


class Judged:
    """The words for the trends of rows. They change slowly, and cost as much as the rest of a row."""

    def __init__(self) -> None:
        self._words: dict[str, tuple[float, str]] = {}

    def word(self, row: Row, now: float) -> str:
        """The one of a moment ago, if there is one; `now` in seconds since attach."""
        at, word = self._words.get(row.key, (-_JUDGED_S, ""))
        if not 0 <= now - at < _JUDGED_S or not word:
            found = trend(row, now)
            word = (found.word or "") if found is not None else ""
            if len(self._words) >= _MOST_JUDGED:
                self._words.clear()
            self._words[row.key] = now, word
        return word


class Moment(NamedTuple):
    """What a cell needs beside its row: seconds since attach, what shares are of, how to draw, whether bytes are
    estimates, and whether mappings are apart from all else.
    """

    since_attach_s: float
    bytes: int
    glyphs: Glyphs
    judged: Judged
    estimated: bool = False
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """`rank`: the higher, the sooner it goes when the screen is narrow."""

    title: str
    width: int
    rank: int
    text: Callable[[Row, Moment], str]
    sort: SortKey | None = None
    right: bool = True
    role: Role = "plain"


def _share(row: Row, moment: Moment) -> str:
    if _is_apart(row, moment):
        return ""
    return f"{100 * row.counts.bytes / moment.bytes:.1f}%" if moment.bytes > 0 else ""


def _is_apart(row: Row, moment: Moment) -> bool:
    return moment.apart and row.family == MAPPINGS


def _held(row: Row, moment: Moment) -> str:
    """Marked where it is estimated."""
    estimated = moment.estimated and not _is_apart(row, moment)
    return f"{'~' if estimated else ''}{format_bytes(row.counts.bytes)}"


def _growth(row: Row, _moment: Moment) -> str:
    if row.growth is None:
        return _UNKNOWN
    a_minute = 60 * row.growth
    return wording.signed(a_minute) if round(a_minute) else "0 B"


def _age(row: Row, moment: Moment) -> str:
    if row.oldest_at is None:
        return ""
    return format_seconds(max(0.0, moment.since_attach_s - row.oldest_at))


def _born(row: Row, moment: Moment) -> str:
    if not row.cohorts:
        return ""
    return spark(
        survivors(row.cohorts, moment.since_attach_s, _SPARK_CELLS), _SPARK_CELLS, moment.glyphs
    )


def trend(row: Row, since_attach_s: float) -> Trend | None:
    """None where the row has nothing to tell it by."""
    if row.cohorts is None:
        return None
    return trend_of(row.cohorts, row.counts, since_attach_s, row.allocator)


def _trend(row: Row, moment: Moment) -> str:
    return moment.judged.word(row, moment.since_attach_s)


TREND = Column("TREND", 13, 4, _trend, right=False)
COLUMNS = (
    Column("BYTES", 8, 0, _held, "bytes"),
    Column("SHARE", 6, 6, _share),
    Column("BLOCKS", 9, 5, lambda row, _: format_count(row.counts.blocks), "blocks"),
    Column("GROWTH/min", 11, 1, _growth, "growth"),
    Column("HELD SINCE", _SPARK_CELLS, 3, _born, right=False, role="bar"),
    Column("OLDEST", 7, 7, _age, "age"),
    TREND,
    Column("PID", 7, 2, lambda row, _: row.pid),
    Column("ALLOCATOR", 14, 8, lambda row, _: row.allocator or _UNKNOWN, right=False),
)
_FAMILY = Column("FAMILY", 8, 9, lambda row, _: row.family or _UNKNOWN, right=False)
_SITES = Column("SITES", 13, 2, lambda row, _: row.allocator)


def choose(width: int, view: View, several: bool, families: bool = False) -> tuple[Column, ...]:
    """The columns that leave the names enough of `width`; PID only with `several` targets.

    `families`: one of them has allocators of more than one family.
    """
    chosen = [column for column in COLUMNS if _fits(column, view, several)]
    if families and view.kind == "sites":
        chosen.append(_FAMILY)
    if view.kind in GROUPED:
        chosen.append(_SITES)
    while len(chosen) > 1 and width - _taken(chosen) < _LEAST_SITE:
        chosen.remove(max(chosen, key=lambda column: column.rank))
    return tuple(chosen)


def _fits(column: Column, view: View, several: bool) -> bool:
    if column.title == "PID":
        return several and view.kind == "sites"
    if column.title == "ALLOCATOR":
        return view.kind == "sites"
    return view.kind not in TREES or column.title not in {"HELD SINCE", "TREND"}


def heading(columns: Sequence[Column], view: View, width: int, glyphs: Glyphs) -> Line:
    """The line over the rows; the column that is sorted by bears the direction."""
    cells = [" "]
    for column in columns:
        mark = ""
        if column.sort == view.sort:
            mark = glyphs.ascending if view.reverse else glyphs.descending
        cells.append(glyphs.fit(column.title + mark, column.width, column.right))
    last = "SITE" if view.kind == "sites" else view.kind.upper()
    cells.append(glyphs.fit(last, width - _taken(columns)))
    return (Span(glyphs.fit(" ".join(cells), width), "head"),)


def line_of(row: Row, columns: Sequence[Column], moment: Moment, here: bool, width: int) -> Line:
    """One row; `here` marks the one that the cursor is on."""
    glyphs = moment.glyphs
    spans = [Span(glyphs.cursor if here else " ")]
    for column in columns:
        text = column.text(row, moment)
        role = _TREND_ROLES.get(text, "label") if column is TREND else column.role
        spans.append(Span(f" {glyphs.fit(text, column.width, column.right)}", role))
    left = max(0, width - _taken(columns))
    lead = glyphs.safe(row.lead, left)
    name = lead + row.title
    shown = glyphs.fit(f" {glyphs.caller} ".join((name, *row.callers)), left)
    if here:
        return (Span("".join(span.text for span in spans) + " " + shown, "cursor"),)
    end = len(glyphs.safe(name, left))
    return (*spans, Span(" "), Span(shown[:end], "strong"), Span(shown[end:], "label"))


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
