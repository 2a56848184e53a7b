"""An order of rows that people can read while the numbers change.

A row overtakes another when it is clearly larger, not at each change of the last digit: every value
is remembered as it was when it last moved by more than a tenth, and rows are sorted by that.
"""

from array import array
from collections.abc import Hashable, Sequence

TOLERANCE = 0.1


class Ordering:
    """Of the rows of one list, by their index: a row keeps its index from call to call."""

    def __init__(self) -> None:
        self._ranked = array("d")  # a list of 100,000 numbers takes 4 MB
        self._order: list[int] = []
        self._among: Sequence[int] = ()

    def arrange(
        self, values: Sequence[float], among: Sequence[int], *, reverse: bool = False
    ) -> list[int]:
        """`among`, ascending indexes into `values`, by value: the largest first unless `reverse`.

        Those that are not clearly apart keep their order; a new row takes its place at once.
        """
        before = self._ranked
        ranked = [
            was if abs(now - was) <= TOLERANCE * max(abs(now), abs(was)) else now
            for now, was in zip(values, before, strict=False)
        ]
        ranked.extend(values[len(before) :])
        order = self._start(among)
        # Sorted from the order before: few are out of place then, and ties do not dance.
        order.sort(key=ranked.__getitem__, reverse=not reverse)
        self._ranked, self._order, self._among = array("d", ranked), order, among
        return order.copy()

    def forget(self) -> None:
        """The next order is the exact one."""
        self._ranked, self._order, self._among = array("d"), [], ()

    def _start(self, among: Sequence[int]) -> list[int]:
        if among == self._among:
            return self._order
        members = set(among)
        kept = [index for index in self._order if index in members]
        return kept + sorted(members.difference(kept))


class Steadied:
    """The same for few rows that are told apart by keys and come and go."""

    def __init__(self) -> None:
        self._ranked: dict[Hashable, float] = {}

    def value(self, key: Hashable, now: float) -> float:
        """What to sort by: the value of before, unless it has clearly changed."""
        was = self._ranked.get(key)
        if was is None or abs(now - was) > TOLERANCE * max(abs(now), abs(was)):
            self._ranked[key] = was = now
        return was

    def forget(self) -> None:
        self._ranked.clear()
