"""Which level of watching is taken: the most exact one whose price is inside the budget. Pure.

Down at once, up after a while: a level that was too dear is only tried again when it would be clearly
inside the budget for some time, and for longer each time that this proved wrong.
"""

from collections.abc import Callable, Sequence

from ebpftrace.model.modes import GROWTH, Level

_ROOM = 0.9
"""A level is taken where it is predicted to need so much of the budget at most."""
_CLEARLY = 0.7
_OVER_S = 0.8
"""So long over the budget, or at once where it is twice that, and the level is left."""
_FAR = 2.0
_CALM_S, _MOST_CALM_S = 10.0, 300.0
_ANEW_CALM_S = 30.0  # where all numbers begin anew with it
_PROVEN_S = 60.0
"""What has held for so long was no mistake."""


class Governor:
    """`levels` from the most exact one on; the last one is taken whatever it costs."""

    def __init__(self, levels: Sequence[Level], budget_percent: float) -> None:
        self.levels = tuple(levels)
        self.budget = budget_percent
        self._over_since: float | None = None
        self._calm_since: float | None = None
        self._calm_s = _CALM_S
        self._rose_at: float | None = None

    def first(self, price: Callable[[Level], float]) -> Level:
        """The one to begin with; `price`: percent of a processor."""
        return self._best(self.levels, price, 1.0)

    def next(self, now: float, current: Level, price: Callable[[Level], float]) -> Level | None:
        """The one to change to; None: stay. `price` of the current one is what it does cost."""
        cost = price(current)
        if cost > self.budget:
            self._calm_since = None
            self._over_since = now if self._over_since is None else self._over_since
            if cost > _FAR * self.budget or now - self._over_since >= _OVER_S:
                return self._down(now, current, price)
            return None
        self._over_since = None
        return self._up(now, current, price)

    def _down(self, now: float, current: Level, price: Callable[[Level], float]) -> Level | None:
        below = self.levels[self._index(current) + 1 :]
        if not below:
            return None
        self._over_since = None
        if self._rose_at is not None:
            early = now - self._rose_at < _PROVEN_S
            self._calm_s = min(2 * self._calm_s, _MOST_CALM_S) if early else _CALM_S
            self._rose_at = None
        return self._best(below, price, _FAR)

    def _up(self, now: float, current: Level, price: Callable[[Level], float]) -> Level | None:
        better = self.levels[: self._index(current)]
        limit = _CLEARLY * self.budget
        found = next((level for level in better if price(level) <= limit), None)
        if found is None:
            self._calm_since = None
            return None
        self._calm_since = now if self._calm_since is None else self._calm_since
        calm_s = max(self._calm_s, _ANEW_CALM_S if current == GROWTH else 0.0)
        if now - self._calm_since < calm_s:
            return None
        self._calm_since, self._rose_at = None, now
        return found

    def _best(
        self, levels: Sequence[Level], price: Callable[[Level], float], tried: float
    ) -> Level:
        """`tried`: the last level before growth is where it may need no more of the budget than that. A prediction
        from a bad moment should not make all numbers begin anew: what it does cost is seen soon.
        """
        found = next((one for one in levels if price(one) <= _ROOM * self.budget), levels[-1])
        if found != GROWTH or len(levels) == 1:
            return found
        before = levels[-2]
        return before if price(before) <= tried * self.budget else found

    def _index(self, level: Level) -> int:
        return self.levels.index(level)
