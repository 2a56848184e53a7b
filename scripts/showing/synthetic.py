"""Pictures of two made-up targets that leak: call trees of shared frames, cohorts, changes as asked.

The first site holds most in every picture; all others change places with those near them, as their
bytes move by up to a percent: one that has grown steadily for the five minutes since the attach moves by
a third of one in a second. The pictures are few and come again, so that counters go back once in a turn.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from ebpftrace.model.epochs import epoch_at, start_of
from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import Pid, Slot, StackId
from ebpftrace.model.losses import Losses
from ebpftrace.model.picture import CallSite, Cohort, Cost, Counts, Naming, Picture, Site, Target

SINCE_ATTACH_S = 300.0
_START = datetime(2026, 11, 20, 12, 0, tzinfo=timezone.utc)
_LEVELS = 25
_FRAMES_PER_LEVEL = 300
_SHALLOWEST = 16
_DEPTHS = _LEVELS - _SHALLOWEST
_COHORTS = 6
_LARGEST = 1 << 32
_MOVES = 0.01
_TARGETS = (("server", 4001), ("worker", 4002))


@dataclass(frozen=True, slots=True)
class Scenario:
    """`changed`: this share of the sites is another one in each picture."""

    name: str
    changed: float


ALL = Scenario("all", 1.0)
FEW = Scenario("2%", 0.02)
SCENARIOS = {scenario.name: scenario for scenario in (ALL, FEW)}


def pictures(sites: int, scenario: Scenario, count: int = 4, seed: int = 1) -> tuple[Picture, ...]:
    """`count` pictures of so many sites, each `changed` from the first; a site keeps its index."""
    rng = random.Random(seed)
    levels = _frames(rng)
    first = [_site(_call_site(index, levels), index, rng, 0) for index in range(sites)]
    made = [first]
    for number in range(1, count):
        few = max(1, round(scenario.changed * sites))
        changing = range(sites) if few >= sites else sorted(rng.sample(range(sites), few))
        drawn = list(first)
        for index in changing:
            drawn[index] = _site(first[index].at, index, rng, number)
        made.append(drawn)
    return tuple(_picture(drawn, number) for number, drawn in enumerate(made))


def given_at(picture: Picture, number: int) -> Picture:
    """`picture` as the one that comes `number` seconds after the first."""
    return replace(
        picture,
        time=_START + timedelta(seconds=number),
        since_attach_s=SINCE_ATTACH_S + number,
    )


def _frames(rng: random.Random) -> list[list[Frame]]:
    """By level of the call tree, outermost first; about 5,000 of them come up in 100,000 stacks."""
    return [
        [_frame(level * _FRAMES_PER_LEVEL + place, rng) for place in range(_FRAMES_PER_LEVEL)]
        for level in range(_LEVELS)
    ]


def _frame(number: int, rng: random.Random) -> Frame:
    name = f"handle_{number}"
    if number % 3 == 0:
        name = f"app::step_{number}<std::vector<int, std::allocator<int> > >::run(char const*, int)"
    module = "/srv/app/server" if number % 4 else f"/srv/app/lib/part_{number % 40}.so"
    return Frame(
        function=name,
        file=f"/build/app/src/area_{number % 20}/part_{number % 300}.cc",
        line=rng.randrange(1, 4000),
        column=rng.randrange(1, 80),
        inlined=number % 5 == 0,
        module=module,
        build_id=f"{number % 40:040x}",
        offset=number * 64,
        address=0x5500_0000_0000 + number * 64,
    )


def _call_site(index: int, levels: Sequence[Sequence[Frame]]) -> CallSite:
    """The path to leaf `index`: two paths share as many outer frames as their numbers share bits."""
    path = []
    for level in range(_SHALLOWEST + index % _DEPTHS):
        node = index % (1 << level)
        frames = levels[level]
        path.append(frames[node * 7919 % len(frames)])
    slot = index % len(_TARGETS)
    return CallSite(
        id=f"{slot + 1:x}-{index * 0x9E3779B97F4A7C15 % (1 << 64):016x}",
        slot=Slot(slot + 1),
        stack=StackId(index + 1),
        pid=Pid(_TARGETS[slot][1]),
        family="glibc",
        allocator=("malloc", "calloc", "realloc")[index % 3],
        complete=True,
        guessed=False,
        frames=tuple(reversed(path)),
        end="outermost",
    )


def _site(at: CallSite, index: int, rng: random.Random, number: int) -> Site:
    """What its cohorts sum to; in later pictures the newest of them has grown."""
    held = int(_LARGEST / (index + 1) * rng.uniform(1 - _MOVES, 1))
    size = 16 << index % 8
    blocks = max(_COHORTS, held // size)
    newest = epoch_at(SINCE_ATTACH_S)
    epochs = sorted((index * 5 + step * 13) % newest for step in range(_COHORTS - 1))
    each = blocks // _COHORTS
    last = blocks - each * len(epochs)
    cohorts = (
        *(Cohort(epoch, each, each * size) for epoch in epochs),
        Cohort(newest, last, last * size),
    )
    freed = blocks // 2 + number
    counts = Counts(blocks + freed, (blocks + freed) * size, freed, freed * size)
    growth = last * size / 10 * ((index * 37 + 119) % 120 - 20) / 100 * rng.uniform(1 - _MOVES, 1)
    return Site(at, counts, float(start_of(epochs[0])), growth, cohorts)


def _picture(sites: Sequence[Site], number: int) -> Picture:
    totals = Counts(*map(sum, zip(*(site.counts for site in sites), strict=True)))
    return Picture(
        time=_START,
        since_attach_s=SINCE_ATTACH_S,
        targets=tuple(_target(slot, totals, number) for slot in range(len(_TARGETS))),
        totals=totals,
        growth=sum(site.growth or 0.0 for site in sites),
        sites=tuple(sites),
        losses=Losses({"unmatched_free": 31 + number}),
        cost=Cost(20_000.0 + number, 1.6, 4.2, 90 << 20, 60 << 20, {"blocks": 1.2, "cohorts": 3.4}),
        naming=Naming(5_000, 0),
    )


def _target(slot: int, totals: Counts, number: int) -> Target:
    comm, pid = _TARGETS[slot]
    return Target(
        pid=Pid(pid),
        comm=comm,
        exe=f"/srv/app/{comm}",
        slot=Slot(slot + 1),
        allocators=("glibc",),
        rss_bytes=totals.bytes // 2 + (number << 12),
        rss_growth_bytes=40_960,
        backend="multi",
    )
