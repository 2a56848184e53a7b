"""How the totals develop: the trend of a history of what is outstanding."""

import itertools
from collections.abc import Sequence
from math import isfinite

from ebpftrace.analysis.regression import last_change, slope, steps
from ebpftrace.analysis.survivors import MOST
from ebpftrace.analysis.trend import GROWTH_SHARE, MUCH_LESS, TOO_EARLY, Trend

# Seconds, and points: below, a warm-up is all there is.
_EARLIEST = 8.0
_FEWEST = 8
# The regression is quadratic.
_THINNED = 32
# Of what is held: what is given back meanwhile to be called churning; what must have come by an earlier
# growth; what growth over the watch, if there is any, leaves it open.
_CHURN_SHARE = 0.1
_GROWN_SHARE = 0.25
_UNSURE_SHARE = 0.25
# The least that is called a growth of its own, of thinned points.
_GROWN_POINTS = 5


def overall(points: Sequence[tuple[float, int]]) -> Trend:
    """The trend of points of (seconds since attach, outstanding bytes), of some hundred of them.

    Points whose time does not go forward are left out. The rate is below 0 where memory is given back.
    """
    known = _thinned(_forward(points))
    if len(known) < _FEWEST or known[-1][0] - known[0][0] < _EARLIEST:
        return TOO_EARLY
    changed = last_change(steps(known))
    if len(known) - changed < _FEWEST // 2:
        changed = 0
    last = known[changed:]
    rate = slope(last)
    held = max(level for _, level in last)
    span = known[-1][0] - known[0][0]
    if changed >= _GROWN_POINTS:
        start, level = known[0]
        gained = known[changed][1] - level
        before = gained / (known[changed][0] - start)
        if gained > _GROWN_SHARE * held and rate.value < before * MUCH_LESS:
            return Trend("levelling off", *rate)
    if rate.low > 0 and rate.low * span > GROWTH_SHARE * held:
        return Trend("growing", *rate)
    given_back = sum(max(0.0, level - later) for (_, level), (_, later) in itertools.pairwise(last))
    if given_back > _CHURN_SHARE * held:
        return Trend("churning", *rate)
    if rate.value * span > _UNSURE_SHARE * held:
        return TOO_EARLY
    return Trend("steady", *rate)


def _forward(points: Sequence[tuple[float, int]]) -> list[tuple[float, float]]:
    known: list[tuple[float, float]] = []
    for at, size in points:
        if isfinite(at) and (not known or at > known[-1][0]):
            known.append((at, float(min(max(size, 0), MOST))))
    return known


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """So few that a regression is quick: of each run of points the middle time and level."""
    if len(points) <= _THINNED:
        return points
    edges = [len(points) * n // _THINNED for n in range(_THINNED + 1)]
    runs = [points[start:end] for start, end in itertools.pairwise(edges)]
    return [
        (run[len(run) // 2][0], sorted(level for _, level in run)[len(run) // 2]) for run in runs
    ]
