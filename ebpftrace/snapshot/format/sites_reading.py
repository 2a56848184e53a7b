"""The sections `sites`, `cohorts`, `history`, `mappings` and `blocks` back. Unfit for others."""

from itertools import accumulate

from ebpftrace.model.epochs import LAST
from ebpftrace.model.picture import Cohort, Counts, Point, Site
from ebpftrace.model.snapshot import BlockColumns, MappedRange
from ebpftrace.snapshot.format.columns import Columns, ascending
from ebpftrace.snapshot.format.tables_reading import Tables, made, runs
from ebpftrace.snapshot.values import MOST_SECONDS, Object, Unfit, needed, whole


def cohorts_of(content: Object | None) -> tuple[list[int], list[Cohort]]:
    """Those of all sites, one site's after the other's, and their epochs."""
    if content is None:
        return [], []
    rows = Columns(content, "epoch")
    epochs = rows.whole("epoch")
    if max(epochs, default=0) >= LAST:
        raise Unfit("a cohort is of no epoch that this version knows")
    return epochs, made(Cohort, epochs, *map(rows.whole, Cohort._fields[1:]))


def sites_of(
    content: Object, cohorts: tuple[list[int], list[Cohort]], tables: Tables
) -> list[Site]:
    rows = Columns(content, "callsite")
    lengths = rows.whole("cohorts")
    epochs, all_cohorts = cohorts
    if not ascending(epochs, accumulate(lengths)):
        raise Unfit("the cohorts of a site are not in the order of time")
    return made(
        Site,
        rows.chosen("callsite", tables.call_sites),
        made(Counts, *map(rows.whole, Counts._fields)),
        rows.doubles_or_nil("oldest_at"),
        rows.doubles_or_nil("growth"),
        runs(all_cohorts, lengths),
        rows.doubles_or_nil("error") if "error" in content else [None] * rows.rows,
    )


def history_of(content: Object, before: tuple[Point, ...]) -> tuple[Point, ...]:
    """`before`: that of the record before."""
    rows = Columns(content, "at")
    kept = whole(needed(content, "kept"), "kept", most=len(before))
    at = rows.doubles("at", MOST_SECONDS)
    points = made(Point, at, rows.whole("tracked"), rows.whole_or_nil("resident"))
    return (*before[:kept], *points)


def mappings_of(content: Object, tables: Tables) -> dict[int, tuple[MappedRange, ...]]:
    """By the place of their process."""
    rows = Columns(content, "process")
    texts = tables.texts
    ranges = made(
        MappedRange,
        rows.whole("start"),
        rows.whole("end"),
        rows.named("perms", texts),
        rows.whole("offset"),
        rows.named("path", texts),
        rows.chosen("build_id", texts),
    )
    found: dict[int, list[MappedRange]] = {}
    for place, one in zip(rows.whole("process"), ranges, strict=True):
        found.setdefault(place, []).append(one)
    return {place: tuple(mapped) for place, mapped in found.items()}


def blocks_of(content: Object, sites: int) -> BlockColumns:
    """`sites`: how many the picture has."""
    rows = Columns(content, "address")
    places = [-1 if place is None else place for place in rows.whole_or_nil("site")]
    if max(places, default=-1) >= sites:
        raise Unfit("a block is of no site")
    return BlockColumns(places, *map(rows.whole, BlockColumns._fields[1:]))
