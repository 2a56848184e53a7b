"""The table: a cursor over rows of which only the visible ones are ever made and drawn.

The order of the rows is the caller's; a DataTable takes twelve seconds for 100,000 of them.
"""

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from ebpftrace.analysis.selection import SortKey
from ebpftrace.tui.canvas import Canvas
from ebpftrace.tui.columns import Column, Judged, Moment, choose, heading, line_of, sort_at
from ebpftrace.tui.composer import Shown
from ebpftrace.tui.glyphs import Glyphs
from ebpftrace.tui.lines import Line
from ebpftrace.tui.rows import Rows
from ebpftrace.tui.view import View

_WHEEL_ROWS = 3


class Table(Canvas, can_focus=True):
    """Keeps the cursor on its row once the user has chosen one; until then on the first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
        Binding("home", "first", show=False),
        Binding("end", "move(1000000000)", show=False),
        Binding("left", "unfold(False)", show=False),
        Binding("right", "unfold(True)", show=False),
    ]

    class Picked(Message):
        """The cursor is on another row."""

    class Opened(Message):
        """The row under the cursor was clicked once more."""

    @dataclass
    class Unfolded(Message):
        """The row under the cursor is to be opened, or closed."""

        open_it: bool

    @dataclass
    class SortAsked(Message):
        """A title was clicked."""

        sort: SortKey

    def __init__(self, glyphs: Glyphs, view: View) -> None:
        super().__init__(glyphs)
        self.rows: Rows | None = None
        self.held: str | None = None
        """The key of the row that the user has chosen."""
        self._cursor = 0
        self._top = 0
        self._view = view
        self._judged = Judged()
        self._moment = Moment(0.0, 0, glyphs, self._judged)
        self._several = self._families = False
        self._columns: tuple[Column, ...] = ()
        self._lines: dict[int, Line] = {}

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.rows) if self.rows is not None else 0

    @property
    def position(self) -> int:
        """The row of the cursor, from 0."""
        return self._cursor

    @property
    def key(self) -> str | None:
        """That of the row under the cursor; None without rows."""
        return self.rows.key(self._cursor) if self.rows is not None and self.count else None

    def show(self, shown: Shown) -> None:
        """Show `shown`; the cursor follows its row, and the window the cursor if it was in it."""
        seen = self._top <= self._cursor < self._top + self._room
        request = shown.request
        if request.view != self._view:
            self._judged = Judged()
        self.rows, self._view = shown.rows, request.view
        now = request.picture.since_attach_s
        estimated = request.picture.error is not None
        apart = request.picture.mode == "growth"
        self._moment = Moment(now, shown.whole, self.glyphs, self._judged, estimated, apart)
        self._several = len(request.picture.targets) > 1
        self._families = any(len(target.allocators) > 1 for target in request.picture.targets)
        asked_for_this = request.held == self.held
        found = shown.held_at if asked_for_this else self._find()
        if found is not None:
            self._cursor = found
        elif self.held is None:
            self._cursor = 0
        else:
            self._cursor = max(0, min(self._cursor, self.count - 1))
            self.held = self.key
        self._choose_columns()
        self._move_window(self._top, keep_cursor=seen)

    def hold(self, key: str | None) -> None:
        """Move the cursor to the row `key` when it is there; None: the first row."""
        self.held = key
        found = self._find()
        self._cursor = found or 0
        self._move_window(self._top, keep_cursor=True)

    def line_at(self, y: int) -> Line:
        width = self.size.width
        if y == 0:
            return heading(self._columns, self._view, width, self.glyphs)
        index = y - 1 + self._top
        if self.rows is None or index >= self.count:
            return ()
        known = self._lines.get(y)
        if known is None:
            here = index == self._cursor
            row = self.rows.row(index)
            known = self._lines[y] = line_of(row, self._columns, self._moment, here, width)
        return known

    def action_move(self, rows: int) -> None:
        self._go_to(self._cursor + rows)

    def action_page(self, pages: int) -> None:
        self._go_to(self._cursor + pages * self._room)

    def action_first(self) -> None:
        self._go_to(0)
        self.held = None

    def action_unfold(self, open_it: bool) -> None:
        self.post_message(self.Unfolded(open_it))

    def on_resize(self) -> None:
        self._choose_columns()
        self._move_window(self._top, keep_cursor=True)

    def on_click(self, event: events.Click) -> None:
        if event.y == 0:
            sort = sort_at(self._columns, event.x)
            if sort is not None:
                self.post_message(self.SortAsked(sort))
        elif event.y - 1 + self._top < self.count:
            again = event.y - 1 + self._top == self._cursor
            self._go_to(event.y - 1 + self._top)
            if again and event.chain > 1:
                self.post_message(self.Opened())

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._move_window(self._top - _WHEEL_ROWS, keep_cursor=False)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._move_window(self._top + _WHEEL_ROWS, keep_cursor=False)

    @property
    def _room(self) -> int:
        return max(1, self.size.height - 1)

    def _find(self) -> int | None:
        if self.rows is None or self.held is None:
            return None
        return self.rows.find(self.held)

    def _choose_columns(self) -> None:
        self._columns = choose(self.size.width, self._view, self._several, self._families)

    def _go_to(self, index: int) -> None:
        if self.rows is None or not self.count:
            return
        self._cursor = max(0, min(index, self.count - 1))
        self.held = self.key
        self._move_window(self._top, keep_cursor=True)
        self.post_message(self.Picked())

    def _move_window(self, top: int, keep_cursor: bool) -> None:
        if keep_cursor:
            top = max(self._cursor - self._room + 1, min(top, self._cursor))
        self._top = max(0, min(top, self.count - self._room))
        self._lines.clear()
        self.redraw()
