"""Which sites of a picture a view shows, in which order; the rest becomes one line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from ebpftrace.analysis.responsible import Rules
from ebpftrace.analysis.suppressed import NOTHING, Suppressed, suppressed
from ebpftrace.analysis.suppressions import Suppressions
from ebpftrace.model.picture import Picture, Site

SortKey = Literal["bytes", "blocks", "growth", "age"]
SORT_KEYS: tuple[SortKey, ...] = get_args(SortKey)

_KEYS: dict[SortKey, Callable[[Site], float]] = {
    "bytes": lambda site: -site.counts.bytes,
    "blocks": lambda site: -site.counts.blocks,
    "growth": lambda site: -(site.growth or 0.0),
    "age": lambda site: site.oldest_at if site.oldest_at is not None else float("inf"),
}


@dataclass(frozen=True, slots=True)
class Selection:
    """`top` 0 is all; `older` in seconds: only sites that hold a block at least that old.

    `rules` say which frame of a site is shown first. What `suppressions` match is hidden.
    """

    sort: SortKey = "bytes"
    top: int = 50
    older: float | None = None
    rules: Rules = field(default_factory=Rules.standard)
    suppressions: Suppressions | None = None

    def hidden(self, picture: Picture) -> Mapping[int, str]:
        """The indexes of the sites that are suppressed, with the names of what hides them."""
        return {} if self.suppressions is None else self.suppressions.hidden(picture.sites)


@dataclass(frozen=True, slots=True)
class Others:
    """What was neither selected nor suppressed, summed."""

    sites: int
    blocks: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Selected:
    """The sites to show, in order, and the rest; all of it is what the picture's totals say."""

    sites: tuple[Site, ...]
    others: Others
    suppressed: Suppressed = NOTHING


def select(picture: Picture, selection: Selection) -> Selected:
    """Hide, sort and cut; see `rank` and `matches`."""
    hidden = selection.hidden(picture)
    matching = [
        site
        for index, site in enumerate(picture.sites)
        if index not in hidden and matches(site, picture, selection)
    ]
    matching.sort(key=rank(selection.sort))
    shown = tuple(matching[: selection.top or None])
    counted = [site.counts for site in shown if not picture.is_apart(site)]
    blocks = sum(counts.blocks for counts in counted)
    size = sum(counts.bytes for counts in counted)
    left_out = suppressed(picture.sites, hidden)
    others = Others(
        sites=len(picture.sites) - len(shown) - left_out.sites,
        blocks=picture.totals.blocks - blocks - left_out.blocks,
        bytes=picture.totals.bytes - size - left_out.bytes,
    )
    return Selected(shown, others, left_out)


def rank(sort: SortKey) -> Callable[[Site], tuple[float, int, str]]:
    """A key to sort by; ties fall to the larger site, then to the id, so that rows do not dance."""
    key = _KEYS[sort]
    return lambda site: (key(site), -site.counts.bytes, site.at.id)


def matches(site: Site, picture: Picture, selection: Selection) -> bool:
    """Does the site hold what the selection asks for?"""
    if selection.older is None:
        return True
    return site.oldest_at is not None and picture.since_attach_s - site.oldest_at >= selection.older
