"""The sites of a picture taken together by function, by module, by process or by allocator."""

import os
from array import array
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Literal, NamedTuple, get_args

from ebpftrace.analysis.percallsite import PerCallSite
from ebpftrace.analysis.responsible import Rules
from ebpftrace.analysis.summing import summed
from ebpftrace.analysis.wording import function, leading, named, no_stack, trouble, within
from ebpftrace.model.frames import Frame
from ebpftrace.model.picture import CallSite, Counts, Picture, Site, Target

By = Literal["function", "module", "process", "allocator"]
BYS: tuple[By, ...] = get_args(By)

_Pick = Callable[[Sequence[Site]], Sequence[Site]]


class Group(NamedTuple):
    """Sites that have something in common, and what they hold together.

    `key` is the same from picture to picture, and of one group only; `title` is for people. `sites`
    are their indexes in the picture, ascending. The rest is as in `Site`.
    """

    key: str
    title: str
    counts: Counts
    oldest_at: float | None
    growth: float | None
    sites: Sequence[int]


class Grouping:
    """Folds one picture after the other.

    By function and module: of the frame that stands for the stack (`wording.leading`); code without
    a name is grouped by where it lies. A process is one program: what its pid was before an exec is
    another one.
    """

    def __init__(self, by: By, rules: Rules) -> None:
        self._by = by
        self._rules = rules
        self._group_of = PerCallSite(self._number_of)
        self._numbers: dict[str, int] = {}
        self._named: list[tuple[str, str]] = []
        """Key and title by number."""
        self._frames: dict[int, tuple[Frame, int]] = {}
        """The number of a frame, by its identity."""
        self._members: list[tuple[int, Sequence[int], _Pick]] = []

    def fold(self, picture: Picture) -> tuple[Group, ...]:
        """All groups that have a site, in the order in which they were first seen."""
        sites = picture.sites
        if self._group_of.update(sites):
            self._divide()
        titles = _titles(picture.targets) if self._by == "process" else {}
        groups = []
        for number, indexes, pick in self._members:
            key, title = self._named[number]
            groups.append(Group(key, titles.get(key, title), *summed(pick(sites)), indexes))
        return tuple(groups)

    def _divide(self) -> None:
        lists: list[list[int]] = [[] for _ in self._named]
        for index, number in enumerate(self._group_of.values):
            lists[number].append(index)
        self._members = [(n, array("I", part), _pick(part)) for n, part in enumerate(lists) if part]

    def _number_of(self, at: CallSite) -> int:
        if self._by == "process":
            return self._number(_process(at.pid, at.slot), f"pid {at.pid}")
        if self._by == "allocator" and at.allocator is not None:
            family = f" ({at.family})" if at.family else ""
            return self._number(f"{at.family}\n{at.allocator}", f"{at.allocator}{family}")
        if self._by == "allocator" or not at.frames:
            return self._number(no_stack(at), no_stack(at))
        frame = at.frames[leading(at.frames, self._rules)]
        known = self._frames.get(id(frame))
        if known is None:
            name = _function if self._by == "function" else _module
            known = self._frames[id(frame)] = (frame, self._number(*name(frame)))
        return known[1]

    def _number(self, key: str, title: str) -> int:
        number = self._numbers.setdefault(key, len(self._named))
        if number == len(self._named):
            self._named.append((key, title))
        return number


def _pick(indexes: Sequence[int]) -> _Pick:
    """What takes them out of the sites. Of a single one, an itemgetter would make no tuple."""
    if len(indexes) == 1:
        return itemgetter(slice(indexes[0], indexes[0] + 1))
    return itemgetter(*indexes)


def _function(frame: Frame) -> tuple[str, str]:
    return f"{function(frame)}\n{frame.module}", within(frame)


def _module(frame: Frame) -> tuple[str, str]:
    if frame.module is None:
        return "\n", "(code of no file)"
    return f"\n{frame.module}", os.path.basename(frame.module) or frame.module


def _process(pid: int, slot: int) -> str:
    return f"{pid} {slot}"


def _titles(targets: Sequence[Target]) -> dict[str, str]:
    return {_process(target.pid, target.slot): _title(target) for target in targets}


def _title(target: Target) -> str:
    """Two programs of one pid differ in how they ended."""
    if target.alive or target.folded:
        return named(target)
    return f"{named(target)}, {trouble(target)[0]}"
