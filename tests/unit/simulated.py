"""A program in simulated time: what is born and dies, folded into the cohorts that capture would read."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from math import ceil, inf
from typing import NamedTuple

from ebpftrace.model.epochs import epoch_at
from ebpftrace.model.picture import Cohort, Counts


class Birth(NamedTuple):
    """A block: when it is born, in seconds since attach, its size, how long it lives."""

    at: float
    size: int
    life: float = inf


class Seen(NamedTuple):
    """What a site shows at one moment, as `trend_of` takes it."""

    cohorts: tuple[Cohort, ...]
    counts: Counts
    now: float


def seen(births: Iterable[Birth], now: float) -> Seen:
    blocks: Counter[int] = Counter()
    sizes: Counter[int] = Counter()
    born = born_bytes = 0
    for birth in births:
        if birth.at >= now:
            continue
        born += 1
        born_bytes += birth.size
        if birth.at + birth.life > now:
            epoch = epoch_at(birth.at)
            blocks[epoch] += 1
            sizes[epoch] += birth.size
    cohorts = tuple(Cohort(epoch, blocks[epoch], sizes[epoch]) for epoch in sorted(blocks))
    freed, freed_bytes = born - sum(blocks.values()), born_bytes - sum(sizes.values())
    return Seen(cohorts, Counts(born, born_bytes, freed, freed_bytes), now)


def outstanding(births: Iterable[Birth], times: Iterable[float]) -> list[tuple[float, int]]:
    """The history of what is held, as `overall` takes it."""
    known = list(births)
    changes = sorted(
        [(one.at, one.size) for one in known] + [(one.at + one.life, -one.size) for one in known]
    )
    points, held, next_change = [], 0, 0
    for at in times:
        while next_change < len(changes) and changes[next_change][0] <= at:
            held += changes[next_change][1]
            next_change += 1
        points.append((at, held))
    return points


def steadily(
    every: float, end: float, start: float = 0.0, size: int = 1000, life: float = inf
) -> Iterator[Birth]:
    """One block each `every` seconds."""
    return (Birth(start + every * n, size, life) for n in range(ceil((end - start) / every)))


def randomly(
    seed: int,
    every: float,
    end: float,
    start: float = 0.0,
    sizes: tuple[int, ...] = (1000,),
    mean_life: float = inf,
) -> Iterator[Birth]:
    """A Poisson process; lives are exponential."""
    chance = random.Random(seed)
    at = start
    while (at := at + chance.expovariate(1 / every)) < end:
        life = inf if mean_life == inf else chance.expovariate(1 / mean_life)
        yield Birth(at, chance.choice(sizes), life)
