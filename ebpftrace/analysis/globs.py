"""Patterns in which `*` is anything and `?` one character, for texts that a target chose.

Nothing is tried twice: a pattern without `?` reads the text once, each `?` may read it once more.
"""

from collections import defaultdict

_KNOWN = 1 << 16
_NONE: frozenset[int] = frozenset()
# Patterns are told apart by so many of their first characters at most.
_HEAD = 16


class _Piece:
    """What stands between two `*`."""

    __slots__ = ("_anchor", "_runs", "head", "size")

    def __init__(self, text: str, single: str | None) -> None:
        self.size = len(text)
        self._runs: list[tuple[int, str]] = []
        at = 0
        for run in text.split(single) if single else (text,):
            self._runs.append((at, run))
            at += len(run) + 1
        self._anchor = max(self._runs, key=lambda one: len(one[1]))
        self.head = self._runs[0][1]

    def is_at(self, text: str, index: int) -> bool:
        return all(text.startswith(run, index + offset) for offset, run in self._runs)

    def end_in(self, text: str, start: int, end: int) -> int:
        """Where its first occurrence between `start` and `end` ends; -1 without one."""
        offset, run = self._anchor
        last = end - self.size + offset + len(run)
        at = text.find(run, start + offset, last)
        while at >= 0:
            if len(self._runs) == 1 or self.is_at(text, at - offset):
                return at - offset + self.size
            at = text.find(run, at + 1, last)
        return -1


class Glob:
    """A text matches in whole. `single`: the sign that stands for one character; None: no sign does."""

    __slots__ = ("_first", "_last", "_least", "_middle")

    def __init__(self, pattern: str, single: str | None = "?") -> None:
        first, *others = (_Piece(part, single) for part in pattern.split("*"))
        self._first = first
        self._last = others.pop() if others else None
        self._middle = [piece for piece in others if piece.size]
        self._least = sum(piece.size for piece in (first, *self._middle))
        self._least += self._last.size if self._last is not None else 0

    @property
    def head(self) -> str:
        """What every text that matches begins with, up to some characters of it."""
        return self._first.head[:_HEAD]

    def matches(self, text: str) -> bool:
        """Each piece where it is found first leaves the most to those behind it."""
        if len(text) < self._least or not self._first.is_at(text, 0):
            return False
        if self._last is None:
            return len(text) == self._least
        end = len(text) - self._last.size
        if not self._last.is_at(text, end):
            return False
        at = self._first.size
        for piece in self._middle:
            at = piece.end_in(text, at, end)
            if at < 0:
                return False
        return True


class Globs:
    """Many patterns, each with a number."""

    def __init__(self) -> None:
        self._exact: defaultdict[str, set[int]] = defaultdict(set)
        self._heads: defaultdict[int, dict[str, list[tuple[Glob, int]]]] = defaultdict(dict)
        """By the length of a head, then by the head."""
        self._known: dict[str, frozenset[int]] = {}

    def add(self, pattern: str, number: int, single: str | None = "?") -> None:
        """All of them before the first look."""
        if "*" not in pattern and not (single and single in pattern):
            self._exact[pattern].add(number)
            return
        glob = Glob(pattern, single)
        self._heads[len(glob.head)].setdefault(glob.head, []).append((glob, number))

    def of(self, text: str) -> frozenset[int]:
        """The numbers of those that match."""
        known = self._known.get(text)
        if known is None:
            if len(self._known) == _KNOWN:
                self._known.clear()
            known = self._known[text] = self._found(text)
        return known

    def _found(self, text: str) -> frozenset[int]:
        found = set(self._exact.get(text, _NONE))
        for length, heads in self._heads.items():
            for glob, number in heads.get(text[:length], ()):
                if number not in found and glob.matches(text):
                    found.add(number)
        return frozenset(found) if found else _NONE
