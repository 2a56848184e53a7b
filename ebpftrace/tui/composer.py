"""From a picture and a view to rows: the work that may take longer than a key may wait.

Owns what is kept between pictures so that the next one costs less: orders, groups, matches, trees.
For one thread.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from ebpftrace.analysis.filtering import Filter
from ebpftrace.analysis.grouping import By, Group, Grouping
from ebpftrace.analysis.headline import Headline, headline
from ebpftrace.analysis.marks import Mark
from ebpftrace.analysis.measures import value_of, values_of
from ebpftrace.analysis.ordering import Ordering, Steadied
from ebpftrace.analysis.query import Query
from ebpftrace.analysis.selection import matches
from ebpftrace.analysis.summing import summed
from ebpftrace.analysis.suppressed import NOTHING, Suppressed, suppressed
from ebpftrace.analysis.tree import Direction, Tree
from ebpftrace.model.picture import Picture, Site
from ebpftrace.tui.icicle import Box
from ebpftrace.tui.rows import GroupRows, Rows, SiteRows, TreeRows
from ebpftrace.tui.trees import flame, shoots
from ebpftrace.tui.view import GROUPED, TREES, View

# Ordering, filtering and folding everything anew may take one part in so many of a processor. In
# between, call sites have new figures and keep their places; groups and trees stay as they are.
_PAUSE_OF_SITES = 150
_PAUSE = 20
_MOST_ORDERS = 8

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be shown. `held`: the key of the row that the cursor is on.

    `room` are columns and lines of the flame view. `anew`: rows are put in their exact order.
    """

    picture: Picture
    view: View
    held: str | None = None
    mark: Mark | None = None
    room: tuple[int, int] = (0, 0)
    anew: int = 0


class Shown(NamedTuple):
    """What there is to draw; `held_at`: the row that was asked for.

    `whole`: the bytes that shares are of. `problem`: what of the filter is not understood, say.
    `suppressed`: what is in no row and in no box, whatever the view.
    """

    request: Request
    rows: Rows
    held_at: int | None
    boxes: tuple[Box, ...]
    headline: Headline
    problem: str | None
    whole: int
    suppressed: Suppressed = NOTHING


