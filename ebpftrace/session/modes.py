"""Which level the targets are watched on, and every change of it. For the poller's thread.

`full`, `sample` and a scale are changed beside the watch: no block that is held is lost by it. From and to
`growth` another watch begins, which whoever holds this one is asked for.
"""

import logging
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from ebpftrace.kernel.layout import SCALES
from ebpftrace.kernel.prices import Prices
from ebpftrace.model.modes import GROWTH, Level, ModeChange, Wanted
from ebpftrace.session.cost import CostMeter, SeenBirths
from ebpftrace.session.fault_rate import FaultRate
from ebpftrace.session.glances import Glances
from ebpftrace.session.governing import Governor
from ebpftrace.session.hits import Hits, difference
from ebpftrace.session.limits import Limits
from ebpftrace.session.load import Load
from ebpftrace.session.sampling import Sampling
from ebpftrace.session.traced import Traced
from ebpftrace.session.windows import lengths

log = logging.getLogger(__name__)

FULL = Level("full")
SAMPLES = tuple(Level("sample", scale) for scale in SCALES[1:])
_UNGUIDED = Level("sample", 16)  # where prices are not known
_EVERY_S = 0.4
_FIRST_S = 0.25
_BIRTHS_S = 5.0
"""What windows see is counted over so long: there may be none in `_EVERY_S`, and 64 times too much in one."""
_MOST_CHANGES = 100
_NO_LOAD = Load(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)  # without prices, and so without a governor


class _Reading(NamedTuple):
    at: float
    hits: Hits


