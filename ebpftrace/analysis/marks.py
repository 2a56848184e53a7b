"""Moments that later pictures are compared with: what every site had then.

A site is known by its id. What one held that became part of another since counts as grown there.
"""

from array import array
from collections.abc import Iterator, Sequence
from itertools import chain
from operator import itemgetter

from ebpftrace.model.epochs import epoch_at, start_of
from ebpftrace.model.picture import Counts, Picture, Site
from ebpftrace.text import clean

_WIDTH = len(Counts._fields)
_NOTHING = (0,) * _WIDTH
_counts = itemgetter(Site._fields.index("counts"))
_NEW = -1


class Mark:
    """What every site of a picture had, in 56 bytes a site. `at` is in seconds since attach."""

    def __init__(self, name: str, picture: Picture) -> None:
        self.name = name
        self.time = picture.time
        self.at = picture.since_attach_s
        self._ids = [site[0].id for site in picture.sites]
        self._had = _packed(list(chain.from_iterable(map(_counts, picture.sites))))
        self._rows: Sequence[int] = range(len(self._ids))
        """Where a site of the picture that was compared last is in here, by its index there."""
        self._last = self._ids[-1] if self._ids else None
        """The id of the last of those."""
        self._is_early = False
        """Is that picture of before the mark? Then sites may be missing that come again."""

    def since(self, site: Site, index: int, picture: Picture) -> Site:
        """The site, which has this index in the picture, less what it had at the mark.

        `oldest_at` is the start of the first epoch after the mark that holds something; None where
        none does or it is not known. Growth and cohorts are as they are.
        """
        rows = self._aligned(picture)
        row = rows[index] if index < len(rows) else _NEW
        if row == _NEW:
            return site
        had = self._had[row * _WIDTH : (row + 1) * _WIDTH]
        counts = Counts(*(now - then for now, then in zip(site.counts, had, strict=True)))
        return site._replace(counts=counts, oldest_at=self._oldest_at(site))

    def grown(self, picture: Picture) -> list[int]:
        """The indexes of the sites that hold more bytes or more blocks than at the mark."""
        sites, had, rows = picture.sites, self._had, self._aligned(picture)
        then: Iterator[tuple[int, ...]]
        then = zip(*(had[column::_WIDTH] for column in range(_WIDTH)), strict=True)
        if not isinstance(rows, range):
            all_then = [*then, _NOTHING]  # where a new one finds it
            then = map(all_then.__getitem__, rows)
        grown = [
            index
            for index, (site, (n, size, freed, freed_size, adopted, adopted_size)) in enumerate(
                zip(sites, then, strict=False)
            )
            if (counts := site[1])[1] + counts[5] - counts[3] > size + adopted_size - freed_size
            or counts[0] + counts[4] - counts[2] > n + adopted - freed
        ]
        new = range(len(rows), len(sites))
        grown += [n for n in new if sites[n].counts.bytes > 0 or sites[n].counts.blocks > 0]
        return grown

    def _aligned(self, picture: Picture) -> Sequence[int]:
        """The row of every site of the picture, or -1; those past its end were not there then.

        As long as the last known site stands where it stood, none was merged away.
        """
        sites, rows = picture.sites, self._rows
        more = len(sites) - len(rows)
        if (more == 0 or (more > 0 and not self._is_early)) and (
            not rows or sites[len(rows) - 1].at.id == self._last
        ):
            return rows
        row_of = dict(zip(self._ids, range(len(self._ids)), strict=True))
        self._rows = array("i", [row_of.get(site.at.id, _NEW) for site in sites])
        self._last = sites[-1].at.id if sites else None
        self._is_early = picture.since_attach_s < self.at
        return self._rows

    def _oldest_at(self, site: Site) -> float | None:
        if site.oldest_at is None or site.oldest_at >= self.at:
            return site.oldest_at
        mark = epoch_at(self.at)
        later = (cohort.epoch for cohort in site.cohorts if cohort.blocks and cohort.epoch > mark)
        first = min(later, default=None)
        return None if first is None else float(start_of(first))


def _packed(numbers: list[int]) -> Sequence[int]:
    """A damaged recording may state what no machine holds."""
    try:
        return array("q", numbers)
    except OverflowError:
        return tuple(numbers)


class Marks:
    """By name, in the order in which they were set."""

    def __init__(self) -> None:
        self._marks: dict[str, Mark] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._marks)

    def add(self, name: str, picture: Picture) -> Mark:
        """Set one; a name that is in use gets a number."""
        name = " ".join(clean(name).split()) or "mark"
        unused, number = name, 1
        while unused in self._marks:
            number += 1
            unused = f"{name} {number}"
        mark = self._marks[unused] = Mark(unused, picture)
        return mark

    def remove(self, name: str) -> None:
        """KeyError where there is none of that name."""
        del self._marks[name]

    def __getitem__(self, name: str) -> Mark:
        return self._marks[name]

    def __iter__(self) -> Iterator[Mark]:
        return iter(self._marks.values())

    def __len__(self) -> int:
        return len(self._marks)
