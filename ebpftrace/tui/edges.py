"""What stands above and below the rows: header, timeline, scope and honesty line, and how high each is."""

from collections.abc import Sequence
from typing import NamedTuple

from ebpftrace.analysis.marks import Mark
from ebpftrace.analysis.suppressed import NOTHING, Suppressed
from ebpftrace.model.picture import Picture, Point
from ebpftrace.tui.glyphs import Glyphs
from ebpftrace.tui.header import State, header_lines, opening_lines, wanted
from ebpftrace.tui.listing import Listing
from ebpftrace.tui.room import Room, room
from ebpftrace.tui.scope import scope_line
from ebpftrace.tui.status import status_lines
from ebpftrace.tui.timeline import timeline_lines
from ebpftrace.tui.view import View

_HEADER_OF_WHOLE = 3


class Scene(NamedTuple):
    """What is shown: `rows` of a `view` of a `picture`.

    `whole`: one site over the whole body. `typed`: the filter is on the screen.
    """

    picture: Picture
    state: State
    points: Sequence[Point]
    marks: Sequence[Mark]
    view: View
    mark: Mark | None
    rows: int
    problem: str | None
    whole: bool
    typed: bool
    suppressed: Suppressed = NOTHING


class Edges:
    """The widgets, from top to bottom, and what they show."""

    def __init__(self, glyphs: Glyphs) -> None:
        self._glyphs = glyphs
        # What was needed once is kept: else the rows would jump when a line comes or goes.
        self._most_rows = self._most_status = 0
        self._size = (0, 0)
        self.header = Listing(glyphs)
        self.timeline = Listing(glyphs)
        self.scope = Listing(glyphs, id="scope")
        self.status = Listing(glyphs)

    def show(self, scene: Scene, width: int, height: int) -> Room:
        """Draw `scene` on a screen of this size; who was given how much of it."""
        picture = scene.picture
        if (width, height) != self._size:
            self._size, self._most_status = (width, height), 0  # a narrow one needs more
        self._most_rows = max(self._most_rows, scene.rows)
        self._most_status = max(self._most_status, len(status_lines(picture, width, height)))
        like = wanted(picture, recorded=scene.state.taken is not None)
        given = room(width, height, like, self._most_status, self._most_rows)
        if scene.whole:
            header = min(given.header, _HEADER_OF_WHOLE)
            given = given._replace(header=header, timeline=0)
        for part, lines in (
            (self.header, given.header),
            (self.timeline, given.timeline),
            (self.status, given.status),
        ):
            _give(part, lines)
        self.header.show(header_lines(picture, scene.state, given.header))
        self.status.show(status_lines(picture, width, given.status))
        if given.timeline:
            marks = [(mark.at, mark.name) for mark in scene.marks]
            size = width, given.timeline
            self.timeline.show(timeline_lines(scene.points, marks, *size, self._glyphs))
        words = scope_line(
            *(picture, scene.view, scene.mark, scene.rows, scene.problem),
            typed=scene.typed,
            hidden=scene.suppressed,
        )
        self.scope.display = bool(words)
        self.scope.show([words])
        return given

    def show_opening(self, words: str) -> None:
        """Until there is a picture."""
        _give(self.header, 1)
        for part in (self.timeline, self.scope, self.status):
            part.display = False
        self.header.show(opening_lines(words))


def _give(part: Listing, lines: int) -> None:
    """A height that is set lays out the whole screen anew, also where it is the one of before."""
    part.display = lines > 0
    if part.styles.height is None or part.styles.height.value != lines:
        part.styles.height = lines
