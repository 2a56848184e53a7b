"""What a page says of a snapshot beside its flame graph: whose memory, when, where, and what is missing."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timezone

from ebpftrace.analysis import costs, wording
from ebpftrace.analysis.headline import headline
from ebpftrace.export.formats.subject import Subject
from ebpftrace.export.snapshot_text import origin
from ebpftrace.export.text import MOST_OF_NOTE, cut
from ebpftrace.model.picture import Picture
from ebpftrace.units import format_bytes, format_seconds

_MOST_NAMED = 3
_MOST_PROCESSES = 50


def title(subject: Subject) -> str:
    """`Memory of app (pid 42)`; with how many more where there are many."""
    targets = subject.snapshot.picture.targets
    names = [cut(wording.named(target)) for target in targets[:_MOST_NAMED]]
    if len(targets) > _MOST_NAMED:
        names.append(f"{len(targets) - _MOST_NAMED} more")
    return f"Memory of {', '.join(names) or 'no process'}"


def warnings(subject: Subject, before: Subject | None) -> Iterator[tuple[bool, str]]:
    """What nobody should miss, in sentences; and is it bad?"""
    picture = subject.snapshot.picture
    host = subject.snapshot.host
    on = f" on {host.name}" if host is not None and host.name else ""
    watch = format_seconds(picture.since_attach_s)
    yield (
        False,
        cut(f"{wording.held(subject.counts)} in use{on}, {_moment(picture)}, after {watch}."),
    )
    if before is not None:
        yield False, _compared(subject, before)
    if picture.losses.faults():
        yield True, wording.lost(picture.losses)
    if subject.suppressed.sites:
        yield False, f"Not in the graph: {wording.suppressed(subject.suppressed)}."


def _compared(subject: Subject, before: Subject) -> str:
    change = wording.signed(subject.counts.bytes - before.counts.bytes)
    base = before.snapshot
    apart = f"{change} since {_moment(base.picture)}: {wording.held(before.counts)} then"
    return f"{apart}{f' ({cut(base.file)})' if base.file else ''}."


def facts(subject: Subject) -> Iterator[tuple[str, str]]:
    """Name and words of each fact; a name may come again."""
    snapshot, picture = subject.snapshot, subject.snapshot.picture
    yield "taken", f"{_moment(picture)}, {wording.watched(picture)}"
    yield from origin(snapshot, subject.file)
    commands = {one.slot: " ".join(one.command_line).rstrip() for one in snapshot.processes}
    for target in picture.targets[:_MOST_PROCESSES]:
        who = map(cut, (wording.named(target), target.exe, "+".join(target.allocators)))
        how = (*wording.trouble(target), wording.resident(target))
        yield "process", ", ".join((*who, *how))
        if commands.get(target.slot):
            yield "command", cut(commands[target.slot])
    if len(picture.targets) > _MOST_PROCESSES:
        yield "process", f"and {len(picture.targets) - _MOST_PROCESSES} more"
    yield "tracked", wording.tracked(picture)
    yield "calls", wording.traffic(picture.totals, picture.mode)
    yield from _fastest(subject)
    yield "stacks", wording.stacks(picture)
    yield from (("lines", words) for words in wording.looked_up(picture.naming))
    yield from _losses(picture)
    if subject.suppressed.sites:
        yield from (("suppressed", cut(wording.suppressed_by(by))) for by in subject.suppressed.by)
    yield "cost", costs.price(picture)
    yield from (("note", cut(sentence, MOST_OF_NOTE)) for sentence in snapshot.notes)


def _fastest(subject: Subject) -> Iterator[tuple[str, str]]:
    shown = replace(subject.snapshot.picture, sites=subject.sites)
    found = headline(shown, [site.counts.bytes for site in subject.sites])
    if found.site is not None and found.trend is not None:
        chain = wording.chain(found.site, subject.selection.rules, _MOST_NAMED)
        names = " ← ".join((chain.title, *chain.callers))
        held = format_bytes(found.site.counts.bytes)
        yield "leaks most", f"{cut(names)}: {held}, {wording.trend(found.trend)}"


def _losses(picture: Picture) -> Iterator[tuple[str, str]]:
    faults = picture.losses.faults()
    if not faults:
        yield "lost", "nothing"
    for loss, count in faults:
        yield "LOST", f"{wording.counted(loss, count)}: {loss.sentence}"
    for loss, count in picture.losses.facts():
        yield "seen", f"{wording.counted(loss, count)}: {loss.sentence}"


def _moment(picture: Picture) -> str:
    """By the clock of everybody: the page is read elsewhere and later."""
    return f"{picture.time.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
