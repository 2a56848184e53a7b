"""The rows of the table, whatever they stand for; each is made when it is drawn."""

from collections.abc import Callable, Sequence
from heapq import nlargest
from typing import NamedTuple, Protocol

from ebpftrace.analysis import wording
from ebpftrace.analysis.grouping import Group
from ebpftrace.analysis.measures import values_of
from ebpftrace.analysis.responsible import Rules
from ebpftrace.analysis.tree import Node
from ebpftrace.analysis.trend import merged
from ebpftrace.model.picture import Cohort, Counts, Site
from ebpftrace.tui.view import Path

_MOST_CALLERS = 16
_FEW_SITES = 300
_MOST_LARGEST = 50


class Row(NamedTuple):
    """One line of the table. `lead` indents a node of a tree and says whether it is open.

    `cohorts` is None where adding them up would keep the screen waiting.
    """

    key: str
    title: str
    callers: tuple[str, ...]
    counts: Counts
    growth: float | None
    oldest_at: float | None
    cohorts: tuple[Cohort, ...] | None
    pid: str
    allocator: str
    lead: str = ""
    family: str = ""


class Rows(Protocol):
    """An order of rows. `key` tells a row from the others, from one picture to the next."""

    def __len__(self) -> int: ...

    def row(self, index: int) -> Row: ...

    def key(self, index: int) -> str: ...

    def find(self, key: str) -> int | None: ...

    def sites(self, index: int) -> Sequence[Site]:
        """The call sites that the row stands for."""

    def part(self, index: int) -> "Part":
        """What there is to say of those."""


class Part(NamedTuple):
    """The call sites that a row stands for: how many, and which hold most, the largest first."""

    sites: int
    largest: Sequence[Site]


def part_of(sites: Sequence[Site]) -> Part:
    """Of a hundred thousand sites it takes longer than a key may wait."""
    sizes = values_of(sites, "bytes")
    order = nlargest(_MOST_LARGEST, range(len(sites)), sizes.__getitem__)
    return Part(len(sites), [sites[at] for at in order])


class _Parts:
    """Made once for each row: those of a picture are asked for at every draw."""

    def __init__(self) -> None:
        self._known: dict[int, Part] = {}

    def of(self, index: int, sites: Callable[[int], Sequence[Site]]) -> Part:
        known = self._known.get(index)
        if known is None:
            known = self._known[index] = part_of(sites(index))
        return known


class SiteRows:
    """A site a row: `order` are indexes of `sites`."""

    def __init__(self, sites: Sequence[Site], order: Sequence[int], rules: Rules) -> None:
        self._all = sites
        self.order = order
        self._rules = rules

    def __len__(self) -> int:
        return len(self.order)

    def key(self, index: int) -> str:
        return self.site(index).at.id

    def find(self, key: str) -> int | None:
        sites = self._all
        return next((n for n, at in enumerate(self.order) if sites[at].at.id == key), None)

    def sites(self, index: int) -> Sequence[Site]:
        return (self.site(index),)

    def part(self, index: int) -> Part:
        return Part(1, (self.site(index),))

    def site(self, index: int) -> Site:
        return self._all[self.order[index]]

    def row(self, index: int) -> Row:
        site = self.site(index)
        title, callers = wording.chain(site, self._rules, _MOST_CALLERS)
        return Row(
            site.at.id,
            title,
            callers,
            site.counts,
            site.growth,
            site.oldest_at,
            site.cohorts,
            str(site.at.pid),
            site.at.allocator or "",
            family=site.at.family or "",
        )


class GroupRows:
    """A group of sites a row; `sites` is what their indexes are of."""

    def __init__(self, groups: Sequence[Group], sites: Sequence[Site]) -> None:
        self._groups = groups
        self._all = sites
        self._parts = _Parts()
        self._cohorts: dict[str, tuple[Cohort, ...]] = {}
        for group in groups:
            if len(group.sites) > _FEW_SITES:
                self._cohorts[group.key] = self._added_up(group)

    def __len__(self) -> int:
        return len(self._groups)

    def key(self, index: int) -> str:
        return self._groups[index].key

    def find(self, key: str) -> int | None:
        return next((n for n, group in enumerate(self._groups) if group.key == key), None)

    def group(self, index: int) -> Group:
        return self._groups[index]

    def sites(self, index: int) -> Sequence[Site]:
        return [self._all[at] for at in self._groups[index].sites]

    def part(self, index: int) -> Part:
        return self._parts.of(index, self.sites)

    def row(self, index: int) -> Row:
        group = self._groups[index]
        cohorts = self._cohorts.get(group.key)
        if cohorts is None:
            cohorts = self._cohorts[group.key] = self._added_up(group)
        sites = wording.many(len(group.sites), "site")
        return Row(
            *(group.key, group.title, (), group.counts, group.growth, group.oldest_at, cohorts),
            pid="",
            allocator=sites,
        )

    def _added_up(self, group: Group) -> tuple[Cohort, ...]:
        return merged([self._all[at].cohorts for at in group.sites])


def key_of(path: Path) -> str:
    """The key of the row of a node; no name has a NUL."""
    return "\0".join(path)


def label_of(path: Path) -> str:
    """The function that a path ends in; the module stands behind it."""
    return path[-1].partition("\n")[0] if path else ""


class Shoot(NamedTuple):
    """A node of a tree as a row: how deep it stands, and whether its children follow."""

    node: Node
    depth: int
    open: bool


class TreeRows:
    """The open part of a call tree."""

    def __init__(self, shoots: Sequence[Shoot], sites: Sequence[Site]) -> None:
        self.shoots = shoots
        self._all = sites
        self._parts = _Parts()

    def __len__(self) -> int:
        return len(self.shoots)

    def key(self, index: int) -> str:
        return key_of(self.shoots[index].node.key)

    def find(self, key: str) -> int | None:
        return next((n for n in range(len(self)) if self.key(n) == key), None)

    def sites(self, index: int) -> Sequence[Site]:
        return [self._all[at] for at in self.shoots[index].node.sites]

    def part(self, index: int) -> Part:
        return self._parts.of(index, self.sites)

    def row(self, index: int) -> Row:
        node, depth, is_open = self.shoots[index]
        sign = " " if node.is_leaf else "▾" if is_open else "▸"
        return Row(
            *(self.key(index), f"{node.label} {node.place}".rstrip(), (), node.counts),
            *(node.growth, node.oldest_at, None),
            pid="",
            allocator="",
            lead=f"{'  ' * depth}{sign} ",
        )
