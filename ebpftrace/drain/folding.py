"""What programs held that ended long ago, taken together: a site for each stack, whoever had it.

Ten thousand short programs have the same few stacks. Addresses differ with each of them, so stacks are
the same here if their code is: the modules, and the places in them.
"""

from collections.abc import Sequence
from operator import add

from ebpftrace.drain.space import ENDED, site_id
from ebpftrace.model.ids import Pid, Slot, StackId
from ebpftrace.model.picture import CallSite, Cohort, Counts, Site

MOST_SITES = 4096
"""Different ones; what is more goes into one without a stack."""

_Key = tuple[object, ...]


class Folding:
    """Keeps rows of a list of drawn sites, which has them at the end when they come."""

    def __init__(self) -> None:
        self._rows: dict[_Key, int] = {}
        self._made = 0

    def fold(self, site: Site, drawn: list[Site | None]) -> None:
        """Add it to the one of its kind."""
        key = _key(site.at)
        if key not in self._rows and len(self._rows) >= MOST_SITES:
            key = ()
        row = self._rows.get(key)
        before = drawn[row] if row is not None else None
        if row is None or before is None:
            self._rows[key] = len(drawn)
            self._made += 1
            drawn.append(_alone(site, StackId(self._made), whole=bool(key)))
            return
        drawn[row] = before._replace(
            counts=Counts._make(map(add, before.counts, site.counts)),
            oldest_at=_oldest(before.oldest_at, site.oldest_at),
            cohorts=_together(before.cohorts, site.cohorts),
        )

    def move(self, places: Sequence[int]) -> None:
        """Each row has come to another place."""
        self._rows = {key: places[row] for key, row in self._rows.items()}


def _key(at: CallSite) -> _Key:
    code = tuple((frame.module, frame.offset, frame.function, frame.line) for frame in at.frames)
    return at.family, at.allocator, at.end, code


def _alone(site: Site, number: StackId, *, whole: bool) -> Site:
    """As it will stand for others as well: of no process."""
    here = site_id(ENDED, number)
    if whole:
        at = site.at._replace(id=here, slot=Slot(0), pid=Pid(0), stack=number)
    else:
        at = CallSite(
            id=here,
            slot=Slot(0),
            stack=StackId(0),
            pid=Pid(0),
            family=None,
            allocator=None,
            complete=False,
            guessed=None,
            frames=(),
        )
    return site._replace(at=at, growth=0.0)


def _oldest(one: float | None, other: float | None) -> float | None:
    known = [at for at in (one, other) if at is not None]
    return min(known) if known else None


def _together(one: tuple[Cohort, ...], other: tuple[Cohort, ...]) -> tuple[Cohort, ...]:
    if not other:
        return one
    sums: dict[int, Cohort] = {cohort.epoch: cohort for cohort in one}
    for epoch, blocks, size, adopted in other:
        _, b, s, a = sums.get(epoch, (epoch, 0, 0, 0))
        sums[epoch] = Cohort(epoch, b + blocks, s + size, a + adopted)
    return tuple(sums[epoch] for epoch in sorted(sums))
