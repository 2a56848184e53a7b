"""From page faults to bytes of growth, with how far off they may be. Pure.

A fault is a page of growth if memory of the process's own came of it, and is still there when that is looked up.
It is for a random choice of the faults of each stack; of the others it is concluded.

What a process has grown by beyond its faults came in larger pieces, of which each was one fault (huge pages),
or without any (memory that the kernel itself has filled).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

PAGE = 4096
_MOST_MISTAKES = 0.2  # of the filter of touched pages, before it is cleared
_LIKELY = (
    0.1  # of a stack of which nothing is known: nearly certainly all one thing or all the other
)


class Part(NamedTuple):
    """Of faults, how many were growth, and the variance of that number."""

    pages: int
    variance: float


class Looked:
    """What became of the faults of one stack that were looked up, since its first one.

    `own`: memory of the process's own came of them; `huge` ones among these may be part of a larger page.
    `others`: none did, or it is gone already.
    """

    __slots__ = ("huge", "others", "own")

    def __init__(self) -> None:
        self.own = self.others = self.huge = 0

    @property
    def total(self) -> int:
        return self.own + self.others

    @property
    def is_mixed(self) -> bool:
        """Did not all become one thing?"""
        return self.own > 0 and self.others > 0

    def add(self, own: int, others: int, huge: int) -> None:
        """So many more."""
        self.own += own
        self.others += others
        self.huge += huge

    def part(self, faults: int, own: int, others: int) -> Part:
        """Of so many new `faults`, of which so many were looked up and are in the sums already."""
        unseen = faults - own - others
        if unseen <= 0:
            return Part(own, 0.0)
        if not own + others:  # the process has ended: as it was with this stack, else all of it
            own_share = self.own / self.total if self.total else 1.0
            return Part(round(faults * own_share), _variance(faults, self.own, self.others))
        pages = own + round(unseen * own / (own + others))
        # What has always been one thing is likely to be it now; what has not may change from look to look.
        known = (own, others) if self.is_mixed else (self.own, self.others)
        return Part(pages, _variance(unseen, *known))


def _variance(unseen: int, own: int, others: int) -> float:
    known = own + others + 2 * _LIKELY
    doubt = (own + _LIKELY) * (others + _LIKELY) / known**2
    return unseen * doubt + unseen * unseen * doubt / (known + 1)


class Level:
    """Growth of one process that its faults do not explain: by how much it is larger than it was and they make it."""

    def __init__(self, size: int, tolerance: int) -> None:
        """`size` now; readings are right to about `tolerance` bytes."""
        self._explained = size
        self._tolerance = tolerance

    def excess(self, size: int, seen: int) -> int:
        """Bytes beyond all that was explained before, and the growth that was `seen` since; 0 within the tolerance.

        They are explained with that.
        """
        self._explained += seen
        over = size - self._explained
        if over <= self._tolerance:
            return 0
        self._explained = size
        return over


class Touched:
    """How full the kernel's filter of touched pages is, by how many were found to be new."""

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._new = 0.0

    def scaled(self, new: int) -> float:
        """So many were found to be new: how many were, with those that the filter took for old ones."""
        missed = self._mistakes()
        self._new += new
        return new / (1 - missed)

    @property
    def is_full(self) -> bool:
        return self._mistakes() > _MOST_MISTAKES

    def empty(self) -> None:
        """It was cleared."""
        self._new = 0.0

    def _mistakes(self) -> float:
        """The share of new pages that it takes for old ones, with two bits for each (Bloom 1970)."""
        return float((1 - math.exp(-2 * self._new / self._bits)) ** 2)


class Sample(NamedTuple):
    """New growth under one stack: `pages`, of which `huge` may have been larger ones."""

    pages: int
    huge: float


class Given(NamedTuple):
    """Bytes beyond the pages of a sample, and their variance."""

    bytes: int
    variance: float


def spread(excess: int, samples: Sequence[Sample], largest: int) -> tuple[list[Given], int]:
    """The `excess` as bytes for each sample, and what is left: more than so many larger pages can be.

    It is not known which of them were large: each of the largest ones, with the same chance, or a small one.
    """
    more = largest - PAGE
    room = more * sum(sample.huge for sample in samples)
    share = min(1.0, excess / room) if room else 0.0
    doubt = more * more * share * (1 - share)
    given = [Given(round(share * more * one.huge), doubt * one.huge) for one in samples]
    return given, max(0, excess - sum(one.bytes for one in given))
