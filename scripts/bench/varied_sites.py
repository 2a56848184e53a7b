"""A made-up snapshot in which no call site is like another: where an export has least to share.

A server of 40 modules is watched for an hour. Its call sites leak, fill caches, work or stopped
after the start; each has sizes, times and counts of its own. Of its 20,000 places in the code, two
stacks share those near the start of the thread.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from ebpftrace.model.epochs import epoch_at, start_of
from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import Pid, Slot, StackId
from ebpftrace.model.losses import Losses
from ebpftrace.model.picture import (
    CallSite,
    Cohort,
    Cost,
    Counts,
    Picture,
    Point,
    Site,
    Target,
)
from ebpftrace.model.snapshot import BlockColumns, Snapshot, Trigger
from ebpftrace.snapshot.format.writing import pieces

_WATCH_S = 3600
_TIME = datetime(2026, 11, 20, 12, 0, tzinfo=timezone.utc)
_BORN_S = (
    (0, _WATCH_S),
    (_WATCH_S // 2, _WATCH_S),
    (_WATCH_S - 60, _WATCH_S),
    (0, _WATCH_S // 4),
    (0, 60),
)
"""From when to when those were born that are held: leaks, late ones, work, caches, start-up."""
_LEVELS = 40
_SHALLOWEST = 10
_PLACES = 500
"""Of a level; the outermost levels have fewer."""
_MODULES = 40
_MOST_SIZES = 8
_SLOT, _PID = Slot(1), Pid(4001)


class _Held(NamedTuple):
    """One block, born `born_ns` after the attach."""

    site: int
    size: int
    born_ns: int


def write(path: Path, sites: int, blocks: int, seed: int = 1) -> None:
    """A snapshot file of it; always the same one."""
    with path.open("wb") as out:
        out.writelines(pieces(snapshot(sites, blocks, seed)))


def snapshot(sites: int, blocks: int, seed: int = 1) -> Snapshot:
    """With single blocks; `blocks` in all, `sites` or more."""
    rng = random.Random(seed)
    levels = [
        [_frame(level * _PLACES + place, rng) for place in range(_PLACES)]
        for level in range(_LEVELS)
    ]
    made: list[Site] = []
    held: list[_Held] = []
    for index, count in enumerate(_shares(sites, blocks, rng)):
        ours = _blocks(index, count, rng)
        made.append(_site(_call_site(index, levels, rng), ours, rng))
        held += ours
    rng.shuffle(held)  # as they come from a hash table
    return Snapshot(
        _picture(made),
        Trigger("asked", "a benchmark asked for it"),
        "varied",
        "ebpftrace",
        history=tuple(
            Point(float(at), at << 16, (at << 16) + (1 << 20)) for at in range(0, _WATCH_S, 10)
        ),
        blocks=lambda: _columns(held),
    )


def _shares(sites: int, blocks: int, rng: random.Random) -> Iterator[int]:
    """Of each site its blocks, one at least."""
    for left in range(sites, 1, -1):
        share = rng.randint(1, 2 * (blocks // left) - 1)
        yield share
        blocks -= share
    yield blocks


def _frame(number: int, rng: random.Random) -> Frame:
    """One in five is inlined; most names are those of C++."""
    name = f"handle_request_part_{number}"
    if number % 3:
        name = f"app::Store{number}<std::map<int, app::Row> >::put(std::string const&, int)"
    module = number % _MODULES
    file, line = f"/build/app/src/area_{module}/part_{number % 900}.cc", rng.randrange(1, 4000)
    return Frame(
        function=name,
        file=file,
        line=line,
        column=rng.randrange(1, 80),
        inlined=number % 5 == 0,
        module=f"/srv/app/lib/part_{module}.so" if module else "/srv/app/server",
        build_id=f"{module:040x}",
        offset=number * 64,
        address=0x5500_0000_0000 + number * 64,
        source=f"rows.push_back(make_row_{number}(key, value));",
    )


def _call_site(index: int, levels: Sequence[Sequence[Frame]], rng: random.Random) -> CallSite:
    """Two stacks share as many outer frames as their numbers share low bits."""
    depth = rng.randint(_SHALLOWEST, _LEVELS)
    path = [
        frames[index % (1 << level) * 7919 % _PLACES] for level, frames in enumerate(levels[:depth])
    ]
    return CallSite(
        id=f"{_SLOT:x}-{index * 0x9E3779B97F4A7C15 % (1 << 64):016x}",
        slot=_SLOT,
        stack=StackId(index + 1),
        pid=_PID,
        family="glibc",
        allocator=("malloc", "calloc", "realloc", "operator new")[index % 4],
        complete=True,
        guessed=False,
        frames=tuple(reversed(path)),
        end="outermost",
    )


def _blocks(index: int, count: int, rng: random.Random) -> list[_Held]:
    first, last = _BORN_S[index % len(_BORN_S)]
    sizes = [rng.randint(1, 4096) for _ in range(rng.randint(1, _MOST_SIZES))]
    return [
        _Held(index, rng.choice(sizes), rng.randrange(first * 10**9, last * 10**9))
        for _ in range(count)
    ]


def _site(at: CallSite, held: Sequence[_Held], rng: random.Random) -> Site:
    """What is held, in cohorts, and some more that was freed."""
    number: Counter[int] = Counter()
    size: Counter[int] = Counter()
    for block in held:
        epoch = epoch_at(block.born_ns / 1e9)
        number[epoch] += 1
        size[epoch] += block.size
    blocks, total = len(held), size.total()
    freed = rng.choice((0, rng.randrange(100), rng.randrange(10_000)))
    freed_bytes = freed * (total // blocks)
    return Site(
        at,
        Counts(blocks + freed, total + freed_bytes, freed, freed_bytes),
        float(start_of(min(number))),
        rng.uniform(0, 1e4),
        tuple(Cohort(epoch, number[epoch], size[epoch]) for epoch in sorted(number)),
    )


def _picture(sites: Sequence[Site]) -> Picture:
    totals = Counts(*map(sum, zip(*(site.counts for site in sites), strict=True)))
    return Picture(
        time=_TIME,
        since_attach_s=float(_WATCH_S),
        targets=(Target(_PID, "server", "/srv/app/server", _SLOT, ("glibc",), 1 << 32, 1 << 20),),
        totals=totals,
        growth=1e6,
        sites=tuple(sites),
        losses=Losses(),
        cost=Cost(),
    )


def _columns(held: Sequence[_Held]) -> Iterator[BlockColumns]:
    sites, sizes, births = zip(*held, strict=True)
    addresses = range(0x5600_0000_0000, 0x5600_0000_0000 + 4096 * len(held), 4096)
    yield BlockColumns(sites, addresses, sizes, births, [_PID] * len(held))
