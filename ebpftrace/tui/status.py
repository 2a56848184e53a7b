"""The honesty line: what was lost, how whole stacks are, how far lines are looked up, what it costs."""

from collections.abc import Iterator

from ebpftrace.analysis import costs, wording
from ebpftrace.model.picture import Picture
from ebpftrace.tui.lines import Line, Span, flowed

# A map that is nearly full will soon lose something: worth a word before it does.
_NEARLY_FULL_PERCENT = 80.0
_MOST_LINES = 4


def status_lines(picture: Picture, width: int, most: int) -> list[Line]:
    """At most `most` lines; losses come first, because they may never be missing."""
    losses = picture.losses
    faults = [Span(wording.counted(loss, n), "alarm") for loss, n in losses.faults()]
    label = Span("LOST", "alarm") if faults else Span("lost nothing", "good")
    return flowed(label, [*faults, *_facts(picture)], width, max(1, min(_MOST_LINES, most)))


def _facts(picture: Picture) -> Iterator[Span]:
    full = picture.cost.map_fill_percent
    for name, percent in full.items():
        if percent >= _NEARLY_FULL_PERCENT:
            yield Span(f"the map of {name} is {percent:.0f} % full", "alarm")
    yield Span(wording.mode(picture))
    yield Span(f"stacks {wording.stacks(picture)}")
    for loss, count in picture.losses.facts():
        yield Span(wording.counted(loss, count))
    yield from map(Span, wording.looked_up(picture.naming))
    fullest = max(full.values(), default=None)
    if fullest is not None and fullest < _NEARLY_FULL_PERCENT:
        yield Span(f"maps {fullest:.1f} % full")
    first, *others = costs.prices(picture)
    yield Span(f"cost {first}")
    yield from map(Span, others)
