"""A widget that draws lines of data, and only those that have changed.

The one place where spans become Segments: nothing is parsed as markup, and no control character
passes (`Glyphs.safe`).
"""

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from ebpftrace.tui.glyphs import UNICODE, Glyphs
from ebpftrace.tui.lines import Line, Role

# The terminal's own sixteen colours, and never a colour alone: without them (NO_COLOR) a loss is in
# capitals, the cursor has a sign, the heading is reversed, a series stands apart under its name. Text
# in reverse has no colour but the cursor's: on a light terminal it would be white on yellow or green.
_STYLES: dict[Role, Style] = {
    "plain": Style(),
    "label": Style(dim=True),
    "strong": Style(bold=True),
    "alarm": Style(bold=True, color="red"),
    "good": Style(color="green"),
    "head": Style(color="green", reverse=True),
    "cursor": Style(color="cyan", reverse=True),
    "rule": Style(dim=True, reverse=True),
    "key": Style(bold=True, color="cyan"),
    "bar": Style(color="green"),
    "second": Style(color="magenta"),
    "mark": Style(bold=True),
    "box": Style(color="yellow", reverse=True),
    "box2": Style(color="red", reverse=True),
}


class Canvas(Widget):
    """Says in `line_at` what stands on which line; `redraw` shows what has changed since."""

    ALLOW_SELECT = False
    DEFAULT_CSS = "Canvas { background: ansi_default; color: ansi_default; }"

    glyphs: Glyphs = UNICODE

    def __init__(self, glyphs: Glyphs, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.glyphs = glyphs
        self._drawn: dict[int, Line] = {}
        self._base: Style | None = None

    def line_at(self, y: int) -> Line:
        """The line at `y`, from 0 to the height of the widget."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Have the terminal sent the lines that differ from what it shows."""
        width, height = self.size
        for y in range(height):
            if self._drawn.get(y) != self.line_at(y):
                self.refresh(Region(0, y, width, 1))

    def render_line(self, y: int) -> Strip:
        """Called for each line that is on the screen and out of date."""
        line = self._drawn[y] = self.line_at(y)
        if self._base is None:  # found anew it takes as long as all the rest of a line
            self._base = self.rich_style
        return strip(line, self.size.width, self._base, self.glyphs)

    def notify_style_update(self) -> None:
        """Called by Textual when colours may be others now."""
        super().notify_style_update()
        self._base = None


def strip(line: Line, width: int, base: Style, glyphs: Glyphs) -> Strip:
    """`line` in exactly `width` cells, marked where it is cut."""
    segments = []
    left = width
    spans = [span for span in line if span.text]
    for number, (text, role) in enumerate(spans, 1):
        style = base + _STYLES[role]
        segment = Segment(glyphs.safe(text, left), style)
        more = number < len(spans)
        if segment.cell_length + more > left:
            segments.append(Segment(glyphs.fit(segment.text + " " * (left + 1), left), style))
            left = 0
            break
        segments.append(segment)
        left -= segment.cell_length
    if left:
        segments.append(Segment(" " * left, base))
    return Strip(segments, width)
