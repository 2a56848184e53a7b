"""Who gets how many lines of the screen."""

from typing import NamedTuple

# From here on names and the stack beside them both have enough columns.
_WIDE = 160
# Below this height a stack would leave the table too few rows to be a table.
_LOW = 16
# Lines of the timeline from this height of the screen on.
_TIMELINE = ((56, 7), (34, 5), (22, 3))


class Room(NamedTuple):
    """Lines of each part; columns of the pane if it is `beside`. The table takes what is left."""

    header: int
    timeline: int
    tabs: int
    status: int
    footer: int
    pane: int
    beside: bool


def room(width: int, height: int, header: int, status: int, rows: int) -> Room:
    """Share out a screen; `header` and `status` are the lines they would like to have.

    What the `rows` of the table leave free goes to the pane, but the table keeps a third. On the
    smallest screen header and status keep one line: totals and losses are always to be seen.
    """
    if height < _LOW:
        header = min(header, max(1, height // 5))
        status = min(status, max(1, height // 5))
        return Room(header, 0, 0, status, 0, 0, beside=False)
    header = min(header, max(3, height // 6))
    status = min(status, max(2, height // 12))
    timeline = next((lines for least, lines in _TIMELINE if height >= least), 0)
    left = height - header - timeline - status - 2
    if width >= _WIDE:
        return Room(header, timeline, 1, status, 1, width * 2 // 5, beside=True)
    table = max(4, left // 3, min(rows + 1, left * 3 // 5))
    return Room(header, timeline, 1, status, 1, left - table, beside=False)
