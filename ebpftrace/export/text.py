"""One picture as text for a terminal or a log: header, totals, losses, then the sites."""

from collections.abc import Iterable, Iterator
from typing import TextIO

from ebpftrace.analysis import costs, wording
from ebpftrace.analysis.crowd import others, pick
from ebpftrace.analysis.responsible import Rules, responsible
from ebpftrace.analysis.selection import Selected, Selection, select
from ebpftrace.analysis.suppressed import Suppressed
from ebpftrace.analysis.trend import trend_of_site
from ebpftrace.model.picture import Picture, Site, Target
from ebpftrace.units import format_bytes

MOST_OF_TEXT = 160
"""Characters of what a line gives a text that a target chose."""
MOST_OF_NOTE = 600
"""The same of a sentence about a file: it may name two build ids."""
_MOST_CALLERS = 3
_MOST_TARGETS = 8
_IN_ASCII = str.maketrans(
    {"▸": ">", "│": "|", "←": "<-", "→": "->", "…": "..."}
    | dict(zip("▁▂▃▄▅▆▇█", "..::||##", strict=True))
)


def write(picture: Picture, selection: Selection, out: TextIO) -> None:
    """Write the report of one picture and flush it."""
    emit(lines(picture, selection), out)


def emit(report: Iterable[str], out: TextIO) -> None:
    """Write lines, an empty one after them, and flush; `?` is what `out` cannot encode."""
    said = "\n".join(report) + "\n\n"
    encoding = out.encoding or "utf-8"
    if encoding.lower().replace("-", "") != "utf8":
        said = said.translate(_IN_ASCII).encode(encoding, "replace").decode(encoding)
    out.write(said)
    out.flush()


def cut(said: str, most: int = MOST_OF_TEXT) -> str:
    """In one line, marked where it is cut."""
    return said if len(said) <= most else f"{said[: most - 1]}…"


def lines(picture: Picture, selection: Selection) -> Iterator[str]:
    """The report, line by line."""
    moment = picture.time.astimezone().strftime("%H:%M:%S")
    yield f"{moment}  {watched(picture)}"
    yield from (f"  {words}" for words in wording.waiting(picture))
    shown, rest = pick(picture.targets, _MOST_TARGETS)
    for target in shown:
        yield from about(target)
    if rest:
        yield f"  {others(rest)}"
    chosen = select(picture, selection)
    yield from summary(picture, chosen.suppressed)
    yield ""
    yield from listing(picture, chosen, selection.rules)


def watched(picture: Picture) -> str:
    """For how long and how, and whether that is all."""
    return f"{wording.watched(picture)}{'  (final)' if picture.final else ''}"


def about(target: Target) -> Iterator[str]:
    """One process."""
    known = [wording.named(target), target.exe, "+".join(target.allocators)]
    words = [*filter(None, known), *wording.missed(target), *wording.trouble(target)]
    yield f"  {'  '.join(words)}"
    if not target.folded:
        yield f"    {wording.resident(target)}"


def summary(picture: Picture, hidden: Suppressed) -> Iterator[str]:
    """What is held in all, how well that is known, what is hidden, and what it costs."""
    yield f"  {'grown  ' if picture.mode == 'growth' else 'tracked'}  {wording.tracked(picture)}"
    yield f"  calls    {wording.traffic(picture.totals, picture.mode)}"
    yield f"  stacks   {wording.stacks(picture)}"
    yield from (f"  lines    {words}" for words in wording.looked_up(picture.naming))
    yield from (f"  {line}" for line in losses(picture))
    if hidden.sites:
        yield f"  hidden   {wording.suppressed(hidden)}"
    yield f"  cost     {costs.price(picture)}"


def listing(picture: Picture, chosen: Selected, rules: Rules) -> Iterator[str]:
    """The sites that were `chosen`, and how many are left out."""
    holding = [site for site in chosen.sites if site.counts.blocks]
    if not holding:
        yield f"  {wording.nothing_held(picture, chosen.suppressed)}"
    several = len(picture.targets) > 1
    for number, site in enumerate(holding, 1):
        yield head(number, site, rules)
        yield f"      {_held(site, picture, several)}"
        yield from stack(site, rules)
    others = len(chosen.sites) - len(holding) + chosen.others.sites
    if others:
        yield (
            f"  and {wording.many(others, 'other site')} with {format_bytes(chosen.others.bytes)} "
            f"in {wording.many(chosen.others.blocks, 'block')}"
        )


def losses(picture: Picture) -> Iterator[str]:
    """What was lost, and what was seen that is no loss."""
    faults = picture.losses.faults()
    if not faults:
        yield "lost     nothing"
    for loss, count in faults:
        yield f"LOST     {wording.counted(loss, count)}: {loss.sentence}"
    facts = picture.losses.facts()
    if facts:
        yield "seen     " + ", ".join(wording.counted(loss, n) for loss, n in facts)


def head(number: int, site: Site, rules: Rules) -> str:
    """What a site is called, and by whom it is reached."""
    chain = wording.chain(site, rules, _MOST_CALLERS)
    return " ← ".join((f"  #{number}  {chain.title}", *chain.callers))


def _held(site: Site, picture: Picture, several: bool) -> str:
    now = picture.since_attach_s
    trend = wording.trend(trend_of_site(site, now))
    return f"{wording.holding(site, now, several, picture.mode)}  {trend}"


def stack(site: Site, rules: Rules) -> Iterator[str]:
    """All of it: --stack-depth is what keeps it short."""
    blamed = responsible(site.at.frames, rules)
    for index, frame in enumerate(site.at.frames):
        yield f"      {'▸' if index == blamed else ' '} {wording.place(frame)}"
        if index == blamed and frame.source:
            yield f"          │ {frame.source}"
    end = wording.stack_end(site)
    if end is not None:
        yield f"        {end}"
