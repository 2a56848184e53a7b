"""One picture as text for a terminal or a log: header, totals, losses, then the sites."""

from collections.abc import Iterator
from typing import TextIO

from ebpftrace.analysis import wording
from ebpftrace.analysis.selection import Selection, select
from ebpftrace.model.picture import Picture, Site, Target
from ebpftrace.units import format_bytes

_MOST_FRAMES = 24


def write(picture: Picture, selection: Selection, out: TextIO) -> None:
    """Write the report of one picture and flush it."""
    out.write("\n".join(lines(picture, selection)) + "\n\n")
    out.flush()


def lines(picture: Picture, selection: Selection) -> Iterator[str]:
    """The report, line by line."""
    moment = picture.time.astimezone().strftime("%H:%M:%S")
    last = "  (final)" if picture.final else ""
    yield f"{moment}  {wording.watched(picture)}{last}"
    for target in picture.targets:
        yield f"  {_target(target)}"
        yield f"    {wording.resident(target)}"
    yield f"  tracked  {wording.tracked(picture)}"
    yield f"  calls    {wording.traffic(picture.totals)}"
    yield f"  stacks   {wording.stacks(picture)}"
    yield from (f"  {line}" for line in _losses(picture))
    yield f"  cost     {wording.price(picture.cost)}"
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
            f"  and {wording.many(others, 'other site')} with {format_bytes(chosen.others.bytes)} "
            f"in {wording.many(chosen.others.blocks, 'block')}"
        )


def _target(target: Target) -> str:
    words = [wording.named(target), target.exe, "+".join(target.allocators)]
    return "  ".join(words + wording.trouble(target))


def _losses(picture: Picture) -> Iterator[str]:
    faults = picture.losses.faults()
    if not faults:
        yield "lost     nothing"
    for loss, count in faults:
        yield f"LOST     {wording.counted(loss, count)}: {loss.sentence}"
    facts = picture.losses.facts()
    if facts:
        yield "seen     " + ", ".join(wording.counted(loss, n) for loss, n in facts)


def _site(number: int, site: Site, now: float, several: bool) -> Iterator[str]:
    yield f"  #{number}  {wording.holding(site, now, several)}"
    for frame in site.at.frames[:_MOST_FRAMES]:
        yield f"        {wording.place(frame)}"
    hidden = len(site.at.frames) - _MOST_FRAMES
    if hidden > 0:
        yield f"        … {hidden} more frames"
    end = wording.stack_end(site)
    if end is not None:
        yield f"        {end}"
