"""When the blocks that are outstanding were born, and of which sizes, for formats that are events.

By single blocks where the snapshot has those of a site, else by its cohorts; what neither explains is
as old as the site's oldest block. Numbers and bytes of each site are those of its counts.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ebpftrace.export.formats.subject import Subject
from ebpftrace.model.epochs import length_of, start_of
from ebpftrace.model.picture import Counts, Site

MOST = 5_000_000
"""Of blocks that are not known one by one; where there are more, several are made one."""

_SIZE_BITS = 64
_SIZE = (1 << _SIZE_BITS) - 1


class Block(NamedTuple):
    """Where a block comes from, as an index into the sites of the picture, and its size."""

    site: int
    size: int


class Births(NamedTuple):
    """`at[n]`: the blocks that were born in the nth span of time, as indexes into `blocks`.

    The site that follows the last one of the picture is the subject's `rest`. Where blocks are not
    known one by one, `merged` of them are one.
    """

    at: Sequence[Sequence[int]]
    blocks: Sequence[Block]
    merged: int


class _Numbers(dict[int, int]):
    """Indexes of blocks, in the order in which they are asked for first.

    A site and a size are one key: half the time of a pair, with a million of them.
    """

    def __missing__(self, key: int) -> int:
        number = self[key] = len(self)
        return number

    def blocks(self) -> list[Block]:
        return [Block(key >> _SIZE_BITS, key & _SIZE) for key in self]


class _Part(NamedTuple):
    """Some blocks of a site, born until `second`."""

    second: float
    blocks: int
    bytes: int


def births(subject: Subject, step_ns: int) -> Births:
    """By spans of `step_ns` since the attach."""
    picture = subject.snapshot.picture
    shown = {id(site) for site in subject.sites}
    sites = {n: site for n, site in enumerate(picture.sites) if id(site) in shown}
    numbers = _Numbers()
    at = _single(subject, numbers, step_ns)
    left, unfit = _left(sites, numbers, at)
    if unfit:
        at = [[number for number in span if number not in unfit] for span in at]
    left[len(picture.sites)] = subject.rest
    merged = max(1, -(-sum(counts.blocks for counts in left.values()) // MOST))
    for site, counts in left.items():
        for part in _parts(sites.get(site), counts):
            span = min(len(at) - 1, int(part.second * 1e9) // step_ns)
            for size, count in _spread(part.bytes, -(-part.blocks // merged)):
                at[span] += [numbers[site << _SIZE_BITS | size]] * count
    return Births(at, numbers.blocks(), merged)


def _single(subject: Subject, numbers: _Numbers, step_ns: int) -> list[list[int]]:
    """Those that are known one by one. They are read after the picture, so some may be younger."""
    last = int(subject.snapshot.picture.since_attach_s * 1e9) // step_ns
    at: defaultdict[int, list[int]] = defaultdict(list)
    number_of = numbers.__getitem__
    for columns in subject.snapshot.blocks() if subject.snapshot.blocks else ():
        both = zip(columns.site, columns.size, strict=True)
        found = map(number_of, [site << _SIZE_BITS | size for site, size in both])
        for born, number in zip(columns.born_ns, found, strict=True):
            at[born // step_ns].append(number)
    spans = [at.get(span, []) for span in range(last + 1)]
    for span in sorted(at.keys() - range(last + 1)):
        spans[last if span > last else 0] += at[span]
    return spans


def _left(
    sites: Mapping[int, Site], numbers: _Numbers, at: Iterable[list[int]]
) -> tuple[dict[int, Counts], set[int]]:
    """What each site has besides its single blocks, and which of those are not to be taken.

    A site that has others by now, as blocks are read after the picture, goes by its cohorts.
    """
    found = [0] * len(numbers)
    for span in at:
        for number in span:
            found[number] += 1
    known: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
    blocks = numbers.blocks()
    for block, count in zip(blocks, found, strict=True):
        of_site = known[block.site]
        of_site[0] += count
        of_site[1] += count * block.size
    left = {n: _without(site.counts, *known.get(n, (0, 0))) for n, site in sites.items()}
    unfit = {n for n in known if n not in left or not _possible(left[n])}
    left.update((n, sites[n].counts) for n in unfit & sites.keys())
    return left, {number for number, block in enumerate(blocks) if block.site in unfit}


def _without(counts: Counts, blocks: int, size: int) -> Counts:
    return Counts(counts.blocks - blocks, counts.bytes - size)


def _possible(counts: Counts) -> bool:
    return counts.blocks > 0 <= counts.bytes or counts.blocks == counts.bytes == 0


def _parts(site: Site | None, counts: Counts) -> Iterable[_Part]:
    """The ends of epochs, because until then all of a cohort were born."""
    oldest = 0.0 if site is None or site.oldest_at is None else site.oldest_at
    parts = []
    if site is not None and counts.blocks == site.counts.blocks:
        parts = [
            _Part(start_of(one.epoch) + length_of(one.epoch), one.blocks, one.bytes)
            for one in site.cohorts
        ]
        left = _without(counts, sum(one.blocks for one in parts), sum(one.bytes for one in parts))
        if not all(part.blocks > 0 <= part.bytes for part in parts) or not _possible(left):
            parts = []
        counts = left if parts else counts
    if counts.blocks > 0 or counts.bytes > 0:
        parts.append(_Part(oldest, counts.blocks, counts.bytes))
    return parts


def _spread(size: int, blocks: int) -> Iterable[tuple[int, int]]:
    """So many bytes in so many blocks: two sizes next to each other, and how many have them."""
    blocks = max(1, blocks)
    each, more = divmod(max(0, size), blocks)
    return (each + 1, more), (each, blocks - more)