class Modes:
    """`wanted` and the budget may be changed at any time, by any thread; it is done with the next `tick`.

    It outlives the watches that it asks for; each one tells its parts by `now_of`.
    """

    def __init__(self, wanted: Wanted, budget_percent: float | None, *, may_grow: bool) -> None:
        """`budget_percent` of one processor; None: no limit, so that `auto` is full. `may_grow`: can page faults
        be watched instead of allocations?
        """
        self._asked: tuple[Wanted, float | None] = (wanted, budget_percent)
        self._taken = self._asked
        self._may_grow = may_grow
        self._prices: Prices | None = None
        self._governor: Governor | None = None
        self._readings: deque[_Reading] = deque()
        self._limits = Limits()
        self._rate = FaultRate()
        self._chosen = False
        self.level = GROWTH if wanted == "growth" else FULL
        self.crossing = False
        """Is another watch to begin, in `level`?"""
        self.forecast: dict[Level, float] = {}
        """Percent of a processor that each level would cost the targets at the last tick; the one that is
        taken costs that.
        """
        self.changes: list[ModeChange] = []

    def now_of(
        self, sampling: Sampling, cost: CostMeter, glances: Glances, prices: Prices | None
    ) -> None:
        """A watch in `level` begins, with nothing attached to."""
        self._sampling, self._cost, self._glances = sampling, cost, glances
        self.crossing = False
        self._readings.clear()
        if self._governor is None or prices != self._prices:
            self._prices = prices
            self._govern()

    def want(self, mode: Wanted, budget_percent: float | None) -> None:
        """From any thread."""
        self._asked = mode, budget_percent

    @property
    def wanted(self) -> tuple[Wanted, float | None]:
        """What was asked for last: the mode, and percent of a processor."""
        return self._asked

    @property
    def may_grow(self) -> bool:
        """Can page faults be watched?"""
        return self._may_grow and self._prices is not None and self._prices.fault_ns is not None

    def before(self) -> None:
        """Anything is attached to: births wait where it is not certain that all of them are affordable."""
        if self._governor is not None or self._taken[0] == "sample":
            self._sampling.hold_back()

    def begin(self, living: Iterable[Traced]) -> list[Traced]:
        """Probes are in place, and nothing counts yet: find the level. Those whose probes were lost by it."""
        if not self._sampling.held_back or self.level == GROWTH:
            return []
        living = list(living)
        if self._chosen:  # by the watch before this one
            return self._set(self.level, living)
        if self._governor is None:
            return self._take(0.0, _UNGUIDED, living, "the price of a probe is not known here")
        self._rate.per_s(living)
        first = self._read()
        time.sleep(_FIRST_S)
        now_read = self._read()
        between = _between(first, now_read)
        self._forecast(self._load(between, SeenBirths(*between), living), living)
        self._limits.look(self._governor, self._taken[1], living)
        level = self._governor.first(self.forecast.__getitem__)
        why = f"full would cost {self.forecast[FULL]:.1f} % of a CPU"
        return self._take(0.0, level, living, f"{why}, {self._budget()}")

    def tick(self, now: float, living: Iterable[Traced]) -> list[Traced]:
        """`now` in seconds since attach. Those whose probes were lost by a change."""
        if self._asked != self._taken:
            return self._ask(now, list(living))
        if not self._readings:
            self._readings.append(self._read())
            return []
        last = self._readings[-1]
        if time.monotonic() - last.at < _EVERY_S:
            return []
        living = list(living)
        if self._governor is not None:
            self._limits.look(self._governor, self._taken[1], living)
        now_read = self._read()
        self._keep(now_read)
        if not self._foresee(last, now_read, living):
            return []
        self.forecast[self.level] = actual = self._cost.percent(*_between(last, now_read)) or 0.0
        if self._governor is None:
            return []
        level = self._governor.next(time.monotonic(), self.level, self.forecast.__getitem__)
        if level is None:
            return []
        why = f"{self.level} costs {actual:.1f} % of a CPU"
        if self._governor.levels.index(level) < self._governor.levels.index(self.level):
            why = f"{level} would cost {self.forecast[level]:.1f} % of a CPU"
        return self._take(now, level, living, f"{why}, {self._budget()}")

    def _foresee(self, last: _Reading, now_read: _Reading, living: Sequence[Traced]) -> bool:
        """What each level would cost; False where nothing new is known of that."""
        if self.level != GROWTH:
            births = None if self.level == FULL else self._births(now_read, living)
            self._forecast(self._load(_between(last, now_read), births, living), living)
            return True
        seen = self._glances.look(living) if self._governor is not None else None
        if seen is None:
            self.forecast[GROWTH] = self._cost.percent(*_between(last, now_read)) or 0.0
            return False
        self._readings.clear()  # the glance is no cost of the level
        self._forecast(self._cost.load(*seen, SeenBirths(*seen)) or _NO_LOAD, living)
        return True

    def _forecast(self, load: Load, living: Sequence[Traced]) -> None:
        gated = _gated(living)
        levels = (FULL, *SAMPLES, *([GROWTH] if self.may_grow else []))
        self.forecast = {level: load.percent(level, gated=gated) for level in levels}

    def _ask(self, now: float, living: list[Traced]) -> list[Traced]:
        self._taken = self._asked
        self._govern()
        mode, _ = self._taken
        why = f"{mode} was asked for"
        if mode == "growth":
            return self._take(now, GROWTH, living, why) if self.may_grow else []
        if self._governor is None:
            return self._take(now, _UNGUIDED if mode == "sample" else FULL, living, why)
        if self.level == GROWTH and mode == "auto":
            return []  # by the next glances
        if self.level == GROWTH or not self.forecast:  # also in the first moment
            return self._take(now, SAMPLES[-1], living, why)
        level = self._governor.first(self.forecast.__getitem__)
        return self._take(now, level, living, why)

    def _govern(self) -> None:
        mode, budget = self._taken
        self._governor = None
        self._readings.clear()
        if self._prices is None or budget is None:
            return
        if mode == "auto":
            last = (GROWTH,) if self.may_grow else ()
            self._governor = Governor([FULL, *SAMPLES, *last], budget)
        elif mode == "sample":
            self._governor = Governor(SAMPLES, budget)
        self._limits = Limits()

    def _take(self, now: float, level: Level, living: Iterable[Traced], why: str) -> list[Traced]:
        crosses = GROWTH in (level, self.level) and level != self.level
        if level != self.level:
            log.info("mode %s: %s", level, why)
            if crosses:
                self.changes = [ModeChange(0.0, level, f"{why}; the numbers began anew")]
            else:
                self.changes.append(ModeChange(now, level, why))
                del self.changes[:-_MOST_CHANGES]
        elif not self._sampling.held_back or level == GROWTH:
            return []
        if crosses:
            self.level, self.crossing, self._chosen = level, True, True
            return []
        return self._set(level, living)

    def _set(self, level: Level, living: Iterable[Traced]) -> list[Traced]:
        self.level, self._chosen = level, False
        self._readings.clear()
        return self._sampling.choose(level.scale, living)

    def _budget(self) -> str:
        assert self._governor is not None
        return f"the budget is {self._governor.budget:g} %"

    def _read(self) -> _Reading:
        return _Reading(time.monotonic(), self._cost.hits())

    def _keep(self, now: _Reading) -> None:
        while len(self._readings) > 1 and now.at - self._readings[1].at >= _BIRTHS_S:
            self._readings.popleft()
        self._readings.append(now)

    def _births(self, now: _Reading, living: Iterable[Traced]) -> SeenBirths:
        """As many as windows have seen lately, at least one stretch of which is taken to be over."""
        hits, passed_s = _between(self._readings[0], now)
        if _gated(living):
            return SeenBirths(hits, passed_s)
        _, stretch = lengths(self.level.scale)
        return SeenBirths(hits, max(passed_s, stretch / 1e9), self.level.scale)

    def _load(
        self, new: tuple[Hits, float], births: SeenBirths | None, living: Sequence[Traced]
    ) -> Load:
        load = self._cost.load(*new, births) or _NO_LOAD
        if not self.may_grow or self._prices is None:
            return load
        each = self._prices.fault_ns or 0.0
        return replace(load, faults_ns=each * self._rate.per_s(living))


def _gated(living: Iterable[Traced]) -> bool:
    """Do the probes of births stay in place?"""
    return any(not traced.by_links for traced in living)


def _between(last: _Reading, now: _Reading) -> tuple[Hits, float]:
    return difference(now.hits, last.hits), max(now.at - last.at, 1e-9)
