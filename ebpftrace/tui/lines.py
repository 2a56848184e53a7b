"""A line of the screen as data: spans of text, each with the role it plays."""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from rich.cells import get_character_cell_size

Role = Literal[
    "plain",
    "label",
    "strong",
    "alarm",
    "good",
    "head",
    "cursor",
    "rule",
    "key",
    "bar",  # of a chart
    "second",  # bars of a second series
    "mark",
    "box",  # of the icicle, in one row and in the next
    "box2",
]


class Span(NamedTuple):
    """A piece of text; `canvas` turns the role into a style."""

    text: str
    role: Role = "plain"


Line = tuple[Span, ...]

_APART = "  "


def line(*spans: Span | str) -> Line:
    """One line; a bare string is plain."""
    return tuple(Span(span) if isinstance(span, str) else span for span in spans)


def wrapped(
    text: str, width: int, most: int, indent: str = "    ", role: Role = "plain"
) -> Iterator[Line]:
    """`text` over at most `most` lines of `width` cells; the last one is cut where it is drawn.

    Broken between its parts, which are two blanks apart, where one ends in the right half.
    """
    width = max(2 * len(indent), width)
    for _ in range(most - 1):
        fitting = _fitting(text, width)
        if fitting == len(text):
            break
        apart = text.rfind(_APART, width // 2, fitting + len(_APART))
        end = fitting if apart < 0 else apart
        yield line(Span(text[:end], role))
        text = indent + (text[end:] if apart < 0 else text[end:].lstrip())
    yield line(Span(text, role))


def _fitting(text: str, width: int) -> int:
    """How many characters of `text` fit into `width` cells; at least one."""
    if text.isascii():
        return min(len(text), width)
    taken = 0
    for count, character in enumerate(text):
        taken += get_character_cell_size(character)
        if taken > width:
            return max(count, 1)
    return len(text)


def flowed(label: Span, items: Iterable[Span], width: int, most: int) -> list[Line]:
    """`label` and the items, as many on a line as fit; what finds no room is counted at the end."""
    rows: list[list[Span]] = [[label]]
    used = len(label.text)
    waiting = list(items)
    while waiting:
        last = len(rows) == most
        rest = f"{_APART}+{len(waiting) - 1} (?)" if last and len(waiting) > 1 else ""
        needed = len(_APART) + len(waiting[0].text)
        if used + needed + len(rest) <= width or len(rows[-1]) == 1:
            rows[-1] += [Span(_APART), waiting.pop(0)]
            used += needed
        elif last:
            rows[-1].append(Span(f"{_APART}+{len(waiting)} (?)", label.role))
            break
        else:
            used = len(label.text)
            rows.append([Span(" " * used)])
    return [tuple(row) for row in rows]
