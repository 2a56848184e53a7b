"""The one site that a picture is about: the one that grows fastest."""

from collections.abc import Sequence
from heapq import nlargest
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

from ebpftrace.analysis.trend import Trend, trend_of
from ebpftrace.model.picture import Picture, Site

_LARGEST = 20
_FASTEST = 10
_NEAR = 2
_MOST_ALIKE = 1000
_GROWTH = itemgetter(Site._fields.index("growth"))


class Headline(NamedTuple):
    """The site that grows fastest with its trend; `rate` is that of all that grow, in bytes/s.

    None where none grows, or where it is too early to say.
    """

    site: Site | None
    trend: Trend | None
    rate: float


def headline(picture: Picture, sizes: Sequence[float]) -> Headline:
    """Looks at the sites that hold most, and those that have just grown most.

    `sizes` are the bytes that each site holds.
    """
    now = picture.since_attach_s
    growing = []
    for at in _candidates(picture.sites, sizes):
        site = picture.sites[at]
        trend = trend_of(site.cohorts, site.counts, now)
        if trend.word == "growing" and trend.rate:
            growing.append((trend.rate, site, trend))
    if not growing:
        return Headline(None, None, 0.0)
    _, site, trend = max(growing, key=lambda one: one[0])
    return Headline(site, trend, sum(rate for rate, _, _ in growing))


def _candidates(sites: Sequence[Site], sizes: Sequence[float]) -> set[int]:
    rates = list(map(_GROWTH, sites))
    if None in rates:
        rates = [rate or 0.0 for rate in rates]
    return {*_largest(_LARGEST, sizes), *_largest(_FASTEST, rates)}


def _largest(count: int, values: Sequence[float]) -> list[int]:
    """The indexes of the largest positive values; where a thousand are alike, of some of those."""
    least = max(values, default=0.0) / _NEAR
    if least <= 0:
        return []
    near = list(islice((at for at, value in enumerate(values) if value > least), _MOST_ALIKE))
    return nlargest(count, near, values.__getitem__)
