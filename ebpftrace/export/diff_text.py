"""What changed between snapshots, as text: the snapshots, the totals by class, then the call sites."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import TextIO

from ebpftrace.analysis import wording
from ebpftrace.analysis.between import differences, elapsed
from ebpftrace.analysis.charting import line_of
from ebpftrace.analysis.diff import Change, Diff, Held, Shown, largest
from ebpftrace.export import text
from ebpftrace.export.snapshot_text import origin
from ebpftrace.export.text import MOST_OF_NOTE, cut
from ebpftrace.model.picture import Point
from ebpftrace.model.snapshot import Snapshot
from ebpftrace.units import format_bytes, format_count

# More pictures than that are a chart between the first and the last.
_MOST_SAID = 4
_OWN = ("  why ", "  file ")


def write(
    snapshots: Sequence[Snapshot], files: Sequence[str], found: Diff, shown: Shown, out: TextIO
) -> None:
    """Write and flush it; `files` are clean, and what the user calls each snapshot."""
    now = datetime.now(timezone.utc)
    text.emit(lines(snapshots, files, found, shown, now), out)


def lines(
    snapshots: Sequence[Snapshot], files: Sequence[str], found: Diff, shown: Shown, now: datetime
) -> Iterator[str]:
    """All of it, line by line."""
    yield from _snapshots(snapshots, files, now)
    seconds = elapsed(snapshots)
    notes = dict.fromkeys(sentence for one in snapshots for sentence in one.notes)
    for sentence in (*differences(snapshots, found.rebuilt), *notes):
        yield f"  note     {cut(sentence, MOST_OF_NOTE)}"
    yield f"  tracked  {_changed(found.totals, seconds)}"
    yield from _classes(found)
    yield from _sites(found, shown, seconds)


def _snapshots(snapshots: Sequence[Snapshot], files: Sequence[str], now: datetime) -> Iterator[str]:
    """Each with its reason and file, and what else is not the same as in the one before it."""
    names = [f"{number}." for number in range(1, len(snapshots) + 1)]
    if len(snapshots) == 2:
        names = ["before", "after"]
    before: list[str] = []
    for name, snapshot, file in zip(names, snapshots, files, strict=True):
        picture = snapshot.picture
        yield f"{name:7}  {wording.taken(picture.time, now)}  {text.watched(picture)}"
        about = [f"  {label:8} {words}" for label, words in origin(snapshot, file)]
        for target in picture.targets:
            allocators = "+".join(target.allocators)
            known = [wording.named(target), target.exe, allocators, *wording.trouble(target)]
            about.append(f"  process  {cut('  '.join(known))}")
        yield from (line for line in about if line not in before or line.startswith(_OWN))
        lost, _, what = wording.lost(picture.losses).partition(" ")
        yield f"  {lost:8} {what}"
        before = about


def _classes(found: Diff) -> Iterator[str]:
    if found.nothing_changed:
        yield f"  same     nothing changed in {wording.many(len(found.changes), 'call site')}"
    else:
        for kind, total in found.kinds.items():
            if total.sites:
                sites = wording.many(total.sites, "call site")
                yield f"  {kind:8} {sites}: {_changed(total.held, None)}"
    hidden = found.hidden.values()
    if hidden:
        change = sum(one.change.bytes for one in hidden)
        sites = wording.many(sum(one.sites for one in hidden), "call site")
        by = wording.many(len(hidden), "suppression")
        yield f"  hidden   {sites}: {wording.signed(change)}, by {by} ({cut(', '.join(found.hidden))})"
    if any(map(any, found.unlisted)):
        yield f"  unlisted in no call site: {_changed(found.unlisted, None)}"


def _sites(found: Diff, shown: Shown, seconds: float | None) -> Iterator[str]:
    changed = [one for one in found.changes if one.kind != "same"]
    listed = largest(changed, shown.sort, shown.top)
    if listed:
        yield ""
    for number, one in enumerate(listed, 1):
        site = one.largest
        yield text.head(number, site, shown.rules)
        yield f"      {_words(one, seconds)}"
        yield from text.stack(site, shown.rules)
    others = len(changed) - len(listed)
    if others:
        rest = sum(one.change.bytes for one in changed) - sum(one.change.bytes for one in listed)
        sites = wording.many(others, "other call site")
        yield f"  and {sites} that changed, by {wording.signed(rest)} together"


def _words(one: Change, seconds: float | None) -> str:
    """What became of it, and whose it is."""
    words = [one.kind, _changed(one.held, seconds)]
    steps = len(one.held) - 1
    if steps > 1:
        words.append(f"grew in {one.grew_in} of {steps} steps")
    at = one.largest.at
    family = f" ({at.family})" if at.family else ""
    words.append(f"{at.allocator or 'an allocator function'}{family}")
    several = max(len(sites) for sites in one.sites)
    if several > 1:
        words.append(f"{several} stacks as one")
    return "  ".join(words)


def _changed(held: Sequence[Held], seconds: float | None) -> str:
    """`+1 KiB, +2 blocks  1 KiB in 2 blocks → 2 KiB in 4 blocks`; a rate where the time is known."""
    size, blocks = held[-1].since(held[0])
    per_minute = "" if not seconds else f", {wording.per_minute(size / seconds)}"
    many = "block" if abs(blocks) == 1 else "blocks"
    sign = "+" if blocks >= 0 else ""
    return (
        f"{wording.signed(size)}, {sign}{format_count(blocks)} {many}{per_minute}  {_course(held)}"
    )


def _course(held: Sequence[Held]) -> str:
    said = [_amount(one) for one in held]
    if len(held) > _MOST_SAID:
        sizes = [one.bytes for one in held]
        points = [Point(number, size, None) for number, size in enumerate(sizes)]
        said = [said[0], line_of(points, sizes, len(held)), said[-1]]
    return " → ".join(said)


def _amount(held: Held) -> str:
    if not any(held):
        return "nothing"
    return f"{format_bytes(held.bytes)} in {wording.many(held.blocks, 'block')}"
