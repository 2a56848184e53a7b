"""What an exporter is given: a snapshot, without what is suppressed, and how it is to be shown.

Whatever the format, what it holds sums up to `counts`: so every format has the same totals.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from ebpftrace.analysis.selection import Selection
from ebpftrace.analysis.summing import counts_of
from ebpftrace.analysis.suppressed import Suppressed, suppressed
from ebpftrace.model.picture import Counts, Picture, Site
from ebpftrace.model.snapshot import Snapshot

Measure = Literal["bytes", "blocks", "allocated-bytes", "allocated-blocks"]
MEASURES: tuple[Measure, ...] = get_args(Measure)

Series = Callable[[], Iterator[Picture]]
"""Makes a new pass over pictures of one watch, oldest first; the last one is the snapshot's."""


@dataclass(frozen=True, slots=True)
class Subject:
    """`sites` are all that are not suppressed, in the order of the picture: `counts` in all, with `rest`.

    `rest` is what the picture holds without a call site: a recording of `--json` has the first ones
    only. `file` is clean, and what the user calls the snapshot. `measure` is for formats that have room
    for one. `base`: what a format that can show changes compares with. `selection` is for those that
    are themselves a view, and says what is suppressed in the pictures of `series`.
    """

    snapshot: Snapshot
    file: str
    sites: tuple[Site, ...]
    rest: Counts
    counts: Counts
    suppressed: Suppressed
    selection: Selection
    measure: Measure
    series: Series
    base: Snapshot | None = None

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        file: str,
        selection: Selection,
        measure: Measure = "bytes",
        series: Series | None = None,
        base: Snapshot | None = None,
    ) -> "Subject":
        """Without `series` the snapshot's picture is all there is."""
        picture = snapshot.picture
        hidden = selection.hidden(picture)
        left_out = {*hidden, *picture.apart()}
        sites = tuple(site for at, site in enumerate(picture.sites) if at not in left_out)
        rest = picture.totals.without(counts_of(picture.counted()))
        kept = counts_of(sites)
        return cls(
            snapshot,
            file,
            sites,
            rest,
            Counts(*map(sum, zip(kept, rest, strict=True))),
            suppressed(picture.sites, hidden),
            selection,
            measure,
            series or (lambda: iter((picture,))),
            base,
        )

    def older(self) -> "Subject | None":
        """What it is compared with, by the same selection."""
        return None if self.base is None else Subject.of(self.base, "", self.selection)


def measured(counts: Counts, measure: Measure) -> int:
    """Adopted blocks count as allocated: freed ones are among them."""
    if measure == "bytes":
        return counts.bytes
    if measure == "blocks":
        return counts.blocks
    if measure == "allocated-bytes":
        return counts.allocated_bytes + counts.adopted_bytes
    return counts.allocated_blocks + counts.adopted_blocks
