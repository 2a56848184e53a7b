"""The flame view as a widget: boxes with a cursor on one of them."""

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from ebpftrace.tui.canvas import Canvas
from ebpftrace.tui.composer import Shown
from ebpftrace.tui.glyphs import Glyphs
from ebpftrace.tui.icicle import Box, Direction, at, icicle_lines, neighbour
from ebpftrace.tui.lines import Line
from ebpftrace.tui.rows import key_of
from ebpftrace.tui.view import Path


class Flame(Canvas, can_focus=True):
    """The cursor stays on its node, by its path, while boxes move."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "step('up')", show=False),
        Binding("down,j", "step('down')", show=False),
        Binding("left", "step('left')", show=False),
        Binding("right", "step('right')", show=False),
        Binding("home", "first", show=False),
    ]

    class Resized(Message):
        """There is another room to lay out boxes for."""

    class Picked(Message):
        """The cursor is on another box."""

    class Opened(Message):
        """The box under the cursor was clicked once more."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs)
        self.held: str | None = None
        """The key of the node that the user has chosen."""
        self._boxes: Sequence[Box] = ()
        self._chosen = 0
        self._written: list[Line] = []

    @property
    def path(self) -> Path | None:
        """That of the node under the cursor; None on what is too small for boxes of its own."""
        box = self.box
        return box.node.key if box is not None and box.node is not None else None

    @property
    def position(self) -> int:
        """How many boxes of nodes stand before the cursor's: its row in `Shown.rows`, if it has one."""
        return sum(box.node is not None for box in self._boxes[: self._chosen])

    def show(self, shown: Shown) -> None:
        """Draw the boxes of `shown`."""
        self._boxes = shown.boxes
        self._chosen = self._find()
        self._rewrite()

    def line_at(self, y: int) -> Line:
        return self._written[y] if y < len(self._written) else ()

    def action_step(self, direction: Direction) -> None:
        if self._boxes:
            self._go_to(neighbour(self._boxes, self._chosen, direction))

    def action_first(self) -> None:
        self._go_to(0)

    def on_resize(self) -> None:
        self.post_message(self.Resized())

    def on_click(self, event: events.Click) -> None:
        index = at(self._boxes, event.x, event.y)
        if index is None:
            return
        again = index == self._chosen
        self._go_to(index)
        if again and event.chain > 1:
            self.post_message(self.Opened())

    @property
    def box(self) -> Box | None:
        """The one under the cursor."""
        return self._boxes[self._chosen] if self._chosen < len(self._boxes) else None

    def _find(self) -> int:
        """Where the held node stands now, or the nearest of its callers that has a box."""
        best, length = 0, -1
        for index, box in enumerate(self._boxes):
            if box.node is None or self.held is None:
                continue
            key = key_of(box.node.key)
            if key == self.held:
                return index
            if len(key) > length and self.held.startswith(f"{key}\0"):
                best, length = index, len(key)
        return best

    def _go_to(self, index: int) -> None:
        if index >= len(self._boxes):
            return
        self._chosen = index
        self.held = key_of(self.path) if self.path is not None else None
        self._rewrite()
        self.post_message(self.Picked())

    def _rewrite(self) -> None:
        width, height = self.size
        self._written = icicle_lines(self._boxes, width, height, self._chosen, self.glyphs)
        self.redraw()
