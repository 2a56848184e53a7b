"""The entries of a perf map by address: which name the code at an address has now.

Owns that later entries win where code was compiled again in place. Kept as arrays: a file has up to
a million entries. Leaves the file to `perfmap`.
"""

import heapq
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from typing import Final

MOST_ENTRIES = 1_000_000
MOST_LINE = 4096
"""Bytes of one line; a longer one is left out."""

_LEAST_RECENT = 4096
_TOP = 1 << 64

# START SIZE NAME in hex (tools/perf/Documentation/jit-interface.txt); some writers put 0x before.
_LINE: Final = re.compile(
    rb"^(?:0x)?([0-9a-fA-F]{1,16}) (?:0x)?([0-9a-fA-F]{1,16}) ([^\n]{1,%d})\n" % (MOST_LINE - 5),
    re.MULTILINE,
)


class JitCode:
    """Names for ranges of code, in the order in which they were written."""

    def __init__(self) -> None:
        self._starts, self._sizes = array("Q"), array("Q")
        self._ends_of_names = array("I")
        self._names = bytearray()
        self._settled = self._recent = _Ranges(array("Q"), array("Q"), array("I"))
        self._settled_entries = 0

    def __len__(self) -> int:
        return len(self._starts)

    def add(self, text: bytes) -> None:
        """Take in whole lines; those that are no entry are left out, as are those over the most."""
        for match in islice(_LINE.finditer(text), MOST_ENTRIES - len(self)):
            start, size = int(match[1], 16), int(match[2], 16)
            if size and start + size < _TOP and match.end() - match.start() <= MOST_LINE:
                self._names += match[3]
                self._starts.append(start)
                self._sizes.append(size)
                self._ends_of_names.append(len(self._names))

    def settle(self) -> None:
        """Make what was added be found.

        What is new is kept apart until it is a quarter of the rest, so that a file that grows by a
        few lines costs no look at all of them.
        """
        if len(self) - self._settled_entries > max(_LEAST_RECENT, self._settled_entries // 4):
            self._settled = self._ranges(0)
            self._settled_entries = len(self)
        self._recent = self._ranges(self._settled_entries)

    def find(self, address: int) -> bytes | None:
        """The raw name of the last entry that `address` lies in."""
        entry = self._recent.find(address)
        if entry is None:
            entry = self._settled.find(address)
        if entry is None:
            return None
        begin = self._ends_of_names[entry - 1] if entry else 0
        return bytes(self._names[begin : self._ends_of_names[entry]])

    def _ranges(self, first: int) -> "_Ranges":
        starts, ends, entries = array("Q"), array("Q"), array("I")
        for start, end, entry in self._flattened(first):
            if entries and entries[-1] == entry and ends[-1] == start:
                ends[-1] = end
            else:
                starts.append(start)
                ends.append(end)
                entries.append(entry)
        return _Ranges(starts, ends, entries)

    def _flattened(self, first: int) -> Iterator[tuple[int, int, int]]:
        """Ascending ranges (start, end, entry) without overlaps of the entries from `first` on."""
        open_entries: list[tuple[int, int]] = []  # (-entry, end): the latest one on top
        at = 0
        for entry in [*sorted(range(first, len(self)), key=self._starts.__getitem__), -1]:
            start = self._starts[entry] if entry >= 0 else _TOP
            while open_entries and at < start:
                latest, end = open_entries[0]
                if end <= at:
                    heapq.heappop(open_entries)
                    continue
                until = min(end, start)
                yield at, until, -latest
                at = until
            at = start
            if entry >= 0:
                heapq.heappush(open_entries, (-entry, start + self._sizes[entry]))


class _Ranges:
    """Ascending ranges [start, end) without overlaps, each with the number of its entry."""

    def __init__(self, starts: "array[int]", ends: "array[int]", entries: "array[int]") -> None:
        self._starts, self._ends, self._entries = starts, ends, entries

    def find(self, address: int) -> int | None:
        at = bisect_right(self._starts, address) - 1
        return self._entries[at] if at >= 0 and address < self._ends[at] else None
