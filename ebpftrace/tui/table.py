"""The table of call sites: a cursor over rows of which only the visible ones are ever drawn.

The order of the rows is the caller's; a DataTable takes a second for 10,000 of them, this 20 ms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from ebpftrace.analysis.selection import SortKey
from ebpftrace.model.picture import Picture, Site
from ebpftrace.tui.canvas import Canvas
from ebpftrace.tui.columns import Column, Moment, choose, heading, row, sort_at
from ebpftrace.tui.glyphs import Glyphs
from ebpftrace.tui.lines import Line
from ebpftrace.tui.rows import View, index_of

_WHEEL_ROWS = 3


class SiteTable(Canvas, can_focus=True):
    """Keeps the cursor on its site once the user has chosen one; until then on the first row."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
        Binding("home", "first", show=False),
        Binding("end", "move(1000000000)", show=False),
    ]

    @dataclass
    class Picked(Message):
        """The cursor is on another site."""

        site: Site

    @dataclass
    class SortAsked(Message):
        """A title was clicked."""

        sort: SortKey

    def __init__(self, glyphs: Glyphs, view: View) -> None:
        super().__init__(glyphs)
        self.rows: Sequence[Site] = ()
        self.held: str | None = None
        """The id of the site that the user has chosen."""
        self._cursor = 0
        self._top = 0
        self._view = view
        self._moment = Moment(0.0, 0)
        self._several = False
        self._columns: tuple[Column, ...] = ()

    @property
    def site(self) -> Site | None:
        """The site that the cursor is on."""
        return self.rows[self._cursor] if self._cursor < len(self.rows) else None

    @property
    def position(self) -> int:
        """The row of the cursor, from 0."""
        return self._cursor

    def show(self, rows: Sequence[Site], picture: Picture, view: View) -> None:
        """Show `rows`; the cursor follows its site, and the window the cursor if it was in it."""
        seen = self._top <= self._cursor < self._top + self._room
        self.rows, self._view = rows, view
        self._moment = Moment.of(picture)
        self._several = len(picture.targets) > 1
        found = index_of(rows, self.held)
        if found is not None:
            self._cursor = found
        elif self.held is None:
            self._cursor = 0
        else:
            self._cursor = max(0, min(self._cursor, len(rows) - 1))
            self.held = self.site.at.id if self.site else None
        self._choose_columns()
        self._move_window(self._top, keep_cursor=seen)

    def line_at(self, y: int) -> Line:
        width = self.size.width
        if y == 0:
            return heading(self._columns, self._view, width, self.glyphs)
        index = y - 1 + self._top
        if index >= len(self.rows):
            return ()
        here, rules = index == self._cursor, self._view.selection.rules
        return row(self.rows[index], self._columns, self._moment, rules, here, width, self.glyphs)

    def action_move(self, rows: int) -> None:
        self._go_to(self._cursor + rows)

    def action_page(self, pages: int) -> None:
        self._go_to(self._cursor + pages * self._room)

    def action_first(self) -> None:
        self._go_to(0)
        self.held = None

    def on_resize(self) -> None:
        self._choose_columns()
        self._move_window(self._top, keep_cursor=True)

    def on_click(self, event: events.Click) -> None:
        if event.y == 0:
            sort = sort_at(self._columns, event.x)
            if sort is not None:
                self.post_message(self.SortAsked(sort))
        elif event.y - 1 + self._top < len(self.rows):
            self._go_to(event.y - 1 + self._top)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._move_window(self._top - _WHEEL_ROWS, keep_cursor=False)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._move_window(self._top + _WHEEL_ROWS, keep_cursor=False)

    @property
    def _room(self) -> int:
        return max(1, self.size.height - 1)

    def _choose_columns(self) -> None:
        self._columns = choose(self.size.width, self._several)

    def _go_to(self, index: int) -> None:
        if not self.rows:
            return
        self._cursor = max(0, min(index, len(self.rows) - 1))
        site = self.rows[self._cursor]
        self.held = site.at.id
        self._move_window(self._top, keep_cursor=True)
        self.post_message(self.Picked(site))

    def _move_window(self, top: int, keep_cursor: bool) -> None:
        if keep_cursor:
            top = max(self._cursor - self._room + 1, min(top, self._cursor))
        self._top = max(0, min(top, len(self.rows) - self._room))
        self.redraw()
