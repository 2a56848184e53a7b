"""The call tree of sites: their stacks merged where they run through the same functions."""

import os
from array import array
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Literal, NamedTuple, get_args

from ebpftrace.analysis.percallsite import PerCallSite
from ebpftrace.analysis.responsible import Rules
from ebpftrace.analysis.summing import Sum, summed
from ebpftrace.analysis.wording import caller, function, leading, no_stack
from ebpftrace.model.frames import Frame
from ebpftrace.model.picture import CallSite, Counts, Site

Direction = Literal["top-down", "bottom-up"]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)

ENDS_EARLY = "…  (the stack ends early)"
_frames: Callable[[CallSite], tuple[Frame, ...]] = itemgetter(CallSite._fields.index("frames"))


class Node(NamedTuple):
    """One function on its way from a root, or a root that says what is not known.

    `key` is the way, by full names and modules: the same from picture to picture, and of one node
    only. `place` is file and line if all of its frames agree, else the file or the module; empty
    where nothing is known. `sites` are indexes, ascending. `self_bytes` are of the stacks that end
    here, and in a leaf all of them do. `depth` frames lead here. The rest is as in `Site`.
    """

    key: tuple[str, ...]
    label: str
    place: str
    counts: Counts
    oldest_at: float | None
    growth: float | None
    sites: Sequence[int]
    self_bytes: int
    is_leaf: bool
    depth: int

    @property
    def blocks(self) -> int:
        return self.counts.blocks

    @property
    def bytes(self) -> int:
        return self.counts.bytes


class _Part:
    """The structure of a node: what does not change while no stack and no site does."""

    __slots__ = ("ending", "indexes", "is_frame", "is_leaf", "key", "label", "place")

    def __init__(self, key: str, label: str, place: str, indexes: Sequence[int]) -> None:
        self.key = key
        self.label = label
        self.place = place
        self.indexes: Sequence[int] = array("I", indexes)
        self.ending = self.indexes
        """The sites whose stacks end here."""
        self.is_leaf = True
        self.is_frame = True


class Shared:
    """What the trees of successive pictures share."""

    def __init__(self, direction: Direction, rules: Rules) -> None:
        self.made_for = (direction, rules)
        inward = direction == "top-down"
        self._starts = PerCallSite(
            lambda at: 0 if inward or not at.frames else leading(at.frames, rules)
        )
        self._names: dict[int, tuple[Frame, str, str]] = {}
        self._among: list[int] | None = None
        self.starts: Sequence[int] = ()
        """Where a stack begins bottom-up, by site."""
        self.parts: dict[tuple[str, ...], list[_Part]] = {}
        """What a node was divided into, by its key."""

    def update(self, sites: Sequence[Site], among: Sequence[int] | None) -> None:
        """New ones are made where something changed: an older tree keeps what it has."""
        some = None if among is None else list(among)
        if self._starts.update(sites) or some != self._among:
            self.starts = self._starts.values.copy()
            self.parts = {}
            self._among = some

    def name(self, frame: Frame) -> tuple[Frame, str, str]:
        """The frame, by what it is merged with others, and the label."""
        known = self._names.get(id(frame))
        if known is None:
            known = (frame, f"{function(frame)}\n{frame.module}", caller(frame))
            self._names[id(frame)] = known
        return known


