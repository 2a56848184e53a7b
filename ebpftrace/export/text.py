"""One picture as text for a terminal or a log: header, totals, losses, then the sites."""

from collections.abc import Iterator
from typing import TextIO

from ebpftrace.analysis import wording
from ebpftrace.analysis.responsible import Rules, responsible
from ebpftrace.analysis.selection import Selection, select
from ebpftrace.analysis.trend import trend_of_site
from ebpftrace.model.picture import Picture, Site, Target
from ebpftrace.units import format_bytes

_MOST_CALLERS = 3
_IN_ASCII = str.maketrans({"▸": ">", "│": "|", "←": "<-", "…": "..."})


def write(picture: Picture, selection: Selection, out: TextIO) -> None:
    """Write the report of one picture and flush it; `?` is what `out` cannot encode."""
    report = "\n".join(lines(picture, selection)) + "\n\n"
    encoding = out.encoding or "utf-8"
    if encoding.lower().replace("-", "") != "utf8":
        report = report.translate(_IN_ASCII).encode(encoding, "replace").decode(encoding)
    out.write(report)
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
    yield from (f"  lines    {words}" for words in wording.looked_up(picture.naming))
    yield from (f"  {line}" for line in _losses(picture))
    chosen = select(picture, selection)
    if chosen.suppressed.sites:
        yield f"  hidden   {wording.suppressed(chosen.suppressed)}"
    yield f"  cost     {wording.price(picture.cost)}"
    yield ""
    holding = [site for site in chosen.sites if site.counts.blocks]
    if not holding:
        yield f"  {wording.nothing_held(picture, chosen.suppressed)}"
    several = len(picture.targets) > 1
    for number, site in enumerate(holding, 1):
        yield _head(number, site, selection.rules)
        yield f"      {_held(site, picture.since_attach_s, several)}"
        yield from _stack(site, selection.rules)
    others = len(chosen.sites) - len(holding) + chosen.others.sites
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


def _head(number: int, site: Site, rules: Rules) -> str:
    chain = wording.chain(site, rules, _MOST_CALLERS)
    return " ← ".join((f"  #{number}  {chain.title}", *chain.callers))


def _held(site: Site, now: float, several: bool) -> str:
    trend = wording.trend(trend_of_site(site, now))
    return f"{wording.holding(site, now, several)}  {trend}"


def _stack(site: Site, rules: Rules) -> Iterator[str]:
    """All of it: --stack-depth is what keeps it short."""
    blamed = responsible(site.at.frames, rules)
    for index, frame in enumerate(site.at.frames):
        yield f"      {'▸' if index == blamed else ' '} {wording.place(frame)}"
        if index == blamed and frame.source:
            yield f"          │ {frame.source}"
    end = wording.stack_end(site)
    if end is not None:
        yield f"        {end}"
