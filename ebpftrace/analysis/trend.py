"""How fast what a site holds grows, in a word and with an interval.

What is still outstanding, by the time of its birth, tells a leak from work. A leak leaves survivors
at an even rate; what is allocated once leaves them at one time; work leaves them only as long as it
takes to be freed, so its old cohorts are empty. Given births at an even rate, memory grows as fast as
survivors of the oldest births say, whatever the younger ones hold that will still be freed.
"""

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Literal, NamedTuple

from ebpftrace.analysis.regression import Estimate, last_change, location
from ebpftrace.analysis.survivors import MOST, Survivors, between, survivors
from ebpftrace.model.epochs import start_of
from ebpftrace.model.picture import Cohort, Counts, Site

Word = Literal["growing", "levelling off", "steady", "churning"]

# Births of the last eighth of the watch are not judged where a site frees: they have had no time to be
# freed. Where less than a hundredth of what is held was freed, nothing waits for that.
_YOUNG = 1 / 8
_FREES_SHARE = 0.01
# Seconds. Before, one burst of a leak and one at start-up look the same.
_EARLIEST = 8
# A change within the watch can be placed to 1/24 of it; a rank test needs about twenty values.
_BINS = 24
# What is allocated at start-up: in the first sixth of the watch, more in a bin than in any later one
# by this factor.
_START_UP = 1 / 6
_START_UP_EXCESS = 2.0
# A first bin of a level that differs from the others by this factor is also of the level before.
_PARTLY = 0.7
# A stream of births has ended when it has been quiet for more than so many of its longest gaps.
_QUIET_GAPS = 2
# Of twenty bins, an interval leaves out two that a single large block fell into. More bins hold fewer
# blocks each, and the middle of rare events lies below their mean.
_ESTIMATE_BINS = 20
_FEWEST_BINS = 4
# Below, no interval is an interval.
_FEWEST_EPOCHS = 3
# Of the bins that may be empty: with more, the events of a leak are rarer than the bins.
_EMPTY = 1 / 4
# Growth, of what is held, over the watch: 1 % in an hour's watch is not what ends a process. Where
# younger cohorts hold more because they are still to be freed, so may be the tail of the older ones.
GROWTH_SHARE = 0.01
GROWTH_SHARE_AT_WORK = 0.2
# Recent growth, of what it was before, that counts as much less; and how much of what is held must have
# come by the earlier growth, and how many bins it took, for that not to be mere start-up.
MUCH_LESS = 1 / 3
_GROWN_SHARE = 0.25
_GROWN_BINS = 5
# Growth that cannot be excluded, of what is held over the watch, before it is called steady.
_UNSURE_SHARE = 0.25
# Recent survivors are a late leak, although work was freed, where they are at most so many of the
# births, set in at once, do not thin out with age, and take so many bins that this can be seen.
_LEAKED_SHARE = 0.5
_SUDDEN = 0.25
_EVEN = 0.6
_FEWEST_LEAKED_BINS = 3
# Freed, of what is missing among old births, that explains why it is missing.
_EXPLAINS = 0.5
# Held from the first half of the watch, of all that is held: with less, it has been replaced.
_KEPT_SHARE = 0.5

_RESIZING = frozenset({"realloc", "reallocarray", "reallocf", "recallocarray"})


class Trend(NamedTuple):
    """In bytes per second, with the ends of an interval of about 95 %; all None if it is too early."""

    word: Word | None
    rate: float | None
    low: float | None
    high: float | None


TOO_EARLY = Trend(None, None, None, None)


def merged(groups: Iterable[Sequence[Cohort]]) -> tuple[Cohort, ...]:
    """The cohorts of several sites as those of one, by epoch."""
    sums: dict[int, tuple[int, int, int]] = {}
    nothing = (0, 0, 0)
    known = sums.get
    for cohorts in groups:
        for epoch, blocks, size, adopted in cohorts:
            b, s, a = known(epoch, nothing)
            sums[epoch] = (b + blocks, s + size, a + adopted)
    return tuple(Cohort(epoch, *sums[epoch]) for epoch in sorted(sums))


def trend_of_site(site: Site, now: float) -> Trend:
    """The trend of a call site, `now` seconds after the attach."""
    return trend_of(site.cohorts, site.counts, now, site.at.allocator)


class Trends:
    """Of the call sites of one picture, `now` seconds after the attach; those of equal figures once.

    A trend takes 40 us and more: of 50,000 sites 2 s. Many are alike, as those that hold one block.
    """

    def __init__(self, now: float) -> None:
        self._now = now
        self._known: dict[tuple[Sequence[Cohort], Counts, str | None], Trend] = {}

    def of(self, site: Site) -> Trend:
        """As `trend_of_site`."""
        key = site.cohorts, site.counts, site.at.allocator
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = trend_of(site.cohorts, site.counts, self._now, key[2])
        return known


def trend_of(
    cohorts: Sequence[Cohort], counts: Counts, now: float, allocator: str | None = None
) -> Trend:
    """The trend of one site, or of the sum of several, `now` seconds after the attach.

    Depends on nothing else. Adopted blocks are no growth. A block that is resized is born anew, and may
    be larger each time: where `allocator` does that, what is held from lately only is not judged.
    """
    if allocator in _RESIZING and _is_of_late(cohorts, now):
        return TOO_EARLY
    return _trend_of(cohorts, counts, now)


def _is_of_late(cohorts: Sequence[Cohort], now: float) -> bool:
    held = sum(cohort.bytes for cohort in cohorts)
    late = sum(cohort.bytes for cohort in cohorts if start_of(cohort.epoch) >= now / 2)
    return late > _KEPT_SHARE * held


