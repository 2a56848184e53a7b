"""The sections of what changes from picture to picture: sites with their cohorts, history, mappings."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from ebpftrace.model.picture import Counts, Point, Site
from ebpftrace.model.snapshot import BlockColumns, ProcessFacts
from ebpftrace.snapshot.format import columns
from ebpftrace.snapshot.format.tables_writing import Section, Tables, transposed

MOST_BLOCKS = 65_536  # of one section


def sites(given: Sequence[Site], tables: Tables) -> Iterator[Section]:
    ats, counts, oldest, growth, cohorts, errors = transposed(given, 6)
    estimated = {"error": columns.doubles_or_nil(errors)} if any(map(_is_known, errors)) else {}
    yield (
        "sites",
        {
            "callsite": columns.whole(tables.call_sites(ats)),
            **{
                field: columns.whole(numbers)
                for field, numbers in zip(Counts._fields, transposed(counts, 6), strict=True)
            },
            "oldest_at": columns.doubles_or_nil(oldest),
            "growth": columns.doubles_or_nil(growth),
            "cohorts": columns.whole(list(map(len, cohorts))),
            **estimated,
        },
    )
    epochs, blocks, sizes, adopted = transposed(list(chain.from_iterable(cohorts)), 4)
    yield (
        "cohorts",
        {
            "epoch": columns.whole(epochs),
            "blocks": columns.whole(blocks),
            "bytes": columns.whole(sizes),
            "adopted_bytes": columns.whole(adopted),
        },
    )


def _is_known(value: float | None) -> bool:
    return value is not None


def history(points: Sequence[Point], kept: int = 0) -> Section:
    """`kept` points of the record before stand before these."""
    at, tracked, resident = transposed(points, 3)
    return (
        "history",
        {
            "kept": kept,
            "at": columns.doubles_or_nil(at),
            "tracked": columns.whole(tracked),
            "resident": columns.whole_or_nil(resident),
        },
    )


def mappings(processes: Sequence[ProcessFacts], tables: Tables) -> Section:
    ranges = list(chain.from_iterable(one.mappings for one in processes))
    starts, ends, perms, offsets, paths, build_ids = transposed(ranges, 6)
    places = [place for place, one in enumerate(processes) for _ in one.mappings]
    return (
        "mappings",
        {
            "process": columns.whole(places),
            "start": columns.whole(starts),
            "end": columns.whole(ends),
            "perms": columns.whole(tables.texts(perms)),
            "offset": columns.whole(offsets),
            "path": columns.whole(tables.texts(paths)),
            "build_id": columns.whole(tables.texts(build_ids)),
        },
    )


def blocks(given: BlockColumns) -> Iterator[Section]:
    """Sections of so many rows at most."""
    for start in range(0, len(given.site), MOST_BLOCKS):
        part = slice(start, start + MOST_BLOCKS)
        sites: Sequence[int | None] = given.site[part]
        if min(given.site[part]) < 0:
            sites = [None if n < 0 else n for n in given.site[part]]
        content: dict[str, Any] = {
            field: columns.whole(column[part])
            for field, column in zip(given._fields[1:], given[1:], strict=True)
        }
        yield "blocks", {"site": columns.whole_or_nil(sites), **content}
