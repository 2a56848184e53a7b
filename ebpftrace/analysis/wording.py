"""What is said of a picture, in phrases that the text report and the dashboard share.

Layout, labels and colours belong to the views.
"""

import os
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from ebpftrace.analysis.names import short
from ebpftrace.analysis.responsible import Rules, responsible
from ebpftrace.analysis.suppressed import By, Suppressed
from ebpftrace.analysis.trend import Trend
from ebpftrace.model.frames import Frame
from ebpftrace.model.losses import Loss, Losses
from ebpftrace.model.modes import Level
from ebpftrace.model.picture import MAPPINGS, CallSite, Counts, Naming, Picture, Site, Target
from ebpftrace.units import format_bytes, format_count, format_seconds

_MOST_NAMES = 4
_MOST_OF_NAME = 48
_ENDINGS = {"exited": "ended", "exec": "replaced by exec", "lost": "no longer traced"}


def many(count: int, noun: str) -> str:
    """`1 block`, `1 234 blocks`."""
    return f"{format_count(count)} {noun}{'' if count == 1 else 's'}"


def signed(size: float) -> str:
    """`+1.5 KiB`, `-20 B`."""
    return f"{'+' if size >= 0 else ''}{format_bytes(size)}"


def per_minute(bytes_per_s: float) -> str:
    """`+1.2 MiB/min`."""
    return f"{signed(60 * bytes_per_s)}/min"


def rate(bytes_per_s: float | None) -> str:
    return "rate not known yet" if bytes_per_s is None else per_minute(bytes_per_s)


def trend(known: Trend) -> str:
    """`growing +1.2 MiB/min (1.1 to 1.4)`, `churning`; no rate where it may be none."""
    word, rate, low, high = known
    if word is None or rate is None or low is None or high is None:
        return "too early to say"
    if low <= 0 or word not in ("growing", "levelling off"):
        return word
    return f"{word} {per_minute(rate)} ({_range(rate, low, high)})"


def _range(rate: float, low: float, high: float) -> str:
    """`1.1 to 1.4` per minute, with units where they are not all that of the rate."""
    said = [format_bytes(60 * one) for one in (rate, low, high)]
    if len({one.split()[1] for one in said}) == 1:
        return " to ".join(one.split()[0] for one in said[1:])
    return " to ".join(said[1:])


_STACK_ENDS = {
    "no_rule": "no unwind rule was there yet",
    "unsupported": "its unwind information cannot be followed",
    "unreadable": "the next frame cannot be read",
    "truncated": "deeper than --stack-depth",
}


def taken(moment: datetime, now: datetime) -> str:
    """`2026-11-20 13:00:00 (2h 05m ago)`, by the time zone of this host."""
    ago = int((now - moment).total_seconds())
    said = f"{abs(ago)} s" if abs(ago) < 60 else format_seconds(abs(ago))
    side = "ago" if ago >= 0 else "ahead of this clock"
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S} ({said} {side})"


def watched(picture: Picture) -> str:
    """For how long, how, and what the kernel leaves out."""
    filters = "".join(f"  {name}" for name in picture.filters)
    since = format_seconds(picture.since_attach_s)
    return f"{since} since attach  {mode(picture)}{filters}{drained(picture)}"


def mode(picture: Picture) -> str:
    """How closely it is watched, and, where that has changed, since when and why."""
    level = Level(picture.mode, picture.scale)
    if not picture.mode_changes:
        return f"mode {level}"
    change = picture.mode_changes[-1]
    return f"mode {level} for {format_seconds(picture.since_attach_s - change.at_s)} ({change.why})"


def off(error: float | None) -> str:
    """` ± 1.2 MiB`: how far an estimate may be off; empty where it was counted."""
    return "" if error is None else f" ± {format_bytes(error)}"


def drained(picture: Picture) -> str:
    """Since when allocations are not recorded, or for how long they were not; empty where they are."""
    if picture.drain is None:
        return ""
    since, unrecorded = picture.drain
    if since is None:
        return f"  allocations not recorded for {format_seconds(unrecorded)}"
    under_way = format_seconds(max(0.0, picture.since_attach_s - since))
    return f"  DRAINING for {under_way}: only frees are recorded"


def named(target: Target) -> str:
    if target.folded:
        return f"{many(target.programs, 'program')} that came and ended"
    return f"{target.comm} (pid {target.pid})"


def missed(target: Target) -> list[str]:
    """For how long one that came later ran without probes."""
    if not target.missed_s:
        return []
    return [f"its first {format_seconds(target.missed_s)} missed"]


def waiting(picture: Picture) -> list[str]:
    """For what the watch waits, which does not run now."""
    return [f"waiting for {words}" for words in picture.waiting_for]


def trouble(target: Target) -> list[str]:
    """What keeps the target's figures from going on, or made them miss something."""
    words = []
    if target.ended is not None and not target.folded:
        by = f": {target.ended_by}" if target.ended_by is not None else ""
        words.append(_ENDINGS.get(target.ended, target.ended) + by)
    if target.blind_s:
        words.append(f"no probes for {format_seconds(target.blind_s)} while their thread changed")
    return words


