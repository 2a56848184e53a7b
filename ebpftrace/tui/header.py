"""What stands at the top: the watch, its targets, the totals."""

from ebpftrace.analysis import wording
from ebpftrace.model.picture import Naming, Picture, Target
from ebpftrace.tui.lines import Line, Span, line
from ebpftrace.units import format_seconds

_MOST_TARGETS = 4
ENDED = "every target has ended, these are the final figures; q leaves"


def header_lines(picture: Picture, shown: int, late_s: float | None, most: int) -> list[Line]:
    """At most `most` lines; where there is one only, it is the totals.

    `shown` sites are rows of the table; `late_s` is how long no picture has come, if too long.
    """
    tracked = line(Span("tracked  ", "label"), Span(wording.tracked(picture), "strong"))
    whole = f"  stacks {wording.stacks(picture)}"
    calls = line(Span("calls    ", "label"), wording.traffic(picture.totals), Span(whole, "label"))
    watch = _watch(picture, shown, late_s)
    if most <= 1:
        return [watch if picture.final else tracked]
    if most == 2:
        return [watch, tracked]
    lines = _lines(picture.naming)
    targets = _targets(picture.targets, max(1, min(_MOST_TARGETS, most - 3 - len(lines))))
    return [watch, *targets, tracked, calls, *lines][:most]


def opening_lines(doing: str) -> list[Line]:
    """Until there is a picture."""
    return [
        line(Span(doing or "waiting for the first picture", "strong"), Span("  q leaves", "label"))
    ]


def wanted(picture: Picture) -> int:
    """How many lines it would like to have."""
    return 3 + min(len(picture.targets), _MOST_TARGETS) + len(_lines(picture.naming))


def target_line(target: Target) -> Line:
    """One target; its path comes last, where it may be cut."""
    spans = [Span(wording.named(target), "strong")]
    spans += [Span(f"  {words}", "alarm") for words in wording.trouble(target)]
    spans.append(Span(f"  {wording.resident(target)}  {'+'.join(target.allocators)}  {target.exe}"))
    return tuple(spans)


def _lines(naming: Naming) -> list[Line]:
    """One line as long as places are looked up, or where something keeps some without a line."""
    words = wording.looked_up(naming)
    return [line(Span("lines    ", "label"), "; ".join(words))] if words else []


def _watch(picture: Picture, shown: int, late_s: float | None) -> Line:
    spans = [Span(wording.watched(picture))]
    if picture.final:
        spans.insert(0, Span(f"{ENDED}  ", "alarm"))
    elif late_s is not None:
        spans.insert(0, Span(f"no picture for {format_seconds(late_s)}  ", "alarm"))
    spans.append(Span(f"  {wording.many(shown, 'site')}"))
    others = len(picture.sites) - shown
    if others:
        spans.append(Span(f", {others} more not shown", "label"))
    return tuple(spans)


def _targets(targets: tuple[Target, ...], most: int) -> list[Line]:
    """Those that still run come first; what finds no room is counted."""
    ordered = sorted(targets, key=lambda target: not target.alive)
    if len(ordered) <= most:
        return [target_line(target) for target in targets]
    rows = [target_line(target) for target in ordered[: most - 1]]
    left = ordered[most - 1 :]
    ended = sum(not target.alive for target in left)
    words = f"{len(left)} more processes, {ended} of them ended"
    rows.append(line(words, Span("  (? lists them)", "label")))
    return rows
