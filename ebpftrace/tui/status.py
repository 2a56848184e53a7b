"""What stands at the bottom: what was lost, what watching costs, the keys."""

from ebpftrace.analysis import wording
from ebpftrace.model.losses import Losses
from ebpftrace.model.picture import Cost, Picture
from ebpftrace.tui.lines import Line, Span, flowed, line

# A map that is nearly full will soon lose something: worth a word before it does.
_NEARLY_FULL_PERCENT = 80.0
_MOST_LOSS_LINES = 3

KEYS = (
    ("q", "quit"),
    ("b", "bytes"),
    ("n", "blocks"),
    ("g", "growth"),
    ("a", "age"),
    ("r", "reverse"),
    ("enter", "stack"),
    ("?", "help"),
)


def status_lines(picture: Picture, width: int, most: int) -> list[Line]:
    """At most `most` lines; losses come first, because they may never be missing."""
    losses = _losses(picture.losses, width, max(1, min(_MOST_LOSS_LINES, most - 2)))
    return [*losses, _cost(picture.cost), _keys()][:most]


def _losses(losses: Losses, width: int, most: int) -> list[Line]:
    faults = [Span(wording.counted(loss, n), "alarm") for loss, n in losses.faults()]
    facts = [Span(wording.counted(loss, n)) for loss, n in losses.facts()]
    label = Span("LOST", "alarm") if faults else Span("lost nothing", "good")
    if facts:
        facts[0] = Span(f"seen {facts[0].text}")
    return flowed(label, faults + facts, width, most)


def _cost(cost: Cost) -> Line:
    full = [
        Span(f"  the map of {name} is {percent:.0f} % full", "alarm")
        for name, percent in cost.map_fill_percent.items()
        if percent >= _NEARLY_FULL_PERCENT
    ]
    return line(Span("cost  ", "label"), *full, Span(wording.price(cost)))


def _keys() -> Line:
    spans: list[Span] = []
    for key, does in KEYS:
        spans += [Span(key, "key"), Span(f" {does}  ", "label")]
    return tuple(spans)