def resident(target: Target) -> str:
    if target.rss_bytes is None or target.rss_growth_bytes is None:
        return "resident memory not known"
    return (
        f"resident {format_bytes(target.rss_bytes)}, {signed(target.rss_growth_bytes)} since attach"
    )


GROWTH = "fresh memory, not given back at once; what is used again inside the heap is not seen"
"""What the numbers of mode growth are, and what they cannot say."""


def taken_fresh(picture: Picture) -> str:
    """What was taken since the attach, in mode growth."""
    words = f"about {_give_or_take(picture.totals.bytes, picture.error)} taken since attach"
    mapped = picture.mapped
    beside = ""
    if mapped is not None and mapped.allocated_blocks:
        beside = f"; {format_bytes(mapped.bytes)} mapped in {mappings(mapped)}, touched or not"
    return f"{words}, {rate(picture.growth)} ({GROWTH}){beside}"


def _give_or_take(size: int, error: float | None) -> str:
    """`1.2 GiB`, `1.2 GiB ± 10 MiB` where it is an estimate."""
    said = format_bytes(size)
    return said if not error or error < 0.005 * size else f"{said} ± {format_bytes(error)}"


def tracked(picture: Picture) -> str:
    """What is outstanding, and how it grows."""
    if picture.mode == "growth":
        return taken_fresh(picture)
    totals = picture.totals
    grown = totals.allocated_bytes - totals.freed_bytes
    said = f"{held(totals, picture.error)}, {signed(grown)} since attach, {rate(picture.growth)}"
    if picture.mapped is None or not picture.mapped.blocks:
        return said
    return f"{said}; {format_bytes(picture.mapped.bytes)} of it in {mappings(picture.mapped)}"


def mappings(counts: Counts) -> str:
    """`3 mappings`: what is held of the family mmap."""
    return many(counts.blocks, "mapping")


def held(counts: Counts, error: float | None = None) -> str:
    return f"{format_bytes(counts.bytes)}{off(error)} in {many(counts.blocks, 'block')}"


def suppressed(hidden: Suppressed) -> str:
    """`3 sites with 1.2 MiB in 40 blocks by 2 suppressions (a, b)`."""
    names = [
        one.name if len(one.name) <= _MOST_OF_NAME else f"{one.name[:_MOST_OF_NAME]}…"
        for one in hidden.by[:_MOST_NAMES]
    ]
    if len(hidden.by) > _MOST_NAMES:
        names.append(f"and {format_count(len(hidden.by) - _MOST_NAMES)} more")
    held = f"{format_bytes(hidden.bytes)} in {many(hidden.blocks, 'block')}"
    by = f"{many(len(hidden.by), 'suppression')} ({', '.join(names)})"
    return f"{many(hidden.sites, 'site')} with {held} by {by}"


def suppressed_by(one: By) -> str:
    """`name: 2 sites with 1.2 MiB in 40 blocks`."""
    held = f"{format_bytes(one.bytes)} in {many(one.blocks, 'block')}"
    return f"{one.name}: {many(one.sites, 'site')} with {held}"


def nothing_held(picture: Picture, hidden: Suppressed) -> str:
    """Where no site that is shown holds anything."""
    if not picture.targets:
        return "nothing that is watched has run"
    if not picture.sites:
        return "no allocation since the attach"
    return (
        "no site holds anything that is not hidden" if hidden.blocks else "no site holds anything"
    )


def traffic(counts: Counts, mode: str = "full") -> str:
    """What went through since the attach."""
    if mode == "growth":
        return (
            f"{many(counts.allocated_blocks, 'page fault')} of growth, each a sample of its stack"
        )
    adopted = f", adopted {format_count(counts.adopted_blocks)}" if counts.adopted_blocks else ""
    return (
        f"allocated {format_count(counts.allocated_blocks)} "
        f"({format_bytes(counts.allocated_bytes)}), freed {format_count(counts.freed_blocks)} "
        f"({format_bytes(counts.freed_bytes)}){adopted}"
    )


def traffic_of(site: Site, mode: str) -> str:
    """The same of a site; mappings are told of by the calls."""
    return traffic(site.counts, "full" if site.at.family == MAPPINGS else mode)


def counted(loss: Loss, count: int) -> str:
    return f"{loss.name} {format_count(count)}"


def lost(losses: Losses) -> str:
    """Every fault by name, in one line."""
    faults = losses.faults()
    if not faults:
        return "lost nothing"
    return "LOST " + ", ".join(counted(loss, n) for loss, n in faults)


