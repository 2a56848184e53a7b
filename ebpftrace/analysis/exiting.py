"""What a program that was started under watch held at its end, and whether that is too much.

Each exec makes another program of the process: what those before held is gone, and no leak. Processes that it
has forked off are programs of their own.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from ebpftrace.analysis.selection import Selection
from ebpftrace.analysis.summing import counts_of
from ebpftrace.analysis.suppressed import Suppressed, suppressed
from ebpftrace.model.picture import Counts, Picture, Site, Target


class Replaced(NamedTuple):
    """A program in whose place another one came, and what was its own by then."""

    target: Target
    counts: Counts


@dataclass(frozen=True, slots=True)
class AtExit:
    """`picture` is of the heap of the last program alone. `mapped` are the sites by which it had mapped
    memory for itself: nobody calls it a leak that these go with the process. `before`: those that it has
    replaced, the first first. `followed`: what it, and they, have forked off, as far as that was watched;
    `shown` has their sites as well.

    `too_much`: what it held, but for what is suppressed, is more than the threshold. `from_start`: it
    was watched from its first allocation on.
    """

    picture: Picture
    target: Target
    before: tuple[Replaced, ...]
    suppressed: Suppressed
    threshold: int
    from_start: bool = True
    mapped: tuple[Site, ...] = ()
    followed: tuple[Replaced, ...] = ()
    shown: Picture | None = None

    @property
    def held(self) -> Counts:
        return self.picture.totals

    @property
    def unsuppressed_bytes(self) -> int:
        return self.held.bytes - self.suppressed.bytes

    @property
    def too_much(self) -> bool:
        return self.unsuppressed_bytes > self.threshold

    @property
    def known(self) -> bool:
        """Was it watched from start to end, so that this is what it held at its exit?"""
        return self.target.ended == "exited" and self.from_start

    @property
    def hidden_by(self) -> dict[str, int]:
        """By which losses it may have held more, and how many they are."""
        return {loss.name: count for loss, count in self.picture.losses.hiding()}


def at_exit(
    picture: Picture, selection: Selection, threshold: int, *, from_start: bool = True
) -> AtExit:
    """Of a final picture with one process in it, as one or more programs one after the other."""
    own = next(one.pid for one in picture.targets if not one.folded)
    mine = [one for one in picture.targets if one.pid == own]
    others = [one for one in picture.targets if one.pid != own]
    last = mine[-1]
    sites = _of(picture, last)
    totals = counts_of(sites) if picture.targets[1:] else picture.heap
    alone = replace(picture, targets=(last,), sites=sites, totals=totals, mapped=None)
    more = tuple(site for one in others for site in _of(picture, one))
    return AtExit(
        alone,
        last,
        tuple(Replaced(one, counts_of(_of(picture, one))) for one in mine[:-1]),
        suppressed(sites, selection.hidden(alone)),
        threshold,
        from_start,
        _mapped_by(picture, last),
        tuple(Replaced(one, counts_of(_of(picture, one))) for one in others),
        replace(alone, targets=(last, *others), sites=(*sites, *more)) if others else alone,
    )


def _of(picture: Picture, target: Target) -> tuple[Site, ...]:
    return tuple(site for site in _all_of(picture, target) if site.at.family != "mmap")


def _mapped_by(picture: Picture, target: Target) -> tuple[Site, ...]:
    return tuple(site for site in _all_of(picture, target) if site.at.family == "mmap")


def _all_of(picture: Picture, target: Target) -> Iterator[Site]:
    own = target.slot, target.pid
    return (site for site in picture.sites if (site.at.slot, site.at.pid) == own)
