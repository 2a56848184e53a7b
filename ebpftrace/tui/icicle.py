"""The flame view: a tree as boxes of cells, the root on top, each as wide as its share of the bytes.

Only what can be seen is asked for: a node without a cell of its own, or below the last row, costs
nothing but its size.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from ebpftrace.tui.glyphs import Glyphs
from ebpftrace.tui.lines import Line, Role, Span
from ebpftrace.units import format_bytes

Direction = Literal["left", "right", "up", "down"]


class Node(Protocol):
    """What the view needs of a node; what its children do not hold of `bytes` it holds itself."""

    @property
    def label(self) -> str: ...
    @property
    def bytes(self) -> int: ...


_LEAST_LABEL = 2

N = TypeVar("N", bound=Node)


class Box(NamedTuple):
    """`width` cells from `x` on in row `y`, for one node; or, without a node, for `summed` children.

    Those are too small for a cell each and stand after the others.
    """

    x: int
    y: int
    width: int
    # Of type N: a named tuple is generic from Python 3.11 on only, and a frozen dataclass takes
    # three times as long.
    node: Any
    bytes: int
    summed: int = 0


def layout(
    root: N, width: int, height: int, children: Callable[[N], Sequence[N]]
) -> tuple[Box, ...]:
    """The boxes by row, from left to right; siblings in the order in which `children` gives them.

    An order by name keeps boxes in place while sizes change. Empty where there is no room.
    """
    if width < 1 or height < 1:
        return ()
    row = [Box(0, 0, width, root, root.bytes)]
    boxes = list(row)
    for y in range(1, height):
        below: list[Box] = []
        for box in row:
            if box.node is None:
                continue
            nodes = children(box.node)
            # Most of a deep tree is chains.
            if len(nodes) == 1 and nodes[0].bytes >= box.bytes > 0:
                below.append(Box(box.x, y, box.width, nodes[0], nodes[0].bytes))
            elif nodes:
                _divide(box, y, nodes, below)
        if not below:
            break
        boxes += below
        row = below
    return tuple(boxes)


def icicle_lines(
    boxes: Sequence[Box], width: int, height: int, chosen: int | None, glyphs: Glyphs
) -> list[Line]:
    """`height` lines; `chosen` is an index of `boxes`.

    An edge begins each box, the cursor's sign the chosen one; rows differ in their role.
    """
    rows: list[list[tuple[Role, str]]] = [[] for _ in range(height)]
    ends = [0] * height
    for index, box in enumerate(boxes):
        y = box.y
        if y >= height:
            break
        row, x = rows[y], box.x
        if x > ends[y]:
            row.append(("plain", " " * (x - ends[y])))
        if index == chosen:
            row.append(("cursor", glyphs.cursor + _text(box, glyphs)))
        else:
            row.append(("box2" if y % 2 else "box", glyphs.edge + _text(box, glyphs)))
        ends[y] = x + box.width
    for row, end in zip(rows, ends, strict=True):
        if end < width:
            row.append(("plain", " " * (width - end)))
    return [_joined(row) for row in rows]


def at(boxes: Sequence[Box], x: int, y: int) -> int | None:
    """The index of the box at a cell."""
    index = bisect_right(boxes, (y, x), key=_place) - 1
    if index < 0:
        return None
    box = boxes[index]
    return index if box.y == y and box.x <= x < box.x + box.width else None


def neighbour(boxes: Sequence[Box], chosen: int, direction: Direction) -> int:
    """The index of the box next to `chosen`; `chosen` itself where there is none.

    Up is the caller's box, down the widest of those below.
    """
    box = boxes[chosen]
    if direction == "up":
        above = at(boxes, box.x, box.y - 1)
        return chosen if above is None else above
    if direction == "down":
        first = bisect_right(boxes, (box.y + 1, box.x - 1), key=_place)
        end = bisect_right(boxes, (box.y + 1, box.x + box.width - 1), key=_place)
        return max(range(first, end), key=lambda index: boxes[index].width, default=chosen)
    index = chosen + (1 if direction == "right" else -1)
    return index if 0 <= index < len(boxes) and boxes[index].y == box.y else chosen


def _divide(parent: Box, y: int, nodes: Sequence[Node], into: list[Box]) -> None:
    """Share the cells of `parent` out among `nodes`, those below a cell, and what it holds itself."""
    width = parent.width
    sizes = [node.bytes for node in nodes]
    if min(sizes) < 0:
        sizes = [max(0, size) for size in sizes]
    held = sum(sizes)
    if not held:
        return
    total = max(parent.bytes, held)
    least = -(-total // width)
    seen = [index for index, size in enumerate(sizes) if size >= least]
    shares = [sizes[index] for index in seen]
    unseen = held - sum(shares)
    cells = _apportioned([*shares, unseen, total - held], width)
    x = parent.x
    for index, wide in zip(seen, cells, strict=False):
        into.append(Box(x, y, wide, nodes[index], sizes[index]))
        x += wide
    if cells[-2]:
        summed = len(sizes) - len(seen) - sizes.count(0)
        into.append(Box(x, y, cells[-2], None, unseen, summed))


def _apportioned(sizes: Sequence[int], width: int) -> list[int]:
    """`width` cells by the method of the largest remainder; of equal ones the first gets the cell."""
    total = sum(sizes)
    cells = [size * width // total for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda index: -(sizes[index] * width % total))
    for index in by_remainder[: width - sum(cells)]:
        cells[index] += 1
    return cells


def _text(box: Box, glyphs: Glyphs) -> str:
    """The label in what the edge leaves of the box; nothing where that would be a mark of a cut."""
    room = box.width - 1
    if room < _LEAST_LABEL:
        return " " * room
    if box.node is None:
        return glyphs.fit(f"+{box.summed} smaller, {format_bytes(box.bytes)}", room)
    label = box.node.label
    if len(label) > room:
        # Of a name that is cut, the end tells more than the namespaces that it begins with.
        label = label.rpartition("::")[2] or label
    return glyphs.fit(label, room)


def _joined(parts: Sequence[tuple[Role, str]]) -> Line:
    """Neighbours of one role as one span: a segment costs more than its text."""
    spans: list[Span] = []
    start = 0
    for index in range(1, len(parts) + 1):
        if index == len(parts) or parts[index][0] != parts[start][0]:
            spans.append(Span("".join([text for _, text in parts[start:index]]), parts[start][0]))
            start = index
    return tuple(spans)


def _place(box: Box) -> tuple[int, int]:
    return box.y, box.x