def holding(site: Site, now: float, several: bool, mode: str = "full") -> str:
    """What a site holds, and by which function; with its pid where there are `several`."""
    if mode == "growth" and site.at.family != MAPPINGS:
        return _taking(site, several)
    age = "" if site.oldest_at is None else f"  oldest {format_seconds(now - site.oldest_at)}"
    called = site.at.allocator or "an allocator function"
    family = f" ({site.at.family})" if site.at.family else ""
    owner = f"  pid {site.at.pid}" if several else ""
    return f"{held(site.counts, site.error)}  {rate(site.growth)}{age}  {called}{family}{owner}"


def _taking(site: Site, several: bool) -> str:
    """The same in mode growth."""
    samples = many(site.counts.blocks, "page fault")
    how = f"  {site.at.allocator}" if site.at.allocator else ""
    owner = f"  pid {site.at.pid}" if several else ""
    taken = f"{_give_or_take(site.counts.bytes, site.error)} by {samples}"
    return f"{taken}  {rate(site.growth)}{how}{owner}"


def function(frame: Frame) -> str:
    """The function, or where the code lies if it has no name; never empty."""
    if frame.function:
        return frame.function
    return f"{frame.offset if frame.offset is not None else frame.address:#x}"


def title(frame: Frame) -> str:
    """A frame in few words: `app::Cache<…>::put cache.cpp:42`, `session_create [server]`."""
    if frame.file is not None:
        return f"{caller(frame)} {_line(os.path.basename(frame.file), frame)}"
    return within(frame)


def caller(frame: Frame) -> str:
    """The function alone, as short as in a title."""
    return function(frame) if frame.function is None else short(frame.function)


def within(frame: Frame) -> str:
    """The function and its module: `session_create [server]`."""
    return f"{caller(frame)}{_module(frame, ' ')}"


def place(frame: Frame) -> str:
    """One line of a stack: all that is known of a frame but the column."""
    source = f"  {_line(frame.file, frame)}" if frame.file is not None else ""
    inlined = "  (inlined)" if frame.inlined else ""
    return f"{function(frame)}{source}{_module(frame, '  ')}{inlined}"


def _line(file: str, frame: Frame) -> str:
    """Line 0 stands for code of no line (DWARF 5, 6.2.2)."""
    return f"{file}:{frame.line}" if frame.line else file


def _module(frame: Frame, apart: str) -> str:
    if not frame.module:
        return ""
    if frame.module.startswith("["):  # a name of the kernel's, or ours for code of no file
        return f"{apart}{frame.module}"
    return f"{apart}[{os.path.basename(frame.module)}]"


class Chain(NamedTuple):
    """The title of a site, then its callers outward, which tell sites of the same function apart."""

    title: str
    callers: tuple[str, ...]


def chain(site: Site, rules: Rules, most: int) -> Chain:
    """At most so many callers; they start at the responsible frame, or at the first with a name."""
    frames = site.at.frames
    if not frames:
        return Chain(no_stack(site.at), ())
    first = leading(frames, rules)
    callers = frames[first + 1 : first + 1 + most]
    return Chain(title(frames[first]), tuple(caller(frame) for frame in callers))


def leading(frames: Sequence[Frame], rules: Rules) -> int:
    """Which of the frames, not none, stands for them: the responsible one, or the first with a name."""
    first = responsible(frames, rules)
    if first is None:
        first = next((n for n, frame in enumerate(frames) if frame.function is not None), 0)
    return first


def no_stack(at: CallSite) -> str:
    """Why there are no frames."""
    return "(stack not here yet)" if at.stack else "(stack not kept)"


def stack_end(site: Site) -> str | None:
    """Why the frames end where they do, or what they rest on; None for a whole and certain stack."""
    if not site.at.stack or not site.at.frames:
        return no_stack(site.at)
    if not site.at.complete:
        return f"…  ({_STACK_ENDS.get(site.at.end or '', 'the stack ends early')})"
    return "(guessed: some code has no unwind information)" if site.at.guessed else None


def stacks(picture: Picture) -> str:
    """How many stacks are whole, and why the others are not."""
    known = picture.stacks
    if not known.allocations:
        return "no stack yet"
    words = [f"{percent(known.whole, known.allocations)} whole"]
    parts = {
        "guessed": known.guessed,
        f"deeper than {known.depth} frames": known.truncated,
        "cut short": known.cut,
    }
    words += [f"{percent(n, known.allocations)} {name}" for name, n in parts.items() if n]
    return ", ".join(words)


def percent(part: int, whole: int) -> str:
    """Of two decimals, and never all of it where one is missing, nor nothing where there is one."""
    if part in (0, whole):
        return "100 %" if part else "0 %"
    return f"{min(max(100 * part / whole, 0.01), 99.99):.2f} %"


def looked_up(naming: Naming) -> list[str]:
    """How far the look-up of files and lines is, until it is done, and what keeps it from some."""
    words = []
    if naming.pending > 0:
        done = format_count(naming.wanted - naming.pending)
        words.append(f"{done} of {many(naming.wanted, 'place')} looked up")
    return [*words, *dict.fromkeys(naming.notes)]
