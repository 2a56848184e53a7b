"""What sampled counts stand for: their scale, and how far off the truth they may be.

Births are seen in windows of time, one in each stretch of `scale` times its length, at a random moment of
it. So every block had the same chance of one in `scale` of being seen, whatever becomes of it; its death is
seen always. A count times the scale is right on average (Horvitz and Thompson 1952), and it varies as the
number of blocks does that fell into windows: as a Poisson variable would, times its dispersion where births
come in bursts, which is measured from poll to poll.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

Z = 1.96
"""Of 95 percent."""
_LEAST_POLLS = 8  # a dispersion of fewer readings says nothing
_LEAST_LOOKS = 3


class Seen:
    """How much windows have seen, of time or of what is done in it: `amount`, in so many polls that saw some."""

    __slots__ = ("amount", "polls")

    def __init__(self) -> None:
        self.polls = self.amount = 0

    def add(self, amount: int) -> None:
        """One more poll, that saw so much; not 0."""
        self.polls += 1
        self.amount += amount


class Dispersion:
    """How unevenly blocks come: the variance of what polls saw for the time that they saw, over that of as
    many that come singly.

    By the differences from each poll to the next (von Neumann 1941): what changes slowly is seen by one
    window after another as it is.
    """

    __slots__ = ("_before", "_blocks", "_bytes", "_last", "_ns", "_sum")

    def __init__(self, before: Seen) -> None:
        """`before` the first poll that saw any."""
        self._before, self._ns = before.polls, before.amount
        self._blocks = self._bytes = 0
        self._sum = 0.0
        self._last: tuple[int, float, float] | None = None

    def add(self, blocks: int, size: int, amount: int, seen: Seen) -> None:
        """One poll saw so many births, of so many bytes, in so much time; one that saw none need not be told.

        `seen` before it.
        """
        self._blocks += blocks
        self._bytes += size
        rate, spread = size / amount, 1 / amount
        if self._last is not None:
            number, rate_before, spread_before = self._last
            if number == seen.polls:
                self._sum += (rate - rate_before) ** 2 / (spread + spread_before)
            else:  # down to nothing, and up again
                self._sum += rate_before**2 / (2 * spread_before) + rate**2 / (2 * spread)
        self._last = seen.polls + 1, rate, spread

    def factor(self, seen: Seen) -> float:
        """At least 1; `seen` by now."""
        polls, amount = seen.polls - self._before, seen.amount - self._ns
        if polls < _LEAST_POLLS or not self._bytes:
            return 1.0
        variance = self._sum / (polls - 1)  # of a unit
        singly = self._bytes / amount * self._bytes / self._blocks  # each of the average size
        return max(1.0, variance / singly)


class Flicker:
    """What is held of young blocks, as pictures see it: of blocks that live for less time than passes from
    window to window there is too much after one, and nothing before the next. Right on average, and as far
    off as it varies.
    """

    __slots__ = ("_before", "_last", "_sum")

    def __init__(self, before: int) -> None:
        """So many looks came `before` the first one in which it could be seen."""
        self._before = before
        self._sum = 0.0
        self._last = (before, 0.0)

    def add(self, size: float, looks: int) -> None:
        """The look of that number has so many bytes of them; one that has none need not be told."""
        number, before = self._last
        if number >= looks:
            return
        if number == looks - 1:
            self._sum += (size - before) ** 2
        else:  # down to nothing, and up again
            self._sum += before * before + size * size
        self._last = looks, size

    def variance(self, looks: int, most: float) -> float:
        """`looks` so far; `most`: what may have been born between two windows, which is the spread as long as
        there were few.
        """
        seen = looks - self._before
        if seen < _LEAST_LOOKS:
            return most * most
        free = seen - 1
        doubt = 1 + 1.5 / free + 2.5 / free**2  # as Student's quantile to the normal one, nearly
        return min(most * most, self._sum / (2 * free) * doubt * doubt)


class Part(NamedTuple):
    """What is held of those that stand for `scale` each, and so scaled."""

    blocks: int
    bytes: int
    scale: int


def variance(parts: Iterable[Part]) -> float:
    """Of the sum of their bytes, where blocks come singly and those of a part are alike."""
    return sum(
        (part.scale - 1) * part.bytes * part.bytes / part.blocks for part in parts if part.blocks
    )


def error(size: float, spread: float) -> float:
    """Half of an interval of 95 % around `size` bytes, of which the variance is `spread`.

    Upward, where it is longer: of few blocks the normal distribution would promise too much.
    """
    if not spread or not size:
        return 0.0
    seen = size * size / spread  # so many blocks, equal and single, would have that variance
    return size * (_most(seen) / seen - 1)


def added(error: float | None, variance: float) -> float:
    """Half of an interval of 95 %, of what has that `error` and of an estimate beside it."""
    return math.hypot(error or 0.0, Z * math.sqrt(variance))


def unseen(scale: int, each: float) -> float:
    """How many bytes may be held by a site of which no block that was seen is, `each` so large."""
    return (scale - 1) * each * _most(0.0) if scale > 1 else 0.0


def _most(seen: float) -> float:
    """The largest mean of a Poisson variable with which `seen` or less is not rare (2.5 %).

    A chi-squared quantile over two, by the approximation of Wilson and Hilferty (1931).
    """
    more = seen + 1
    return float(more * (1 - 1 / (9 * more) + Z / (3 * math.sqrt(more))) ** 3)


def of_site(
    parts: Sequence[Part],
    dispersion: float,
    flicker: float,
    scale: int,
    each: float,
    short: float = 0.0,
) -> float:
    """The error of what a site holds, in bytes.

    `flicker`: its variance; `scale`: the one in force; `each`: how large its blocks are on average; `short`:
    by what part windows have missed their share.
    """
    held = sum(part.bytes for part in parts)
    counted = error(held, variance(parts) * dispersion) if held else unseen(scale, each)
    return math.hypot(counted, Z * math.sqrt(flicker), short * held)


def window(stretch: float, length: float, where: float) -> tuple[float, float]:
    """(begin, end) of a window so long within a stretch of time; `where` is random in [0, 1)."""
    begin = where * (stretch - length)
    return begin, begin + length
