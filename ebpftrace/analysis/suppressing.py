"""Which suppression matches a stack, each frame object and each text looked at once.

The first of a Valgrind's suppression's frames may be the allocator, as Valgrind has it, `operator
new`, or whatever else asked it for memory up to the first function that is no wrapper (`wrappers`). An
inlined function may be passed over: it is not known before lines have been looked up, and unknown
to who reads no debug information. Outward of the last frame comes anything.
"""

import os
from collections import defaultdict
from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

from ebpftrace.analysis.globs import Globs
from ebpftrace.analysis.names import bare, original
from ebpftrace.analysis.responsible import wrapping
from ebpftrace.analysis.suppression_files import Line, Suppression
from ebpftrace.model.frames import Frame
from ebpftrace.model.picture import CallSite

_ANY = -1
_REST = -2  # the line `...`
_UNKNOWN = "???"  # as Valgrind calls what has no name
_MOST_FRAMES = 1 << 18
_MOST_STACKS = 1 << 13


class _Kind(NamedTuple):
    """What frames may have in common: the numbers of the lines that match them."""

    matched: frozenset[int]
    inlined: bool


class _Rule:
    """A suppression with its lines as numbers."""

    def __init__(self, lines: Sequence[int], *, anywhere: bool) -> None:
        self.anywhere = anywhere
        self.needs = frozenset(number for number in lines if number >= 0)
        self._lines = lines
        # Where a match that has come to a line may be at the same time.
        self._reach: list[tuple[int, ...]] = [(len(lines),)]
        for at in range(len(lines) - 1, -1, -1):
            further = self._reach[-1] if lines[at] == _REST else ()
            self._reach.append((at, *further))
        self._reach.reverse()

    def matches(self, stack: Sequence[_Kind], last: int) -> bool:
        """A match begins at one of the frames up to that of index `last`."""
        reach, end = self._reach, len(self._lines)
        active: set[int] = set()
        for index, kind in enumerate(stack):
            if index <= last:
                active.update(reach[0])
            further: set[int] = set()
            for at in active:
                line = self._lines[at]
                if line == _ANY or line in kind.matched:
                    further.update(reach[at + 1])
                if line == _REST or kind.inlined:
                    further.update(reach[at])
            if end in further:
                return True
            if not further and index >= last:
                return False
            active = further
        return False


