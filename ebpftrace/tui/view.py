"""What the user has asked to see: which view, in which order, of which sites."""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

from ebpftrace.analysis.grouping import By
from ebpftrace.analysis.selection import Selection, SortKey

Kind = Literal[
    "sites", "functions", "modules", "processes", "allocators", "calls", "callers", "flame"
]
KINDS: tuple[Kind, ...] = get_args(Kind)

GROUPED: dict[Kind, By] = {
    "functions": "function",
    "modules": "module",
    "processes": "process",
    "allocators": "allocator",
}
TREES: tuple[Kind, ...] = ("calls", "callers")

Path = tuple[str, ...]
"""The labels from a root of a call tree to one of its nodes."""


class Within(NamedTuple):
    """One group, whose sites alone are shown."""

    by: By
    key: str
    title: str


@dataclass(frozen=True, slots=True)
class View:
    """`top` 0 of the selection is all; `mark`: only what has grown since then.

    A node of a tree is open if it is in `opened`, and else, unless in `closed`, if most of its
    caller's bytes are its own. `zoom` is the node that fills the flame view.
    """

    selection: Selection
    kind: Kind = "sites"
    reverse: bool = False
    query: str = ""
    mark: str | None = None
    within: Within | None = None
    opened: frozenset[Path] = frozenset()
    closed: frozenset[Path] = frozenset()
    zoom: Path = ()

    @property
    def sort(self) -> SortKey:
        return self.selection.sort

    @property
    def is_restricted(self) -> bool:
        """Are some of the sites that hold something left out?"""
        older = self.selection.older is not None
        return bool(self.query) or self.mark is not None or self.within is not None or older

    def of(self, kind: Kind) -> "View":
        return replace(self, kind=kind)

    def sorted_by(self, sort: SortKey) -> "View":
        """Sorted by `sort`; the other way round if it is sorted by that already."""
        if sort == self.sort:
            return self.reversed()
        return replace(self, selection=replace(self.selection, sort=sort), reverse=False)

    def reversed(self) -> "View":
        return replace(self, reverse=not self.reverse)

    def turned(self, path: Path, *, open_it: bool) -> "View":
        """With the node at `path` open, or closed."""
        one = frozenset((path,))
        if open_it:
            return replace(self, opened=self.opened | one, closed=self.closed - one)
        return replace(self, opened=self.opened - one, closed=self.closed | one)

    def wider(self) -> "View | None":
        """Without the innermost restriction: zoom, group, filter, mark; None where there is none."""
        if self.zoom and self.kind == "flame":
            return replace(self, zoom=())
        if self.within is not None:
            return replace(self, within=None)
        if self.query:
            return replace(self, query="")
        return replace(self, mark=None) if self.mark is not None else None
