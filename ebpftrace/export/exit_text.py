"""The report at the end of `run`, in the spirit of Valgrind's leak summary: exact, by call site."""

from collections.abc import Iterator, Sequence

from ebpftrace.analysis import crowd, wording
from ebpftrace.analysis.exiting import AtExit, Replaced
from ebpftrace.analysis.selection import Selection, select
from ebpftrace.analysis.summing import counts_of
from ebpftrace.export.text import head, losses, stack
from ebpftrace.model.picture import Counts, Site
from ebpftrace.units import format_bytes, format_count

_MOST_FOLLOWED = 10


def lines(found: AtExit, selection: Selection, children: int) -> Iterator[str]:
    """`children` were started and not watched."""
    target, held, picture = found.target, found.held, found.picture
    yield ending(found)
    yield f"  {target.exe}  {'+'.join(target.allocators)}"
    if picture.mode == "growth":
        yield f"  grown           {wording.tracked(picture)}"
        yield f"  calls           {wording.traffic(held, picture.mode)}"
    else:
        yield f"  {'in use at exit' if found.known else 'in use        '}  {_exactly(held)}"
        yield f"  allocated       {_amount(held.allocated_blocks, held.allocated_bytes)}"
        yield f"  freed           {_amount(held.freed_blocks, held.freed_bytes)}"
    if mapped := counts_of(found.mapped).blocks:
        size = format_count(counts_of(found.mapped).bytes)
        yield f"  mapped          {size} bytes in {wording.many(mapped, 'mapping')}, which are not among these"
    if found.suppressed.sites:
        yield f"  suppressed      {wording.suppressed(found.suppressed)}"
    for one in found.before:
        yield f"  before          {_before(one)}"
    yield from _followed(found.followed)
    if children:
        yield f"  children        {_children(children)}"
    yield f"  stacks          {wording.stacks(picture)}"
    yield from (f"  lines           {words}" for words in wording.looked_up(picture.naming))
    yield from (f"  {line}" for line in losses(picture))
    yield ""
    yield from _sites(found, selection)


def ending(found: AtExit) -> str:
    """`ls (pid 42) ended: status 0`."""
    target = found.target
    how = wording.trouble(target)[0] if target.ended is not None else "is still running"
    return f"{wording.named(target)} {how}"


def _exactly(counts: Counts) -> str:
    return f"{_amount(counts.blocks, counts.bytes)} ({format_bytes(counts.bytes)})"


def _amount(blocks: int, size: int) -> str:
    return f"{format_count(size)} bytes in {wording.many(blocks, 'block')}"


def _children(count: int) -> str:
    if count == 1:
        return "1 process was started, and not watched"
    return f"{format_count(count)} processes were started, and not watched"


def _followed(those: Sequence[Replaced]) -> Iterator[str]:
    """What it has forked off, those that held most first."""
    if not those:
        return
    programs = crowd.counted([one.target for one in those])
    held = sum(one.counts.bytes for one in those)
    names = crowd.names([one.target for one in those])
    yield f"  followed        {programs}, with {format_bytes(held)}: {names}"
    for one in sorted(those, key=lambda one: -one.counts.bytes)[:_MOST_FOLLOWED]:
        words = [
            wording.held(one.counts),
            *wording.missed(one.target),
            *wording.trouble(one.target),
        ]
        yield f"                  {wording.named(one.target)}: {', '.join(words)}"


def _before(one: Replaced) -> str:
    """What the process was before an exec."""
    return f"{one.target.comm} ({one.target.exe}), with {wording.held(one.counts)} when it was replaced"


def _sites(found: AtExit, selection: Selection) -> Iterator[str]:
    picture = found.shown or found.picture
    chosen = select(picture, selection)
    holding = [site for site in chosen.sites if site.counts.blocks]
    if not holding:
        yield f"  {wording.nothing_held(picture, chosen.suppressed)}"
    for number, site in enumerate(holding, 1):
        yield head(number, site, selection.rules)
        several = bool(found.followed)
        if picture.mode == "growth":
            words = wording.holding(site, picture.since_attach_s, several, picture.mode)
        else:
            words = _held(site, several=several)
        yield f"      {words}"
        yield from stack(site, selection.rules)
    others = chosen.others
    if others.blocks:
        yield (
            f"  and {wording.many(others.sites, 'other site')} with "
            f"{_amount(others.blocks, others.bytes)}"
        )


def _held(site: Site, *, several: bool) -> str:
    counts = site.counts
    called = site.at.allocator or "an allocator function"
    freed = (
        f", after {wording.many(counts.freed_blocks, 'other')} freed" if counts.freed_blocks else ""
    )
    owner = f"  pid {site.at.pid}" if several else ""
    return f"{_amount(counts.blocks, counts.bytes)} by {called}{freed}{owner}"