class Composer:
    """See `compose`."""

    def __init__(self) -> None:
        self._last: Shown | None = None
        self._basis: object = None
        self._anew = 0
        self._due = 0.0
        self._known = 0
        self._last_id = ""
        self._orderings: dict[object, Ordering] = {}
        self._steadied: dict[object, Steadied] = {}
        self._groupings: dict[By, Grouping] = {}
        self._trees: dict[Direction, Tree] = {}
        self._filter: Filter | None = None
        self._hidden: Mapping[int, str] = {}

    def compose(self, request: Request) -> Shown:
        """Rows for `request`; their order is of an earlier picture where a new one has to wait."""
        basis = (request.view, request.mark, request.room, request.anew)
        started = time.monotonic()
        in_time = started < self._due and not request.picture.final
        if basis == self._basis and in_time and self._keeps_places(request.picture):
            shown = self._refreshed(request)
        else:
            before = time.thread_time()
            shown = self._composed(request)
            self._basis, self._anew = basis, request.anew
            fresh = isinstance(shown.rows, SiteRows) and request.mark is None
            pause = _PAUSE_OF_SITES if fresh else _PAUSE
            self._due = started + pause * (time.thread_time() - before)
            sites = request.picture.sites
            self._known, self._last_id = len(sites), sites[-1].at.id if sites else ""
        self._last = shown
        return shown

    def _keeps_places(self, picture: Picture) -> bool:
        """Do the sites that were there stand where they stood?"""
        known = self._known
        if not known:
            return not picture.sites
        return len(picture.sites) >= known and picture.sites[known - 1].at.id == self._last_id

    def _refreshed(self, request: Request) -> Shown:
        last = self._last
        assert last is not None, "a basis is there with the first rows"
        rows = last.rows
        if isinstance(rows, SiteRows) and request.mark is None:
            rows = SiteRows(request.picture.sites, rows.order, request.view.selection.rules)
        held_at = last.held_at if request.held == last.request.held else _find(rows, request.held)
        whole = last.whole if request.mark is not None else request.picture.totals.bytes
        return last._replace(request=request, rows=rows, held_at=held_at, whole=whole)

    def _composed(self, request: Request) -> Shown:
        view, picture = request.view, request.picture
        query = Query.parse(view.query)
        sizes = values_of(picture.sites, "bytes")
        self._hidden = view.selection.hidden(picture)
        chosen = self._choose(request, query, sizes)
        boxes: tuple[Box, ...] = ()
        problem = query.problem
        rows: Rows
        if view.kind == "sites":
            sites = _sites(request, chosen)
            values = (
                sizes
                if view.sort == "bytes" and sites is picture.sites
                else values_of(sites, view.sort)
            )
            rows = SiteRows(
                sites, self._ordered(request, chosen, sites, values), view.selection.rules
            )
        elif view.kind in GROUPED:
            rows = self._grouped(request, chosen)
        else:
            sites = _sites(request, chosen)
            tree = self._tree(view, sites, chosen)
            if view.kind in TREES:
                open_part = shoots(tree, view)
                rows, problem = TreeRows(open_part.shoots, sites), open_part.problem or problem
            else:
                rows, boxes = flame(tree, view.zoom, request.room, sites, chosen)
        held_at = _find(rows, request.held)
        if len(rows):
            rows.part(held_at or 0)  # what the pane will ask for
        return Shown(
            *(request, rows, held_at, boxes),
            headline(picture, sizes, self._hidden),
            problem,
            _whole(request, chosen),
            suppressed(picture.sites, self._hidden),
        )

    # --- which sites ------------------------------------------------------------------------------

    def _choose(self, request: Request, query: Query, sizes: Sequence[float]) -> Sequence[int]:
        """Ascending indexes of the sites that the view is about: those that hold something."""
        view, picture = request.view, request.picture
        if request.mark is not None:
            chosen: Sequence[int] = request.mark.grown(picture)
        else:
            chosen = [
                at for at, size in enumerate(sizes) if size or picture.sites[at].counts.blocks
            ]
        left_out = self._hidden if view.kind == "sites" else {*self._hidden, *picture.apart()}
        if left_out:
            chosen = [at for at in chosen if at not in left_out]
        chosen = self._filtered(request, query, chosen)
        if view.within is not None:
            group = self._grouping(view.within.by, view).fold(picture)
            inside = {at for one in group if one.key == view.within.key for at in one.sites}
            chosen = [at for at in chosen if at in inside]
        return chosen

    def _filtered(self, request: Request, query: Query, chosen: Sequence[int]) -> Sequence[int]:
        """Limits hold for what is shown: with a mark, for what has come since."""
        picture, mark, older = request.picture, request.mark, request.view.selection.older
        limits = query.limits if mark is not None else ()
        if mark is not None:
            query = query._replace(limits=())
        if query.texts or query.limits:
            if self._filter is None or self._filter.query != query:
                self._filter = Filter(query, self._filter)
            wanted = set(self._filter.select(picture))
            chosen = [at for at in chosen if at in wanted]
        if not limits and older is None:
            return chosen
        now, selection = picture.since_attach_s, request.view.selection
        sites = _sites(request, chosen)
        return [
            at
            for at in chosen
            if matches(sites[at], picture, selection)
            and all(limit.holds(sites[at], now) for limit in limits)
        ]

    def _ordered(
        self,
        request: Request,
        chosen: Sequence[int],
        sites: Sequence[Site],
        values: Sequence[float],
    ) -> list[int]:
        view = request.view
        ordering = _kept(self._orderings, (view.sort, request.mark), Ordering)
        if request.anew != self._anew or not self._keeps_places(request.picture):
            ordering.forget()
        order = ordering.arrange(values, chosen, reverse=view.reverse)
        order = order[: view.selection.top or None]
        if request.held is not None and not view.is_restricted:
            # What the user looks at stays there, also when it holds nothing any more.
            held = next((at for at, site in enumerate(sites) if site.at.id == request.held), None)
            if held is not None and held not in self._hidden and held not in set(order):
                order.append(held)
        return order

    # --- groups and trees -------------------------------------------------------------------------

    def _grouping(self, by: By, view: View) -> Grouping:
        found = self._groupings.get(by)
        if found is None:
            found = self._groupings[by] = Grouping(by, view.selection.rules)
        return found

    def _grouped(self, request: Request, chosen: Sequence[int]) -> GroupRows:
        view, sites = request.view, _sites(request, chosen)
        groups = self._grouping(GROUPED[view.kind], view).fold(request.picture)
        if view.is_restricted or self._hidden or request.picture.apart():
            groups = _among(groups, sites, chosen)
        steadied = self._steady(request)
        # Since a mark a buffer may have grown without one block more.
        holding = [group for group in groups if group.counts.blocks or group.counts.bytes]
        holding.sort(
            key=lambda group: steadied.value(group.key, value_of(group, view.sort)),
            reverse=not view.reverse,
        )
        return GroupRows(holding, sites)

    def _steady(self, request: Request) -> Steadied:
        view = request.view
        found = _kept(self._steadied, (view.kind, view.sort, request.mark), Steadied)
        if request.anew != self._anew:
            found.forget()
        return found

    def _tree(self, view: View, sites: Sequence[Site], chosen: Sequence[int]) -> Tree:
        direction: Direction = "bottom-up" if view.kind == "callers" else "top-down"
        before = self._trees.get(direction)
        tree = Tree(sites, direction, view.selection.rules, before, chosen)
        self._trees[direction] = tree
        return tree


def _find(rows: Rows, key: str | None) -> int | None:
    return None if key is None else rows.find(key)


def _sites(request: Request, chosen: Sequence[int]) -> Sequence[Site]:
    """All of the picture; the chosen ones as they have become since the mark of the view."""
    picture, mark = request.picture, request.mark
    if mark is None:
        return picture.sites
    sites = list(picture.sites)
    for at in chosen:
        sites[at] = mark.since(sites[at], at, picture)
    return sites


def _kept(kept: dict[object, T], key: object, make: Callable[[], T]) -> T:
    """What is there under `key`, or a new one; an order of 100,000 rows takes 4 MB, so few are kept."""
    found = kept.pop(key, None)
    if found is None:
        found = make()
    kept[key] = found
    if len(kept) > _MOST_ORDERS:
        del kept[next(iter(kept))]
    return found


def _whole(request: Request, chosen: Sequence[int]) -> int:
    """All that is held; with a mark, all that has come since where more came than went."""
    if request.mark is None:
        return request.picture.totals.bytes
    sites = _sites(request, chosen)
    return sum(max(0, sites[at].counts.bytes) for at in chosen)


def _among(
    groups: Sequence[Group], sites: Sequence[Site], chosen: Sequence[int]
) -> tuple[Group, ...]:
    """The groups of the chosen sites alone."""
    wanted = set(chosen)
    kept = ((group, [at for at in group.sites if at in wanted]) for group in groups)
    return tuple(
        group._replace(sites=part, **summed([sites[at] for at in part])._asdict())
        for group, part in kept
        if part
    )