def _trend_of(cohorts: Sequence[Cohort], counts: Counts, now: float) -> Trend:
    if not isfinite(now):
        return TOO_EARLY
    held = survivors(cohorts, now)
    if held is None or int(now * (1 - _YOUNG)) < _EARLIEST:
        return TOO_EARLY
    freed = float(min(max(0, counts.freed_bytes), MOST))
    if not held.total:
        return _of_nothing(cohorts, counts)
    settled = int(now * (1 - _YOUNG) if freed > _FREES_SHARE * held.total else now)
    return _judged(held, float(settled), freed)


def _of_nothing(cohorts: Sequence[Cohort], counts: Counts) -> Trend:
    """Where nothing is held that was born since the attach; adopted blocks are older than that."""
    if counts.bytes > 0:
        return Trend("steady", 0.0, 0.0, 0.0) if cohorts else TOO_EARLY
    return Trend("churning", 0.0, 0.0, 0.0) if counts.freed_bytes > 0 else TOO_EARLY


def _judged(held: Survivors, settled: float, freed: float) -> Trend:
    bins = min(_BINS, int(settled))
    width = settled / bins
    births = held.born_in_each(0.0, settled, bins)
    begun = _start_up(births)
    changed = _ended(births) or begun + last_change(births[begun:])
    if changed == begun:
        rate = _rate(held, begun * width, settled)
        return _trend(_word(held, rate, settled, freed, GROWTH_SHARE), rate)
    since = changed * width
    before = held.born_before(since) / since
    rate = _rate(held, since + width * _shared(births[changed:]), settled)
    if before < rate.value and _still_to_be_freed(held, since, settled, width, freed):
        rate = _rate(held, 0.0, _oldest(births) * width)
        return _trend(_word(held, rate, settled, freed, GROWTH_SHARE_AT_WORK), rate)
    if rate.value < before * MUCH_LESS and _grew(births[:changed], held.total):
        return _trend("levelling off", rate)
    return _trend(_word(held, rate, settled, freed, GROWTH_SHARE), rate)


def _trend(word: Word | None, rate: Estimate) -> Trend:
    return TOO_EARLY if word is None else Trend(word, *rate)


def _start_up(births: Sequence[float]) -> int:
    """How many bins the start-up takes; 0 if there was none."""
    for count in range(int(_START_UP * len(births)), 0, -1):
        if births[count - 1] > _START_UP_EXCESS * max(births[count:]) > 0.0:
            return count
    return 0


def _ended(births: Sequence[float]) -> int:
    """The bin from which on nothing survives, if for long enough to say so; else 0."""
    last, gap = -1, 1
    for index, size in enumerate(births):
        if size:
            gap = max(gap, index - last)
            last = index
    quiet = len(births) - 1 - last
    return last + 1 if quiet > _QUIET_GAPS * gap else 0


def _shared(births: Sequence[float]) -> int:
    """1 if a level, in these bins, began in the midst of the first one, else 0."""
    if len(births) < _FEWEST_BINS:
        return 0
    usual = sum(births[1:]) / (len(births) - 1)
    return int(not usual * _PARTLY < births[0] < usual / _PARTLY)


def _oldest(births: Sequence[float]) -> int:
    """How many bins the first level takes."""
    return len(births) - last_change(births[::-1])


def _word(
    held: Survivors, rate: Estimate, settled: float, freed: float, share: float
) -> Word | None:
    if rate.low * settled > share * held.total:
        return "growing"
    kept = held.born_before(settled / 2)
    if freed >= held.total and kept < _KEPT_SHARE * held.total:
        return "churning"
    if rate.high * settled > _UNSURE_SHARE * held.total:
        return None
    return "steady"


def _rate(held: Survivors, start: float, end: float) -> Estimate:
    """Bytes per second that survive of births from `start` to `end`; from 0 on where that is too short.

    Of bins, which are independent. A line through their running sum has residuals that wander: Sen's
    interval held the rate of a fifth of simulated leaks, this one that of 19 of 20.
    """
    bins = min(_ESTIMATE_BINS, int((end - start) / held.grain(end)))
    few = bins < _FEWEST_EPOCHS
    bins = max(bins, _FEWEST_EPOCHS)
    levels = held.levels(start, end, bins)
    born = between(levels)
    while bins >= 2 * _FEWEST_BINS and born.count(0.0) > _EMPTY * bins:
        # The borders of half as many are every other one.
        levels = held.levels(start, end, bins // 2) if bins % 2 else levels[::2]
        bins //= 2
        born = between(levels)
    scale = bins / (end - start)
    value, low, high = location(born)
    return Estimate(scale * value, 0.0 if few else scale * low, scale * high)


def _still_to_be_freed(
    held: Survivors, changed: float, settled: float, width: float, freed: float
) -> bool:
    """Are there more survivors of late births only because those of earlier ones were freed since?"""
    recent = held.born(changed, settled)
    density = recent / (settled - changed)
    missing = density * changed - held.born_before(changed)
    if freed < _EXPLAINS * missing:
        return False
    allocated = (freed + held.total) / held.now
    if density > _LEAKED_SHARE * allocated or settled - changed < _FEWEST_LEAKED_BINS * width:
        return True
    half = (settled - changed) / 2
    older = held.born(changed, changed + half)
    gap = changed - width
    after = (settled + held.now) / 2
    return (
        held.born(gap - half, gap) > _SUDDEN * older
        or older < _EVEN * (recent - older)
        or density * (after - settled) < _EVEN * held.born(settled, after)
    )


def _grew(births: Sequence[float], held: float) -> bool:
    """Did a good part of what is held come in these bins, and bit by bit?"""
    total = sum(births)
    several = total - max(births) > _GROWN_SHARE * total
    return several and len(births) >= _GROWN_BINS and total > _GROWN_SHARE * held
