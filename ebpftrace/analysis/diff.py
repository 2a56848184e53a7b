"""What changed from picture to picture: matched call sites, by what became of what they hold."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

from ebpftrace.analysis.matching import Key, Matching, Rebuilt
from ebpftrace.analysis.responsible import Rules
from ebpftrace.model.picture import CallSite, Picture, Site

Kind = Literal["new", "grown", "shrunk", "gone", "same"]
KINDS: tuple[Kind, ...] = get_args(Kind)
DiffSort = Literal["growth", "bytes", "blocks"]
DIFF_SORTS: tuple[DiffSort, ...] = get_args(DiffSort)

Hidden = Callable[[CallSite], str | None]


class Held(NamedTuple):
    """What is outstanding, or by how much that changed."""

    bytes: int = 0
    blocks: int = 0

    def since(self, before: "Held") -> "Held":
        return Held(self.bytes - before.bytes, self.blocks - before.blocks)


class Change(NamedTuple):
    """One matched call site: what it holds in each picture, summed over `sites`, those of each.

    `kind` is by the first and the last picture: `new` holds nothing in the first, `gone` nothing in
    the last.
    """

    kind: Kind
    held: tuple[Held, ...]
    sites: tuple[tuple[Site, ...], ...]

    @property
    def change(self) -> Held:
        return self.held[-1].since(self.held[0])

    @property
    def grew_in(self) -> int:
        """In how many of the steps from one picture to the next."""
        return sum(later > earlier for earlier, later in pairwise(self.held))

    @property
    def largest(self) -> Site:
        """The one whose stack stands for all: of the last picture in which any holds something."""
        latest = next(
            sites
            for sites, held in zip(self.sites[::-1], self.held[::-1], strict=True)
            if any(held)
        )
        return max(latest, key=lambda site: site.counts.bytes)


class Total(NamedTuple):
    """Of several call sites; `held` in each picture."""

    sites: int
    held: tuple[Held, ...]

    @property
    def change(self) -> Held:
        return self.held[-1].since(self.held[0])


@dataclass(frozen=True, slots=True)
class Diff:
    """`changes` are all call sites that hold something in any picture and are not hidden.

    `totals` are of the pictures, and so of all: of `kinds`, which has every kind, of the `hidden` ones
    by what hides them, and of `unlisted`, what a picture holds without a call site. `empty` call sites
    hold nothing in any picture.
    """

    changes: tuple[Change, ...]
    totals: tuple[Held, ...]
    kinds: dict[Kind, Total]
    hidden: dict[str, Total]
    unlisted: tuple[Held, ...]
    empty: int
    rebuilt: tuple[Rebuilt, ...]

    @property
    def change(self) -> Held:
        return self.totals[-1].since(self.totals[0])

    @property
    def nothing_changed(self) -> bool:
        return not any(self.change) and self.kinds["same"].sites == len(self.changes)


class Beyond(NamedTuple):
    """What grew by more than a threshold: `total`, of all that is not hidden, in bytes; None if not.

    `sites`, the fastest first.
    """

    total: int | None
    sites: tuple[Change, ...]

    def __bool__(self) -> bool:
        return self.total is not None or bool(self.sites)


class Shown(NamedTuple):
    """Which of the call sites a view lists, all for a `top` of 0; the rules are as of `Selection`."""

    sort: DiffSort
    top: int
    rules: Rules


def diff(pictures: Sequence[Picture], hidden: Hidden | None = None) -> Diff:
    """Of two pictures or more, the first being what is compared with.

    `hidden`: the name of what hides a call site from lists, if anything does.
    """
    matching = Matching(pictures)
    seen: list[Change] = []
    concealed: dict[str, list[Change]] = {}
    empty = 0
    for sites in _matched(matching, pictures):
        held = tuple([_held(those) for those in sites])
        if not any(map(any, held)):
            empty += 1
            continue
        made = Change(_kind(held[0], held[-1]), held, sites)
        name = _hidden(sites, hidden) if hidden else None
        (seen if name is None else concealed.setdefault(name, [])).append(made)
    totals = tuple(Held(one.totals.bytes, one.totals.blocks) for one in pictures)
    count = len(pictures)
    by_kind: dict[Kind, list[Change]] = {kind: [] for kind in KINDS}
    for one in seen:
        by_kind[one.kind].append(one)
    listed = total_of([*seen, *(one for those in concealed.values() for one in those)], count)
    return Diff(
        changes=tuple(seen),
        totals=totals,
        kinds={kind: total_of(those, count) for kind, those in by_kind.items()},
        hidden={name: total_of(those, count) for name, those in sorted(concealed.items())},
        unlisted=tuple(map(Held.since, totals, listed.held)),
        empty=empty,
        rebuilt=matching.rebuilt,
    )


def largest(changes: Iterable[Change], sort: DiffSort, top: int) -> list[Change]:
    """The first `top`, all for 0: by how much they changed either way, or by what they hold last."""
    known = list(changes)
    return nlargest(top or len(known), known, key=_RANKS[sort])


def beyond(found: Diff, threshold: int) -> Beyond:
    """What grew by more than `threshold` bytes from the first picture to the last."""
    total = found.change.bytes - sum(one.change.bytes for one in found.hidden.values())
    grown = [one for one in found.changes if one.change.bytes > threshold]
    grown.sort(key=lambda one: one.change, reverse=True)
    return Beyond(total if total > threshold else None, tuple(grown))


_RANKS: dict[DiffSort, Callable[[Change], tuple[int, ...]]] = {
    "growth": lambda one: (abs(one.change.bytes), *one.change),
    "bytes": lambda one: (one.held[-1].bytes, *one.change),
    "blocks": lambda one: (one.held[-1].blocks, *one.change),
}


def _matched(
    matching: Matching, pictures: Sequence[Picture]
) -> Iterable[tuple[tuple[Site, ...], ...]]:
    """The sites of each picture that are one call site."""
    found: list[dict[Key, list[Site]]] = []
    for picture in pictures:
        by_key: dict[Key, list[Site]] = {}
        for site in picture.counted():
            by_key.setdefault(matching.key(site.at), []).append(site)
        found.append(by_key)
    for key in dict.fromkeys(key for by_key in found for key in by_key):
        yield tuple([tuple(by_key.get(key, ())) for by_key in found])


def _hidden(sites: Sequence[Sequence[Site]], hidden: Hidden) -> str | None:
    """By what: a stack may have been named in one picture only."""
    return next(filter(None, (hidden(site.at) for those in sites for site in those)), None)


def _held(sites: Sequence[Site]) -> Held:
    """Tuples are taken apart in place: half the time of properties."""
    size = blocks = 0
    for _, (new, new_bytes, freed, freed_bytes, adopted, adopted_bytes), _, _, _, _ in sites:
        size += new_bytes + adopted_bytes - freed_bytes
        blocks += new + adopted - freed
    return Held(size, blocks)


def _kind(first: Held, last: Held) -> Kind:
    """Blocks of no bytes are something too."""
    if first == last:
        return "same"
    if not any(first):
        return "new"
    if not any(last):
        return "gone"
    return "grown" if last > first else "shrunk"


def total_of(changes: Sequence[Change], count: int) -> Total:
    """`count`: of the pictures."""
    return Total(
        len(changes),
        tuple(
            Held(
                sum([one.held[number][0] for one in changes]),
                sum([one.held[number][1] for one in changes]),
            )
            for number in range(count)
        ),
    )
