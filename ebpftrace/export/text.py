"""One picture as text for a terminal or a log: header, totals, losses, then the sites."""

import os
from collections.abc import Iterator
from typing import TextIO

from ebpftrace.analysis.selection import Selection, select
from ebpftrace.model.frames import Frame
from ebpftrace.model.picture import Picture, Site, Target
from ebpftrace.units import format_bytes, format_count, format_seconds

_MOST_FRAMES = 24
_ENDINGS = {"exited": "ended", "exec": "replaced by exec", "lost": "no longer traced"}


def write(picture: Picture, selection: Selection, out: TextIO) -> None:
    """Write the report of one picture and flush it."""
    out.write("\n".join(lines(picture, selection)) + "\n\n")
    out.flush()


def lines(picture: Picture, selection: Selection) -> Iterator[str]:
    """The report, line by line."""
    moment = picture.time.astimezone().strftime("%H:%M:%S")
    filters = "".join(f"  {name}" for name in picture.filters)
    last = "  (final)" if picture.final else ""
    watched = format_seconds(picture.since_attach_s)
    yield f"{moment}  {watched} since attach  mode {picture.mode}{filters}{last}"
    for target in picture.targets:
        yield f"  {_target(target)}"
        yield f"    {_resident(target)}"
    yield f"  {_totals(picture)}"
    yield f"  {_traffic(picture)}"
    yield from (f"  {line}" for line in _losses(picture))
    yield f"  {_cost(picture)}"
    yield ""
    chosen = select(picture, selection)
    holding = [site for site in chosen.sites if site.counts.blocks]
    if not holding:
        yield "  no site holds anything" if picture.sites else "  no allocation since the attach"
    several = len(picture.targets) > 1
    for number, site in enumerate(holding, 1):
        yield from _site(number, site, picture.since_attach_s, several)
    others = len(picture.sites) - len(holding)
    if others:
        yield (
            f"  and {_many(others, 'other site')} with {format_bytes(chosen.others.bytes)} "
            f"in {_many(chosen.others.blocks, 'block')}"
        )


def _many(count: int, noun: str) -> str:
    return f"{format_count(count)} {noun}{'' if count == 1 else 's'}"


def _signed(size: float) -> str:
    return f"{'+' if size >= 0 else ''}{format_bytes(size)}"


def _rate(bytes_per_s: float | None) -> str:
    return "rate not known yet" if bytes_per_s is None else f"{_signed(bytes_per_s)}/s"


def _target(target: Target) -> str:
    words = [f"{target.comm} (pid {target.pid})", target.exe, "+".join(target.allocators)]
    if target.ended is not None:
        words.append(_ENDINGS.get(target.ended, target.ended))
    if target.blind_s:
        words.append(f"no probes for {format_seconds(target.blind_s)} while their thread changed")
    return "  ".join(words)


def _resident(target: Target) -> str:
    if target.rss_bytes is None or target.rss_growth_bytes is None:
        return "resident memory not known"
    return (
        f"resident {format_bytes(target.rss_bytes)}, "
        f"{_signed(target.rss_growth_bytes)} since attach"
    )


def _totals(picture: Picture) -> str:
    totals = picture.totals
    grown = totals.allocated_bytes - totals.freed_bytes
    return (
        f"tracked  {format_bytes(totals.bytes)} in {_many(totals.blocks, 'block')}, "
        f"{_signed(grown)} since attach, {_rate(picture.growth)}"
    )


def _traffic(picture: Picture) -> str:
    totals = picture.totals
    adopted = f", adopted {format_count(totals.adopted_blocks)}" if totals.adopted_blocks else ""
    return (
        f"calls    allocated {format_count(totals.allocated_blocks)} "
        f"({format_bytes(totals.allocated_bytes)}), freed {format_count(totals.freed_blocks)} "
        f"({format_bytes(totals.freed_bytes)}){adopted}"
    )


def _losses(picture: Picture) -> Iterator[str]:
    faults = picture.losses.faults()
    if not faults:
        yield "lost     nothing"
    for loss, count in faults:
        yield f"LOST     {loss.name} {format_count(count)}: {loss.sentence}"
    facts = picture.losses.facts()
    if facts:
        yield "seen     " + ", ".join(f"{loss.name} {format_count(n)}" for loss, n in facts)


def _cost(picture: Picture) -> str:
    cost = picture.cost
    words = ["cost    "]
    if cost.hits_per_s is not None:
        words.append(f"{format_count(cost.hits_per_s)} probe hits/s,")
    if cost.target_cpu_percent is not None:
        words.append(f"{cost.target_cpu_percent:.1f} % of a processor in the target,")
    if cost.tool_cpu_percent is not None:
        words.append(f"{cost.tool_cpu_percent:.1f} % in this tool,")
    memory = (cost.tool_rss_bytes or 0) + (cost.kernel_bytes or 0)
    words.append(f"{format_bytes(memory)} of memory")
    return " ".join(words)


def _site(number: int, site: Site, now: float, several: bool) -> Iterator[str]:
    age = "" if site.oldest_at is None else f"  oldest {format_seconds(now - site.oldest_at)}"
    called = site.at.allocator or "an allocator function"
    family = f" ({site.at.family})" if site.at.family else ""
    owner = f"  pid {site.at.pid}" if several else ""
    yield (
        f"  #{number}  {format_bytes(site.counts.bytes)} in {_many(site.counts.blocks, 'block')}"
        f"  {_rate(site.growth)}{age}  {called}{family}{owner}"
    )
    for frame in site.at.frames[:_MOST_FRAMES]:
        yield f"        {_frame(frame)}"
    hidden = len(site.at.frames) - _MOST_FRAMES
    if hidden > 0:
        yield f"        … {hidden} more frames"
    if not site.at.stack:
        yield "        (stack not kept)"
    elif not site.at.frames:
        yield "        (stack not here yet)"
    elif not site.at.complete:
        yield "        …  (the walk ended before the start of the thread)"


def _frame(frame: Frame) -> str:
    module = f" [{os.path.basename(frame.module)}]" if frame.module else ""
    if frame.function is None:
        where = frame.offset if frame.offset is not None else frame.address
        return f"{where:#x}{module}"
    place = f" at {frame.file}:{frame.line}" if frame.file else ""
    return f"{frame.function}{place}{module}"
