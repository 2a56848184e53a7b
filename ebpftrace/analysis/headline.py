"""The one site that a picture is about: the one that grows fastest."""

from collections.abc import Collection, Sequence
from heapq import nlargest
from operator import itemgetter
from typing import NamedTuple

from ebpftrace.analysis.trend import Trend, trend_of_site
from ebpftrace.model.picture import Picture, Site

_LARGEST = 20
_GROWTH = itemgetter(Site._fields.index("growth"))


class Headline(NamedTuple):
    """The site that grows fastest, with its trend; None where none grows, or it is too early to say.

    `share`: its part, from 0 to 1, of the growth of all sites that have just grown; None where it has
    not just now.
    """

    site: Site | None
    trend: Trend | None
    share: float | None


def headline(
    picture: Picture, sizes: Sequence[float], hidden: Collection[int] = frozenset()
) -> Headline:
    """Judges the sites that hold most, and those that have just grown most, but no `hidden` ones.

    `sizes` are the bytes that each site holds.
    """
    now, sites = picture.since_attach_s, picture.sites
    hidden = {*hidden, *picture.apart()}
    rates: list[float] = list(map(_GROWTH, sites))
    if None in rates:
        rates = [rate or 0.0 for rate in rates]
    growing = []
    for at in {*_largest(_shown(sizes, hidden)), *_largest(_shown(rates, hidden))}:
        trend = trend_of_site(sites[at], now)
        if trend.word == "growing" and trend.rate:
            growing.append((trend.rate, at, trend))
    if not growing:
        return Headline(None, None, None)
    _, at, trend = max(growing)
    grown = rates[at]
    growth = sum(rate for rate in _shown(rates, picture.apart()) if rate > 0)
    share = grown / growth if grown > 0 else None
    return Headline(sites[at], trend, share)


def _shown(values: Sequence[float], hidden: Collection[int]) -> Sequence[float]:
    """0 for what is hidden."""
    if not hidden:
        return values
    return [0.0 if at in hidden else value for at, value in enumerate(values)]


def _largest(values: Sequence[float]) -> list[int]:
    """The indexes of the twenty largest that are positive, or of some of those that are alike.

    The values alone are compared in a third of the time that a key would take.
    """
    least = min(nlargest(_LARGEST, values), default=0.0)
    return [at for at, value in enumerate(values) if value >= least and value > 0][: 2 * _LARGEST]
