"""The call tree of a subject, from the start of the threads inward, as columns of numbers.

Stacks are merged by the names and modules of their functions, as in the dashboard's flame view. With a
snapshot to compare with, one tree has what either holds.
"""

import os
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ebpftrace.export.formats.places import Place, Places
from ebpftrace.export.formats.subject import MEASURES, Subject, measured
from ebpftrace.model.ids import Slot
from ebpftrace.model.picture import Counts


class Function(NamedTuple):
    """What frames are merged by; the order is that of siblings. Markers and processes have no module."""

    name: str
    module: str


class Source(NamedTuple):
    """Where in a source file. What is not known, or differs between merged frames, is empty or 0."""

    file: str = ""
    line: int = 0


@dataclass(slots=True)
class CallTree:
    """Nodes in preorder: `function` and `source` index the tables, `depth` is 0 at the start of a thread.

    `ends` are the nodes in which stacks end, ascending; the rest are columns for these: `held` by
    MEASURES, `before` the same of what is compared with (empty without it), `growth` in bytes per
    second, empty where none is known. Sums of `held` and `before` are those of their subjects.
    """

    functions: list[Function] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    function: "array[int]" = field(default_factory=lambda: array("I"))
    source: "array[int]" = field(default_factory=lambda: array("I"))
    depth: "array[int]" = field(default_factory=lambda: array("I"))
    ends: "array[int]" = field(default_factory=lambda: array("I"))
    held: "tuple[array[float], ...]" = ()
    before: "tuple[array[float], ...]" = ()
    growth: "array[float]" = field(default_factory=lambda: array("d"))


class _Side(NamedTuple):
    """Stacks of one snapshot from the start of the thread inward, as numbers of places in `table`."""

    table: Sequence[Place]
    stacks: Sequence[Sequence[int]]
    counts: Sequence[Counts]
    growth: Sequence[float | None]


def call_tree(subject: Subject, before: Subject | None) -> CallTree:
    """In a diff with `before`, processes are merged by their names and modules by theirs, whatever pid or folder."""
    if before is None:
        return _merged([_side(subject, None)], _whole)
    both = (subject, before)
    several = any(len(one.snapshot.picture.targets) > 1 for one in both)
    sides = [
        _side(one, {at.slot: at.comm for at in one.snapshot.picture.targets if several})
        for one in both
    ]
    return _merged(sides, _lasting)


def _side(subject: Subject, processes: Mapping[Slot, str] | None) -> _Side:
    places = Places(subject.snapshot.picture, processes)
    sites = subject.sites
    stacks = [places.stack(at)[::-1] for at, *_ in sites]
    counts = [counts for _, counts, *_ in sites]
    growth = [growth for _, _, _, growth, _, _ in sites]
    if any(subject.rest):
        stacks.append(places.rest())
        counts.append(subject.rest)
        growth.append(None)
    return _Side(places.table, stacks, counts, growth)


def _whole(place: Place) -> Function:
    return Function(place.name, place.module or "")


def _lasting(place: Place) -> Function:
    """A program may lie in another folder by the time of the second snapshot."""
    return Function(place.name, os.path.basename(place.module or "") or place.module or "")


def _merged(sides: Sequence[_Side], named: Callable[[Place], Function]) -> CallTree:
    """Sorted stacks are a tree in preorder: each adds what it has not in common with the one before."""
    tables = [list(map(named, side.table)) for side in sides]
    tree = CallTree(sorted({one for table in tables for one in table}))
    numbers = {one: number for number, one in enumerate(tree.functions)}
    sources = _Sources()
    keys: list[tuple[int, ...]] = []
    lines: list[tuple[int, ...]] = []
    for side, table in zip(sides, tables, strict=True):
        function_of = [numbers[one] for one in table].__getitem__
        source_of = [sources.number(Source(one.file or "", one.line or 0)) for one in side.table]
        keys += [tuple(map(function_of, stack)) for stack in side.stacks]
        lines += [tuple(map(source_of.__getitem__, stack)) for stack in side.stacks]
    ends = _nodes(tree, keys, lines, sources)
    tree.sources = sources.table
    here = len(sides[0].stacks)
    tree.held = _columns(ends[:here], sides[0].counts, len(tree.ends))
    if len(sides) > 1:
        tree.before = _columns(ends[here:], sides[1].counts, len(tree.ends))
    if any(rate is not None for rate in sides[0].growth):
        rates = [rate or 0.0 for rate in sides[0].growth]
        tree.growth = _column(ends[:here], rates, len(tree.ends))
    return tree


class _Sources:
    """Each once; number 0 is the unknown one."""

    def __init__(self) -> None:
        self.table = [Source()]
        self._numbers = {Source(): 0}

    def number(self, source: Source) -> int:
        number = self._numbers.setdefault(source, len(self.table))
        if number == len(self.table):
            self.table.append(source)
        return number

    def agreed(self, one: int, other: int) -> int:
        """What the two have in common: the file, or nothing."""
        file = self.table[one].file
        return self.number(Source(file)) if file == self.table[other].file else 0


def _nodes(
    tree: CallTree,
    keys: Sequence[tuple[int, ...]],
    lines: Sequence[tuple[int, ...]],
    sources: _Sources,
) -> list[int]:
    """Fill in the nodes; which of the ends each stack has."""
    ends = [0] * len(keys)
    path: list[int] = []
    last_key: tuple[int, ...] = ()
    last_line: tuple[int, ...] = ()
    for index in sorted(range(len(keys)), key=keys.__getitem__):
        key, line = keys[index], lines[index]
        common = 0
        for one, other in zip(last_key, key, strict=False):
            if one != other:
                break
            common += 1
        if last_line[:common] != line[:common]:
            for node, one, other in zip(path[:common], last_line, line, strict=False):
                if one != other:
                    tree.source[node] = sources.agreed(tree.source[node], other)
        if common < len(key):
            first = len(tree.function)
            path[common:] = range(first, first + len(key) - common)
            tree.function.extend(key[common:])
            tree.source.extend(line[common:])
            tree.depth.extend(range(common, len(key)))
            tree.ends.append(path[-1])
        ends[index] = len(tree.ends) - 1
        last_key, last_line = key, line
    return ends


def _columns(
    ends: Sequence[int], counts: Sequence[Counts], count: int
) -> "tuple[array[float], ...]":
    return tuple(
        _column(ends, [measured(one, measure) for one in counts], count) for measure in MEASURES
    )


def _column(ends: Sequence[int], values: Iterable[float], count: int) -> "array[float]":
    """The values summed by end, of `count` ends."""
    column = array("d", bytes(8 * count))
    for end, value in zip(ends, values, strict=True):
        column[end] += value
    return column
