"""Robust estimates with intervals of about 95 %, and where a series changes its level.

Rank statistics throughout: one block of a gigabyte, or a warm-up, is one observation and not more.
"""

import itertools
from collections.abc import Sequence
from functools import lru_cache
from math import sqrt
from operator import sub, truediv
from typing import NamedTuple

_DEVIATIONS = 1.96  # of a normal distribution: 95 %
# Where values share what lies on their border, and the stretch was chosen for being even, an interval
# of 95 % covers 88 % (simulated leaks); this one 95 %.
_RANK_DEVIATIONS = 2.4
# Of the largest of some twenty correlated rank sums; one series in twenty passes it by chance.
_CHANGE_DEVIATIONS = 2.7
_CHANGE_FACTOR = 1.5  # between the means before and after, to be called a change
_FEWEST = 6  # values in which a change is looked for
# Of that many points every other one is enough for the interval of their steps.
_MANY_POINTS = 20


class Estimate(NamedTuple):
    """A value and the ends of its interval."""

    value: float
    low: float
    high: float


def location(values: Sequence[float]) -> Estimate:
    """The middle of independent values: median of the Walsh averages (Hodges and Lehmann 1963).

    The interval is that of Wilcoxon's signed ranks; of fewer than six values it is their range.
    """
    n = len(values)
    if not n:
        return Estimate(0.0, 0.0, 0.0)
    # Twice the averages; the sums of ascending values are ascending runs, which sort sooner.
    ordered = sorted(values)
    sums = sorted([one + other for i, one in enumerate(ordered) for other in ordered[i:]])
    spread = _RANK_DEVIATIONS * sqrt(n * (n + 1) * (2 * n + 1) / 24)
    middle, low, high = _around_median(sums, spread)
    return Estimate(middle / 2, low / 2, high / 2)


def slope(points: Sequence[tuple[float, float]]) -> Estimate:
    """The slope of a line through points in order of time: Theil 1950, Sen 1968.

    Sen's interval is for points that scatter around a line. Sums wander away from it, and it held the
    rate of half of the simulated leaks; so it takes in that of the steps from point to point, which holds
    19 of 20. Quadratic: for forty points at most.
    """
    slopes = sorted(
        [
            (later - level) / (then - at)
            for i, (at, level) in enumerate(points)
            for then, later in points[i + 1 :]
            if then > at
        ]
    )
    if not slopes:
        return Estimate(0.0, 0.0, 0.0)
    n = len(points)
    spread = _DEVIATIONS * sqrt(n * (n - 1) * (2 * n + 5) / 18)
    middle, low, high = _around_median(slopes, spread / 2)
    _, least, most = location(steps(points[::2] if n >= _MANY_POINTS else points))
    return Estimate(middle, min(low, least), max(high, most))


def steps(points: Sequence[tuple[float, float]]) -> list[float]:
    """The slope from each point to the next, which is later."""
    return [
        (later - level) / (then - at) for (at, level), (then, later) in itertools.pairwise(points)
    ]


def last_change(values: Sequence[float]) -> int:
    """Where the last level of a series begins; 0 if all of it is one level.

    The place of a change is that of the largest standardised rank sum (Pettitt 1979); the part behind
    it is looked at again.
    """
    start = 0
    while len(values) - start >= _FEWEST:
        change = _change(values[start:])
        if not change or _alike(values[start : start + change], values[start + change :]):
            break
        start += change
    return start


def _change(values: Sequence[float]) -> int:
    usual, deviation = _rank_sums(len(values))
    distances = map(abs, map(sub, itertools.accumulate(_ranks(values)), usual))
    sizes = list(map(truediv, distances, deviation))
    largest = max(sizes, default=0.0)
    return sizes.index(largest) + 1 if largest > _CHANGE_DEVIATIONS else 0


@lru_cache(maxsize=64)
def _rank_sums(n: int) -> tuple[Sequence[float], Sequence[float]]:
    """Of the first 1 to n - 1 of so many ranks: the expected sum, and its standard deviation."""
    return (
        [count * (n + 1) / 2 for count in range(1, n)],
        [sqrt(count * (n - count) * (n + 1) / 12) for count in range(1, n)],
    )


def _alike(before: Sequence[float], after: Sequence[float]) -> bool:
    smaller, larger = sorted((sum(before) / len(before), sum(after) / len(after)))
    return larger < _CHANGE_FACTOR * smaller


def _ranks(values: Sequence[float]) -> list[float]:
    """From 1 on; equal values share the middle of their ranks."""
    order = sorted(values)
    last = dict(zip(order, range(1, len(order) + 1), strict=True))
    if len(last) == len(order):
        return [float(last[value]) for value in values]
    first = dict(zip(reversed(order), range(len(order), 0, -1), strict=True))
    return [(first[value] + last[value]) / 2 for value in values]


def _around_median(ordered: Sequence[float], spread: float) -> Estimate:
    outside = max(0, int(len(ordered) / 2 - spread))
    return Estimate(_median(ordered), ordered[outside], ordered[-1 - outside])


def _median(ordered: Sequence[float]) -> float:
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
