"""A snapshot as text: when, why and where it was taken, its processes, then the report of its picture."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import TextIO

from ebpftrace.analysis import wording
from ebpftrace.analysis.charting import line_of
from ebpftrace.analysis.crowd import others, pick
from ebpftrace.analysis.selection import Selection, select
from ebpftrace.export import text
from ebpftrace.export.process_lines import process_lines
from ebpftrace.export.text import MOST_OF_NOTE, cut
from ebpftrace.model.picture import Picture, Point
from ebpftrace.model.snapshot import Host, Snapshot
from ebpftrace.units import format_bytes, format_seconds

_CHART = 40
_MOST_TARGETS = 40


def write(snapshot: Snapshot, file: str, selection: Selection, out: TextIO) -> None:
    """Write the report and flush it; `file` is clean, and what the user calls the snapshot."""
    now = datetime.now(timezone.utc)
    text.emit(lines(snapshot, file, selection, now), out)


def lines(snapshot: Snapshot, file: str, selection: Selection, now: datetime) -> Iterator[str]:
    """The report, line by line."""
    picture = snapshot.picture
    yield f"{wording.taken(picture.time, now)}  {text.watched(picture)}"
    for name, words in origin(snapshot, file):
        yield f"  {name:8} {words}"
    yield from _processes(snapshot)
    chosen = select(picture, selection)
    yield from text.summary(picture, chosen.suppressed)
    yield from _history(snapshot.history)
    yield ""
    yield from text.listing(picture, chosen, selection.rules)
    if snapshot.notes:
        yield ""
        yield from (f"  note     {cut(sentence, MOST_OF_NOTE)}" for sentence in snapshot.notes)


def origin(snapshot: Snapshot, file: str) -> Iterator[tuple[str, str]]:
    """Why, by what, where and to which file it was written, as far as that is known."""
    if snapshot.trigger.sentence:
        yield "why", cut(snapshot.trigger.sentence)
    if snapshot.tool:
        yield "by", cut(snapshot.tool)
    if snapshot.host is not None:
        yield "on", _on(snapshot.host)
    yield "file", file


def _on(host: Host) -> str:
    size = [] if host.memory_bytes is None else [f"{format_bytes(host.memory_bytes)} of memory"]
    if host.available_bytes is not None:
        size.append(f"{format_bytes(host.available_bytes)} available")
    of = [host.distribution] if host.distribution else []
    words = [*of, wording.many(host.processors, "processor"), *size]
    return cut(f"{host.name}: Linux {host.kernel} {host.machine}, {', '.join(words)}")


def _processes(snapshot: Snapshot) -> Iterator[str]:
    """Those of the picture, each with what is known of it."""
    picture = snapshot.picture
    facts = {one.slot: one for one in snapshot.processes}
    held = _held(picture)
    shown, rest = pick(picture.targets, _MOST_TARGETS)
    for target in shown:
        yield from text.about(target)
        known = facts.get(target.slot)
        if known is not None:
            tracked = held.get(target.slot, 0)
            for line in process_lines(known, tracked, picture.since_attach_s):
                yield f"    {line}"
    if rest:
        yield f"  {others(rest)}"


def _held(picture: Picture) -> dict[int, int]:
    """Bytes by slot; of a single process also those without a call site."""
    if len(picture.targets) == 1:
        return {picture.targets[0].slot: picture.totals.bytes}
    held: dict[int, int] = {}
    for at, counts, *_ in picture.sites:
        held[at.slot] = held.get(at.slot, 0) + counts.bytes
    return held


def _history(points: Sequence[Point]) -> Iterator[str]:
    """What was tracked and resident over time, each from its lowest to its highest."""
    if len(points) < 2:
        return
    span = format_seconds(points[-1].at - points[0].at)
    series: dict[str, Sequence[int | None]] = {
        "tracked": [point.tracked for point in points],
        "resident": [point.resident for point in points],
    }
    yield f"  history  of {span}"
    for name, values in series.items():
        known = [value for value in values if value is not None]
        if known:
            ends = f"{format_bytes(min(known))} to {format_bytes(max(known))}"
            last = "" if values[-1] is None else f", last {format_bytes(values[-1])}"
            yield f"    {name:8} {line_of(points, values, _CHART)}  {ends}{last}"