class Matcher:
    """Of `suppressions`. For one thread at a time."""

    def __init__(self, suppressions: Sequence[Suppression]) -> None:
        self._functions, self._whole, self._modules = Globs(), Globs(), Globs()
        self._inlined, self._files, self._anything = Globs(), Globs(), Globs()
        self._numbers: dict[Line, int] = {}
        self._source_lines: dict[int, int] = {}
        """The line that a number of `src:` asks for."""
        self._rules: list[_Rule] = []
        self._by_need: defaultdict[int, list[int]] = defaultdict(list)
        """The rules that a number is the most telling of."""
        self._always: list[int] = []
        for suppression in suppressions:
            self._add(suppression)
        self._kinds: list[_Kind] = []
        self._kind_numbers: dict[_Kind, int] = {}
        self._kind_of: dict[int, int] = {}
        """By the identity of a frame."""
        self._frames: list[Frame] = []  # held, so that no other frame gets the identity of one
        self._kind_of_allocator: dict[str | None, int] = {}
        self._candidates: dict[frozenset[int], Sequence[int]] = {}
        self._matches: dict[tuple[int, ...], int | None] = {}

    def first(self, at: CallSite) -> int | None:
        """The index of the first suppression that matches; None of a stack that has not come."""
        if at.allocator is None and not at.frames:
            return None
        stack = self._kinds_of(at)
        candidates = self._candidates_of(frozenset(stack))
        if not candidates:
            return None
        if self._rules[candidates[0]].anywhere:
            return candidates[0]
        last = 1 + wrapping(at.frames)
        key = (last, *stack)
        if key not in self._matches:
            if len(self._matches) == _MOST_STACKS:
                self._matches.clear()
            kinds = [self._kinds[number] for number in stack]
            self._matches[key] = next(
                (one for one in candidates if self._holds(one, kinds, last)), None
            )
        return self._matches[key]

    def _holds(self, index: int, stack: Sequence[_Kind], last: int) -> bool:
        rule = self._rules[index]
        return rule.anywhere or rule.matches(stack, last)

    # --- the suppressions -------------------------------------------------------------------------

    def _add(self, suppression: Suppression) -> None:
        index = len(self._rules)
        rule = _Rule(
            [self._numbered(line) for line in suppression.lines],
            anywhere=suppression.lines[0].field == "leak",
        )
        self._rules.append(rule)
        if not rule.needs:
            self._always.append(index)
            return
        needed = (line for line in suppression.lines if self._numbers.get(line, _ANY) >= 0)
        telling = max(needed, key=lambda line: len(line.pattern))
        self._by_need[self._numbers[telling]].append(index)

    def _numbered(self, line: Line) -> int:
        if line.field == "...":
            return _REST
        if line.is_any and line.field != "leak" and line.number is None:
            return _ANY
        number = self._numbers.get(line)
        if number is not None:
            return number
        number = self._numbers[line] = len(self._numbers)
        if line.field == "fun":
            self._functions.add(line.pattern, number)
            for name in line.names:
                self._whole.add(name, number, single=None)
            if "::" not in line.pattern:
                self._inlined.add(bare(line.pattern), number)
        elif line.field == "obj":
            self._modules.add(line.pattern, number)
        elif line.field == "src":
            self._files.add(line.pattern, number)
            if line.number is not None:
                self._source_lines[number] = line.number
        else:
            self._anything.add(line.pattern, number, single=None)
        return number

    # --- frames -----------------------------------------------------------------------------------

    def _kinds_of(self, at: CallSite) -> list[int]:
        """The kinds of the allocator and of every frame."""
        called = self._kind_of_allocator.get(at.allocator)
        if called is None:
            matched = self._of_function(at.allocator)
            called = self._kind_of_allocator[at.allocator] = self._kind(_Kind(matched, False))
        have, identities = self._kind_of.__getitem__, map(id, at.frames)
        try:
            return [called, *map(have, identities)]
        except KeyError:
            self._look_at(at.frames)
            return [called, *map(have, map(id, at.frames))]

    def _look_at(self, frames: Sequence[Frame]) -> None:
        if len(self._frames) > _MOST_FRAMES:
            self._frames.clear()
            self._kind_of.clear()
        for frame in frames:
            if id(frame) not in self._kind_of:
                kind = _Kind(self._of_frame(frame), frame.inlined)
                self._kind_of[id(frame)] = self._kind(kind)
                self._frames.append(frame)

    def _kind(self, kind: _Kind) -> int:
        number = self._kind_numbers.setdefault(kind, len(self._kinds))
        if number == len(self._kinds):
            self._kinds.append(kind)
        return number

    def _of_frame(self, frame: Frame) -> frozenset[int]:
        found = self._of_function(frame.function) | self._modules.of(frame.module or _UNKNOWN)
        if frame.inlined and frame.function is not None:
            # Of these Valgrind reads DW_AT_name alone, as in fun:push_back and fun:emplace_back<int*>.
            found |= self._inlined.of(bare(frame.function).rpartition("::")[2])
        if frame.module is not None:
            found |= self._anything.of(frame.module)
        if frame.file is not None:
            name = os.path.basename(frame.file)
            in_file = self._files.of(frame.file) | self._files.of(name)
            lines = self._source_lines
            found |= {one for one in in_file if lines.get(one, frame.line) == frame.line}
            found |= self._anything.of(frame.file) | self._anything.of(name)
        return found

    def _of_function(self, name: str | None) -> frozenset[int]:
        """Of a name in whole, and of what is left of it without its parameters."""
        if name is None:
            return self._functions.of(_UNKNOWN)
        found = self._functions.of(name) | self._anything.of(name)
        found |= self._whole.of(original(name))
        short = bare(name)
        if short != name:
            found |= self._functions.of(short) | self._anything.of(short)
        return found

    # --- stacks -----------------------------------------------------------------------------------

    def _candidates_of(self, kinds: frozenset[int]) -> Sequence[int]:
        """The rules that may match a stack of these kinds of frames, ascending."""
        known = self._candidates.get(kinds)
        if known is None:
            if len(self._candidates) == _MOST_STACKS:
                self._candidates.clear()
            matched = frozenset().union(
                *map(attrgetter("matched"), map(self._kinds.__getitem__, kinds))
            )
            told = chain.from_iterable(self._by_need.get(number, ()) for number in matched)
            found = [one for one in told if self._rules[one].needs <= matched]
            known = self._candidates[kinds] = sorted((*self._always, *found))
        return known
