"""Small charts that fit into a cell of a table, and when what is held was allocated."""

from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from math import inf

from ebpftrace.model.epochs import epoch_at, length_of, start_of
from ebpftrace.model.picture import Cohort
from ebpftrace.tui.glyphs import Glyphs


def spark(values: Sequence[float], width: int, glyphs: Glyphs) -> str:
    """`values` in exactly `width` cells, from 0 at the bottom to the largest of them at the top.

    Nothing and less are blank, anything above is seen. Of several in one cell the largest counts.
    """
    highest = max(values, default=0)
    if width < 1 or not 0 < highest < inf:
        return " " * width
    if len(values) != width:
        values = _resampled(values, width)
    up, top = glyphs.up, len(glyphs.up) - 1
    return "".join(
        [up[min(top, int(top * (value / highest)) + 1)] if value > 0 else " " for value in values]
    )


def survivors(cohorts: Sequence[Cohort], now: float, bins: int) -> list[float]:
    """Bytes still held by time of birth, in `bins` equal parts from the attach to `now`.

    A leak is an even row of bars, start-up a bar at the left, what is just in use one at the right.
    """
    if bins < 1:
        return []
    moments = tuple([now * number / bins for number in range(1, bins)])
    return held_between(cohorts, moments, now)


def held_between(cohorts: Sequence[Cohort], moments: tuple[float, ...], now: float) -> list[float]:
    """Bytes by birth: before the first of the ascending `moments`, between each two, after the last.

    A cohort is spread evenly over its epoch, the newest over what has passed of it. One from after
    `now`, of a clock that went back, counts as the last.
    """
    if not cohorts:
        return [0.0] * (len(moments) + 1)
    sums = list(accumulate([cohort[2] for cohort in cohorts], initial=0))
    held: list[float] = []
    before = 0.0
    for epoch, part in _places(moments, now):
        # A tuple of less sorts before all that begin with it.
        index = bisect_left(cohorts, (epoch,))
        born: float = sums[index]
        if index < len(cohorts) and cohorts[index][0] == epoch:
            born += part * cohorts[index][2]
        held.append(born - before)
        before = born
    held.append(sums[-1] - before)
    return held


@lru_cache(maxsize=8)
def _places(moments: tuple[float, ...], now: float) -> list[tuple[int, float]]:
    """The epoch of each moment, and which part of that had passed; the rows of a table share it."""
    places = []
    for moment in moments:
        epoch = epoch_at(moment)
        start = start_of(epoch)
        lasted = min(length_of(epoch), now - start)
        part = (moment - start) / lasted if lasted > 0 else 0.0
        places.append((epoch, min(1.0, max(0.0, part))))
    return places


def _resampled(values: Sequence[float], width: int) -> list[float]:
    """One for each of `width` cells: the largest of those that share it, or the one that fills it."""
    count = len(values)
    borders = [number * count // width for number in range(width + 1)]
    return [max(values[start : max(start + 1, end)]) for start, end in pairwise(borders)]
