"""Which level the targets are watched on, and every change of it. For the poller's thread.

`full`, `sample` and a scale are changed beside the watch: no block that is held is lost by it.
"""

import logging
import time
from collections.abc import Iterable
from typing import NamedTuple

from ebpftrace.kernel.layout import SCALES
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.model.modes import Level, ModeChange, Wanted
from ebpftrace.session.cost import CostMeter, Hits, difference
from ebpftrace.session.governing import Governor
from ebpftrace.session.load import Load
from ebpftrace.session.sampling import Sampling
from ebpftrace.session.traced import Traced
from ebpftrace.target.cpu_group import cpu_limit

log = logging.getLogger(__name__)

FULL = Level("full")
SAMPLES = tuple(Level("sample", scale) for scale in SCALES[1:])
_UNGUIDED = Level("sample", 16)  # where prices are not known
_EVERY_S = 0.4
_FIRST_S = 0.25
_LIMITS_EVERY_S = 5.0
_MOST_CHANGES = 100
_NO_LOAD = Load(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)  # without prices, and so without a governor


class _Reading(NamedTuple):
    at: float
    hits: Hits


class Modes:
    """`wanted` and the budget may be changed at any time, by any thread; it is done with the next `tick`."""

    def __init__(
        self,
        tracer: Tracer,
        sampling: Sampling,
        cost: CostMeter,
        wanted: Wanted,
        budget_percent: float | None,
    ) -> None:
        """`budget_percent` of one processor; None: no limit, so that `auto` is full."""
        self._tracer = tracer
        self._sampling = sampling
        self._cost = cost
        self._asked: tuple[Wanted, float | None] = (wanted, budget_percent)
        self._taken = self._asked
        self._governor: Governor | None = None
        self._reading: _Reading | None = None
        self._limits_due = 0.0
        self._share = 1.0
        self.level = FULL
        self.forecast: dict[Level, float] = {}
        """Percent of a processor that each level would cost the targets at the last tick; the one that is
        taken costs that.
        """
        self.changes: list[ModeChange] = []

    def want(self, mode: Wanted, budget_percent: float | None) -> None:
        """From any thread."""
        self._asked = mode, budget_percent

    @property
    def wanted(self) -> tuple[Wanted, float | None]:
        """What was asked for last: the mode, and percent of a processor."""
        return self._asked

    def before(self) -> None:
        """Anything is attached to: births wait where it is not certain that all of them are affordable."""
        self._govern()
        if self._governor is not None or self._taken[0] == "sample":
            self._sampling.hold_back()

    def begin(self, living: Iterable[Traced]) -> list[Traced]:
        """Probes are in place, and nothing counts yet: find the level. Those whose probes were lost by it."""
        if not self._sampling.held_back:
            return []
        living = list(living)
        if self._governor is None:
            return self._take(0.0, _UNGUIDED, living, "the price of a probe is not known here")
        first = self._read()
        time.sleep(_FIRST_S)
        load = self._load(first, self._read(), 1)
        self._look_at_limits(living)
        self._forecast(load, living)
        level = self._governor.first(self.forecast.__getitem__)
        why = f"full would cost {self.forecast[FULL]:.1f} % of a CPU"
        return self._take(0.0, level, living, f"{why}, the budget is {self._governor.budget:g} %")

    def tick(self, now: float, living: Iterable[Traced]) -> list[Traced]:
        """`now` in seconds since attach. Those whose probes were lost by a change."""
        if self._asked != self._taken:
            return self._ask(now, list(living))
        last = self._reading
        if last is None:
            self._reading = self._read()
            return []
        if time.monotonic() - last.at < _EVERY_S:
            return []
        living = list(living)
        self._look_at_limits(living)
        self._reading = now_read = self._read()
        scale = self.level.scale if not self._gated(living) else 1
        load = self._load(last, now_read, None if self.level == FULL else scale)
        self._forecast(load, living)
        self.forecast[self.level] = actual = self._cost.percent(*_between(last, now_read)) or 0.0
        if self._governor is None:
            return []
        level = self._governor.next(now, self.level, self.forecast.__getitem__)
        if level is None:
            return []
        why = f"{self.level} costs {actual:.1f} % of a CPU"
        if self._governor.levels.index(level) < self._governor.levels.index(self.level):
            why = f"{level} would cost {self.forecast[level]:.1f} % of a CPU"
        return self._take(now, level, living, f"{why}, the budget is {self._governor.budget:g} %")

    def _forecast(self, load: Load, living: Iterable[Traced]) -> None:
        gated = self._gated(living)
        self.forecast = {level: load.percent(level, gated=gated) for level in (FULL, *SAMPLES)}

    def _ask(self, now: float, living: list[Traced]) -> list[Traced]:
        self._taken = self._asked
        self._govern()
        mode, _ = self._taken
        if self._governor is None:
            level = _UNGUIDED if mode == "sample" else FULL
            return self._take(now, level, living, "it was asked for")
        if not self.forecast:  # the first moment
            return self._take(now, self._governor.levels[-1], living, "it was asked for")
        level = self._governor.first(self.forecast.__getitem__)
        return self._take(now, level, living, f"{mode} was asked for")

    def _govern(self) -> None:
        mode, budget = self._taken
        self._governor, self._reading = None, None
        if self._tracer.prices is None or budget is None:
            return
        if mode == "auto":
            self._governor = Governor([FULL, *SAMPLES], budget)
        elif mode == "sample":
            self._governor = Governor(SAMPLES, budget)
        self._limits_due = 0.0

    def _take(self, now: float, level: Level, living: Iterable[Traced], why: str) -> list[Traced]:
        if level == self.level and not self._sampling.held_back:
            return []
        lost = self._sampling.choose(level.scale, living)
        self._reading = None
        if level != self.level:
            log.info("mode %s: %s", level, why)
            self.changes.append(ModeChange(now, level, why))
            del self.changes[:-_MOST_CHANGES]
        self.level = level
        return lost

    def _look_at_limits(self, living: Iterable[Traced]) -> None:
        """A target that may use less than a processor has so much less to give."""
        governor, budget = self._governor, self._taken[1]
        if governor is None or budget is None or time.monotonic() < self._limits_due:
            return
        self._limits_due = time.monotonic() + _LIMITS_EVERY_S
        limits = [
            limit for traced in living if (limit := cpu_limit(traced.process.pid)) is not None
        ]
        share = min(1.0, *limits) if limits else 1.0
        if share != self._share:
            log.info(
                "the budget is %.2g %% of a CPU: the targets may use %.2g", budget * share, share
            )
        self._share, governor.budget = share, budget * share

    def _gated(self, living: Iterable[Traced]) -> bool:
        return any(not traced.by_links for traced in living)

    def _read(self) -> _Reading:
        return _Reading(time.monotonic(), self._cost.hits())

    def _load(self, last: _Reading, now: _Reading, seen_in: int | None) -> Load:
        hits, passed = _between(last, now)
        return self._cost.load(hits, passed, seen_in) or _NO_LOAD


def _between(last: _Reading, now: _Reading) -> tuple[Hits, float]:
    return difference(now.hits, last.hits), max(now.at - last.at, 1e-9)
