"""How much of a snapshot is read, and so how much is written: what it may take of memory.

Real ones have up to 200,000 call sites of 127 frames each, and 1,048,576 cohorts, as many as the
kernel's map holds. With all of it at its most, a reader takes less than 1 GB.
"""

from array import array
from collections import Counter
from collections.abc import Mapping
from typing import Any

from msgpack import ExtType

from ebpftrace.snapshot.values import Unfit

MOST_ROWS = 1 << 20
"""Of a table that is not named in `MOST_ROWS_OF`."""

MOST_ROWS_OF = {
    "callsites": 1 << 19,
    "sites": 1 << 19,
    "cohorts": 1 << 21,
    "mappings": 1 << 19,
    "history": 1 << 16,
    "blocks": 1 << 16,
}
MOST_IN_STACKS = 1 << 25
MOST_FRAMES = 1 << 14
"""Of one stack: 127, with 64 inlined ones in each, are 8,255."""

MOST_TEXT = 64 << 20
MOST_LENGTH = 1 << 13
"""Of one text, in characters: names are 4,096 at most. It is cut where it is longer."""

MOST_MEMORY = 640 << 20
MOST_RECORD = 128 << 20

_NUMBER = 40  # an object and its place in a tuple; of 1 byte it is an object that all share
_SHARED = 8
_KEPT = frozenset({"strings", "modules", "frames", "stacks", "callsites", "texts", "in stacks"})


class TooMuch(Unfit):
    """More than is read, in the section `section`."""

    def __init__(self, section: str, reason: str) -> None:
        super().__init__(reason)
        self.section = section


class Room:
    """For the sections of one file, or of records that rest on one another."""

    def __init__(self) -> None:
        self._rows: Counter[str] = Counter()
        self._memory = 0

    def turn(self) -> None:
        """A record begins that rests on the one before: the rows of its tables are there."""
        self._memory = 0
        self._rows = Counter({key: n for key, n in self._rows.items() if key in _KEPT})

    def take(self, name: str, content: Mapping[str, Any]) -> None:
        """TooMuch. `content` is of columns as they are written, or as they are read."""
        rows = 0
        for key, value in content.items():
            if type(value) is bytes:
                self._add(name, "texts", len(value), MOST_TEXT, "bytes of text")
                self._memory += 2 * len(value)
                rows = max(rows, value.count(0))
                continue
            number, width = _size(value)
            if (name, key) == ("stacks", "frames"):
                self._add(name, "in stacks", number, MOST_IN_STACKS, "frames in stacks")
                self._memory += number * _SHARED
            else:
                self._memory += number * (_SHARED if width == 1 else _NUMBER)
                rows = max(rows, number)
        self._add(name, name, rows, MOST_ROWS_OF.get(name, MOST_ROWS), "rows")
        if self._memory > MOST_MEMORY:
            raise TooMuch(
                name, f"what is up to its end takes more than {MOST_MEMORY} bytes to read"
            )

    def _add(self, section: str, key: str, number: int, most: int, what: str) -> None:
        self._rows[key] += number
        if self._rows[key] > most:
            raise TooMuch(
                section, f"there are {self._rows[key]} {what}, and no more than {most} are read"
            )


def _size(value: object) -> tuple[int, int]:
    """How many numbers, and how wide they are. 0 of what is no column."""
    if isinstance(value, array):
        return len(value), value.itemsize
    if isinstance(value, ExtType):
        width = array(chr(value.code)).itemsize
        return len(value.data) // width, width
    return 0, 1
