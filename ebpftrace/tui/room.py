"""Who gets how many lines of the screen."""

from typing import NamedTuple

# From here on names and the stack beside them both have enough columns.
_WIDE = 160
# Below this height a stack would leave the table too few rows to be a table.
_LOW = 16


class Room(NamedTuple):
    """Lines of the header, the status and the pane; columns of the pane if it is `beside`.

    The table takes what is left.
    """

    header: int
    status: int
    pane: int
    beside: bool


def room(width: int, height: int, header: int, status: int, rows: int) -> Room:
    """Share out a screen; `header` and `status` are the lines they would like to have.

    What the `rows` of the table leave free goes to the pane, but the table keeps a third.

    On the smallest screen each of them keeps one line: totals and losses are always to be seen.
    """
    if height < _LOW:
        header = min(header, max(1, height // 5))
        status = min(status, max(1, height // 5))
        return Room(header, status, 0, beside=False)
    header = min(header, height // 3)
    status = min(status, height // 4)
    left = height - header - status
    if width >= _WIDE:
        return Room(header, status, width * 2 // 5, beside=True)
    table = max(3, left // 3, min(rows + 1, left * 3 // 5))
    return Room(header, status, left - table, beside=False)
