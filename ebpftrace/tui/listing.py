"""The widgets that show given lines: the header, the status, and the pane that scrolls."""

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType

from ebpftrace.tui.canvas import Canvas
from ebpftrace.tui.glyphs import Glyphs
from ebpftrace.tui.lines import Line, Span

_WHEEL_LINES = 3


class Listing(Canvas):
    """Lines from the top down."""

    def __init__(self, glyphs: Glyphs, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(glyphs, id=id)
        self.lines: Sequence[Line] = ()

    def show(self, lines: Sequence[Line]) -> None:
        self.lines = lines
        self.redraw()

    def line_at(self, y: int) -> Line:
        return self.lines[y] if y < len(self.lines) else ()


class Pane(Listing, can_focus=True):
    """A title and lines that scroll below it, written for the width that there is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
        Binding("home", "move(-1000000)", show=False),
        Binding("end", "move(1000000)", show=False),
    ]

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs)
        self._title = ""
        self._write: Callable[[int], Iterable[Line]] = lambda _: ()
        self._top = 0

    def show_titled(
        self, title: str, write: Callable[[int], Iterable[Line]], from_top: bool
    ) -> None:
        """Show what `write` gives for a width; what was scrolled to stays, unless `from_top`."""
        self._title, self._write = title, write
        self._rewrite(0 if from_top else self._top)

    def line_at(self, y: int) -> Line:
        if y:
            return super().line_at(y - 1 + self._top)
        width, room, total = self.size.width, self._room, len(self.lines)
        position = f" {self._top + 1}-{min(total, self._top + room)}/{total} "
        if total <= room:
            position = ""
        title = self.glyphs.fit(f" {self._title}", width - len(position))
        return (Span(title + position, "head" if self.has_focus else "rule"),)

    def action_move(self, lines: int) -> None:
        self._move_window(self._top + lines)

    def action_page(self, pages: int) -> None:
        self._move_window(self._top + pages * self._room)

    def on_focus(self) -> None:
        self.redraw()

    def on_blur(self) -> None:
        self.redraw()

    def on_resize(self) -> None:
        self._rewrite(self._top)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._move_window(self._top - _WHEEL_LINES)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._move_window(self._top + _WHEEL_LINES)

    @property
    def _room(self) -> int:
        return max(1, self.size.height - 1)

    def _rewrite(self, top: int) -> None:
        self.lines = list(self._write(self.size.width)) if self.size.width else ()
        self._move_window(top)

    def _move_window(self, top: int) -> None:
        self._top = max(0, min(top, len(self.lines) - self._room))
        self.redraw()
