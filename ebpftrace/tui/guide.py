"""The help: keys, every target, every loss with its sentence, notes of the attach."""

from collections.abc import Iterable, Iterator

from ebpftrace.analysis import wording
from ebpftrace.model.picture import Picture
from ebpftrace.tui.header import target_line
from ebpftrace.tui.lines import Line, Span, line, wrapped

_MOST_LINES = 8
_KEYS = (
    ("q, Ctrl-C", "leave; the probes are removed"),
    ("up down, k j", "another site, which the cursor then stays on while the rows move"),
    ("page up, page down, end", "further down or up"),
    ("home", "the first row, whichever site that is"),
    ("b n g a", "sort by bytes, number of blocks, growth, age; again: the other way round"),
    ("r", "the other way round"),
    ("enter", "the stack over the whole screen, and back"),
    ("tab", "to the stack and back, to move in it"),
    ("ctrl-l", "draw the screen anew"),
    ("?", "this text, and back; so does escape"),
)


def guide_lines(picture: Picture, notes: Iterable[str], width: int) -> Iterator[Line]:
    """All of it, for the pane that scrolls."""
    yield _title("Keys (a click on a title sorts, too)")
    for key, does in _KEYS:
        yield line(Span(f"  {key:<24}", "key"), does)
    yield _title("Targets")
    for target in picture.targets:
        yield line("  ", *target_line(target))
    yield _title("Lost")
    faults = picture.losses.faults()
    if not faults:
        yield line("  nothing")
    for loss, count in faults:
        yield from wrapped(f"  {wording.counted(loss, count)}: {loss.sentence}", width, 4)
    yield _title("Seen, and no loss")
    for loss, count in picture.losses.facts():
        yield from wrapped(f"  {wording.counted(loss, count)}: {loss.sentence}", width, 4)
    yield _title("Cost")
    yield from wrapped(f"  {wording.price(picture.cost)}", width, 4)
    for name, percent in picture.cost.map_fill_percent.items():
        yield line(f"  the map of {name} is {percent:.1f} % full")
    yield _title("Notes")
    for note in (*notes, *dict.fromkeys(picture.naming.notes)) or ("none",):
        yield from wrapped(f"  {note}", width, _MOST_LINES)


def _title(words: str) -> Line:
    return line(Span(words, "strong"))