class Tree:
    """Top-down: from the start of the thread inward. Bottom-up: from the frame to blame outward.

    Nothing is divided before it is asked for. `among`: only the sites of these indexes. `before` is
    the tree of the picture before: what did not change is taken from there.
    """

    def __init__(
        self,
        sites: Sequence[Site],
        direction: Direction,
        rules: Rules,
        before: "Tree | None" = None,
        among: Sequence[int] | None = None,
    ) -> None:
        shared = before.shared if before is not None else None
        if shared is None or shared.made_for != (direction, rules):
            shared = Shared(direction, rules)
        shared.update(sites, among)
        self.shared: Shared = shared
        """With the tree that comes after this one."""
        self._sites = sites
        self._among = among if among is not None else range(len(sites))
        self._inward = direction == "top-down"
        self._starts = shared.starts
        self._parts = shared.parts
        self._nodes: dict[tuple[str, ...], list[Node]] = {}

    def roots(self) -> list[Node]:
        """The largest first."""
        return self._below((), None)

    def children(self, node: Node) -> list[Node]:
        """The next frames inward, or outward; the largest first. The node is one of this tree's."""
        return [] if node.is_leaf else self._below(node.key, node)

    def find(self, key: Sequence[str]) -> Node | None:
        """The node of this key, which may be that of a node of another picture's tree."""
        nodes, node = self.roots(), None
        for length in range(1, len(key) + 1):
            way = tuple(key[:length])
            node = next((one for one in nodes if one.key == way), None)
            if node is None:
                return None
            nodes = self.children(node) if length < len(key) else []
        return node

    def _below(self, key: tuple[str, ...], parent: Node | None) -> list[Node]:
        nodes = self._nodes.get(key)
        if nodes is None:
            parts = self._parts.get(key)
            if parts is None:
                parts = (
                    self._roots() if parent is None else self._divide(parent.sites, parent.depth)
                )
                self._parts[key] = parts
            nodes = [self._node(part, parent) for part in parts]
            nodes.sort(key=lambda node: (-node.bytes, node.key))
            self._nodes[key] = nodes
        return nodes

    def _node(self, part: _Part, parent: Node | None) -> Node:
        sites, indexes = self._sites, part.indexes
        if parent is not None and len(indexes) == len(parent.sites):
            sums = Sum(parent.counts, parent.oldest_at, parent.growth)
        else:
            sums = summed(list(map(sites.__getitem__, indexes)))
        own = sums.counts.bytes if part.is_leaf else sum(sites[n].counts.bytes for n in part.ending)
        key, depth = ((), 0) if parent is None else (parent.key, parent.depth)
        depth += part.is_frame
        key = (*key, part.key)
        return Node(key, part.label, part.place, *sums, indexes, own, part.is_leaf, depth)

    def _roots(self) -> list[_Part]:
        sites = self._sites
        apart: defaultdict[str, list[int]] = defaultdict(list)
        whole = []
        for index in self._among:
            at = sites[index][0]
            if not at.frames:
                apart[no_stack(at)].append(index)
            elif self._inward and not at.complete:
                apart[ENDS_EARLY].append(index)
            else:
                whole.append(index)
        parts = self._divide(whole, 0)
        for label, indexes in apart.items():
            part = _Part(label, label, "", indexes)
            part.is_frame = False
            if label == ENDS_EARLY:
                part.ending, part.is_leaf = array("I"), False
            parts.append(part)
        return parts

    def _divide(self, indexes: Sequence[int], depth: int) -> list[_Part]:
        """By the frame at `depth` of those whose stacks are so deep.

        First by its identity, so that no name is looked at more than once.
        """
        found: defaultdict[int, list[int]] = defaultdict(list)
        sites, starts = self._sites, self._starts
        frames_of, ends = _frames, set()
        for index in indexes:
            frames = frames_of(sites[index][0])
            left = len(frames) - starts[index] - depth
            if left > 0:
                found[id(frames[~depth if self._inward else -left])].append(index)
                if left == 1:
                    ends.add(index)
        named: defaultdict[str, list[tuple[Frame, list[int]]]] = defaultdict(list)
        for some in found.values():
            frames = sites[some[0]].at.frames
            frame = frames[~depth if self._inward else starts[some[0]] + depth]
            named[self.shared.name(frame)[1]].append((frame, some))
        return [self._part(key, merged, ends) for key, merged in named.items()]

    def _part(self, key: str, merged: list[tuple[Frame, list[int]]], ends: set[int]) -> _Part:
        frames = [frame for frame, _ in merged]
        indexes = merged[0][1] if len(merged) == 1 else sorted(chain(*(some for _, some in merged)))
        part = _Part(key, self.shared.name(frames[0])[2], _place(frames), indexes)
        part.ending = array("I", [index for index in indexes if index in ends] if ends else ())
        part.is_leaf = len(part.ending) == len(indexes)
        return part


def _place(frames: Sequence[Frame]) -> str:
    first = frames[0]
    if first.file is not None and all(frame.file == first.file for frame in frames):
        name = os.path.basename(first.file) or first.file
        agreed = first.line and all(frame.line == first.line for frame in frames)
        return f"{name}:{first.line}" if agreed else name
    if first.module is None:
        return ""
    return os.path.basename(first.module) or first.module
