"""Columns of numbers: msgpack extension types, little-endian, as narrow as the largest number.

The number of the type is the letter that Python's `array` has for it: B, H, I and Q are unsigned, of
1, 2, 4 and 8 bytes, d is a double. nil is the largest number of the width, or the double NaN, in
columns that may hold it.
"""

import sys
from array import array
from collections.abc import Iterable, Sequence
from itertools import repeat
from math import nan
from operator import ge, le
from typing import Any, TypeVar, cast

from msgpack import ExtType

from ebpftrace.snapshot.values import MOST_COUNT, MOST_FLOAT, Object, Unfit, needed

T = TypeVar("T")

_TOPS = {"B": (1 << 8) - 1, "H": (1 << 16) - 1, "I": (1 << 32) - 1, "Q": MOST_COUNT}
_LETTERS = frozenset({*_TOPS, "d"})


def whole(values: Sequence[int]) -> ExtType:
    """What does not fit into 64 bits without a sign becomes the nearest that does.

    An array stays as wide as it is: a million numbers are narrowed in 0.1 s, and zeros compress.
    """
    if type(values) is array and values.typecode in _TOPS:
        return _packed(values.typecode, values)
    try:
        return _packed(_letter(max(values, default=0)), values)
    except OverflowError:
        return whole([min(max(value, 0), MOST_COUNT) for value in values])


def whole_or_nil(values: Sequence[int | None]) -> ExtType:
    """As `whole`; the largest number is one less."""
    known = [value for value in values if value is not None] if None in values else values
    numbers = cast("Sequence[int]", known)
    most = max(numbers, default=0)
    if not 0 <= min(numbers, default=0) <= most < MOST_COUNT:
        most = MOST_COUNT - 1
        values = [None if value is None else min(max(value, 0), most) for value in values]
    letter = _letter(most + 1)
    if known is values:
        return _packed(letter, numbers)
    top = _TOPS[letter]
    return _packed(letter, [top if value is None else value for value in values])


def doubles_or_nil(values: Iterable[float | None]) -> ExtType:
    """What is not finite, or beyond what is read again, is nil."""
    most = MOST_FLOAT
    return _packed(
        "d", [nan if value is None or not -most <= value <= most else value for value in values]
    )


def column(code: int, data: bytes) -> "array[Any]":
    """Msgpack's `ext_hook`. Unfit where it is no column."""
    letter = chr(code) if 0 < code < 128 else ""
    if letter not in _LETTERS:
        raise Unfit("it holds an extension type that is no column")
    values: array[Any] = array(letter)
    if len(data) % values.itemsize:
        raise Unfit("a column ends in the middle of a number")
    values.frombytes(data)
    if sys.byteorder == "big":
        values.byteswap()
    return values


class Columns:
    """Those of one section, by name, all of one length. Unfit where they are not."""

    def __init__(self, content: Object, first: str) -> None:
        self._content = content
        self.rows = len(self._array(first))

    def whole(self, name: str) -> list[int]:
        return self._of(name, "BHIQ")

    def numbers(self, name: str) -> "array[int]":
        """As `whole`; an object is made of one when it is taken."""
        self._check(name, "BHIQ")
        return self._array(name)

    def whole_or_nil(self, name: str) -> list[int | None]:
        values: list[int | None] = self._of(name, "BHIQ")
        top = _TOPS[self._array(name).typecode]
        if values and max(filter(None, values), default=0) == top:
            values = [None if value == top else value for value in values]
        return values

    def doubles_or_nil(self, name: str) -> list[float | None]:
        values: list[float] = self._of(name, "d")
        known = [value for value in values if value == value]  # noqa: PLR0124 - NaN is not
        if known and not -MOST_FLOAT <= min(known) <= max(known) <= MOST_FLOAT:
            raise Unfit(f"{name} is out of range")
        return [value if value == value else None for value in values]  # noqa: PLR0124

    def doubles(self, name: str, most: float) -> list[float]:
        """Between 0 and `most`."""
        values: list[float] = self._of(name, "d")
        if not all(map(ge, values, repeat(0.0))) or not all(map(le, values, repeat(most))):
            raise Unfit(f"{name} is out of range")
        return values

    def named(self, name: str, texts: Sequence[str | None]) -> list[str]:
        """As `chosen`, of strings; none of them may be nil."""
        return [text or "" for text in self.chosen(name, texts)]

    def truths(self, name: str) -> list[bool]:
        return self._chosen(name, (False, True), self.whole(name))

    def chosen(self, name: str, table: Sequence[T]) -> list[T]:
        """The rows of a table that the column names."""
        return self._chosen(name, table, self.whole(name))

    def _chosen(self, name: str, table: Sequence[T], numbers: list[int]) -> list[T]:
        try:
            return list(map(table.__getitem__, numbers))
        except IndexError:
            raise Unfit(f"{name} names row {max(numbers)} of {len(table)}") from None

    def _of(self, name: str, letters: str) -> list[Any]:
        self._check(name, letters)
        return self._array(name).tolist()

    def _check(self, name: str, letters: str) -> None:
        values = self._array(name)
        if values.typecode not in letters:
            raise Unfit(f"{name} is a column of other numbers")
        if len(values) != self.rows:
            raise Unfit(f"{name} has {len(values)} rows, others {self.rows}")

    def _array(self, name: str) -> "array[Any]":
        values = needed(self._content, name)
        if type(values) is not array:
            raise Unfit(f"{name} is no column")
        return values


def ascending(values: Sequence[int], starts: Iterable[int]) -> bool:
    """Does each run of `values` ascend? `starts`: where they begin."""
    falls = [at for at, falls in enumerate(map(ge, values, values[1:]), 1) if falls]
    return not falls or set(falls) <= set(starts)


def _letter(most: int) -> str:
    return next((letter for letter, top in _TOPS.items() if most <= top), "Q")


def _packed(letter: str, values: Sequence[Any]) -> ExtType:
    if type(values) is array and values.typecode == letter:
        numbers = values
    else:
        numbers = array(letter, values)
    if sys.byteorder == "big":
        numbers = array(letter, numbers)
        numbers.byteswap()
    return ExtType(ord(letter), numbers.tobytes())
